use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use rayon::ThreadPool;

use super::cache::BlobCache;
use super::codebooks::Codebooks;
use super::database::{CommitRow, Database, LayerRow, View};
use super::deltas::deltas;
use super::entry::not_a_matrix;
use super::head::{HeadState, Heads, LayerHead};
use super::index::{Index, LayerIndex};
use super::note::metadata_from_json;
use super::open_step::OpenStep;
use super::options::StoreOptions;
use super::plan::Room;
use super::reader::Reader;
use super::region::dense_region;
use super::report::{LayerInfo, ModelWeights};
use super::settings::Settings;
use super::state::State;
use crate::coding::Element;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::grids::{Layer, StorageOptions};
use crate::host::{Watch, threads};
use crate::values::{Checkpoint, Delta, DenseWeights, Region, Tensor, check_inside};

/// The synchronous core of [`TemporalStore`](crate::TemporalStore), whose methods say more.
pub(crate) struct Store {
    database: Database,
    options: StoreOptions,
    pool: ThreadPool,
    cache: BlobCache,
    codebooks: Codebooks,
    /// Held by whoever brings the store from one step to the next.
    turn: Mutex<()>,
    /// What is being accumulated. Looked at with the turn.
    pub(super) open: Mutex<Option<OpenStep>>,
    watch: Watch,
    /// Held by whoever seals and compacts.
    pub(super) maintaining: Mutex<()>,
    pub(super) wake: Mutex<Option<std::sync::mpsc::SyncSender<()>>>,
    /// Of the newest generation that was read.
    index: Mutex<Option<Arc<Index>>>,
    /// Made when first something is written, or the latest state is asked for.
    heads: RwLock<Option<Heads>>,
}

/// Calls a function that is generic over the width of a layer's elements.
macro_rules! by_width {
    ($dtype:expr, $element:ident => $call:expr) => {
        if $dtype.size() == 2 {
            type $element = u16;
            $call
        } else {
            type $element = u32;
            $call
        }
    };
}
pub(super) use by_width;

impl Store {
    pub(crate) fn new(database: Database, options: StoreOptions) -> Result<Self> {
        let pool = threads::pool(options.threads, "temporal-vdb")?;
        Ok(Store {
            cache: BlobCache::new(options.cache_bytes),
            codebooks: Codebooks::new(),
            wake: Mutex::new(None),
            database,
            options,
            pool,
            turn: Mutex::new(()),
            open: Mutex::new(None),
            watch: Watch::new(),
            maintaining: Mutex::new(()),
            index: Mutex::new(None),
            heads: RwLock::new(None),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.database.path()
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn options(&self) -> &StoreOptions {
        &self.options
    }

    pub(crate) fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The right to bring the store to its next step.
    pub(crate) fn write_turn(&self) -> Result<MutexGuard<'_, ()>> {
        if !self.database.is_writable() {
            return Err(Error::ReadOnly {
                path: self.path().to_owned(),
            });
        }
        Ok(self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn heads(&self) -> Result<RwLockReadGuard<'_, Option<Heads>>> {
        self.heads.read().map_err(|_| Error::Poisoned)
    }

    pub(crate) fn heads_mut(&self) -> Result<RwLockWriteGuard<'_, Option<Heads>>> {
        self.heads.write().map_err(|_| Error::Poisoned)
    }

    /// Reads one consistent state of the store.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&View, &Index) -> Result<T>) -> Result<T> {
        self.database.read(|view| {
            let index = self.index_of(view)?;
            work(view, &index)
        })
    }

    /// The index of what `view` sees.
    pub(crate) fn index_of(&self, view: &View) -> Result<Arc<Index>> {
        let earlier = self
            .index
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let index = Index::load(view, earlier.as_ref())?;
        let mut kept = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if kept
            .as_ref()
            .is_none_or(|kept| kept.tip.generation < index.tip.generation)
        {
            *kept = Some(Arc::clone(&index));
        }
        Ok(index)
    }

    pub(crate) fn reader<'a>(
        &'a self,
        view: &'a View<'a>,
        index: &'a Index,
        layer: &'a LayerIndex,
    ) -> Reader<'a> {
        Reader {
            cache: Some(&self.cache),
            ..self.file_reader(view, index, layer)
        }
    }

    /// One that takes nothing from memory and leaves nothing there: for those who read all there is
    /// once, or check the file.
    pub(crate) fn file_reader<'a>(
        &'a self,
        view: &'a View<'a>,
        index: &'a Index,
        layer: &'a LayerIndex,
    ) -> Reader<'a> {
        Reader {
            view,
            index,
            layer,
            cache: None,
            codebooks: &self.codebooks,
            pool: &self.pool,
        }
    }

    /// Asks something of one layer.
    pub(crate) fn with_layer<T>(
        &self,
        id: u32,
        work: impl FnOnce(&LayerIndex) -> Result<T>,
    ) -> Result<T> {
        self.read(|view, index| work(&*index.layer(view, id)?))
    }

    /// Asks something of one layer that its history has to be read for.
    pub(super) fn with_reader<T>(
        &self,
        id: u32,
        work: impl FnOnce(&Reader) -> Result<T>,
    ) -> Result<T> {
        self.read(|view, index| {
            let layer = index.layer(view, id)?;
            work(&self.reader(view, index, &layer))
        })
    }

    pub(crate) fn find_layer(&self, name: &str) -> Result<u32> {
        self.read(|_, index| Ok(index.find(name)?.id))
    }

    /// Name, type and shape of a layer that is a matrix.
    pub(crate) fn describe(&self, id: u32) -> Result<(String, Dtype, (i32, i32))> {
        self.read(|_, index| {
            let row = index.row(id)?;
            let shape = row.matrix.ok_or_else(|| not_a_matrix(row))?;
            Ok((row.name.clone(), row.dtype, shape))
        })
    }

    pub(crate) fn layers(&self) -> Result<Vec<LayerInfo>> {
        self.read(|view, index| {
            let rows = index.layers.iter();
            rows.map(|row| Ok(layer_info(row, &*index.layer(view, row.id)?)))
                .collect()
        })
    }

    // ---- states

    /// The state of a layer or a region of it as of time `t`.
    pub(crate) fn dense(&self, id: u32, t: usize, region: Option<Region>) -> Result<DenseWeights> {
        self.with_reader(id, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix.ok_or_else(|| not_a_matrix(row))?;
            let at = reader.layer.as_of(t)?;
            let region = region.unwrap_or(Region::new(0..shape.0, 0..shape.1));
            let shape = region.shape_within(shape)?;
            let values = by_width!(row.dtype, E => dense_region::<E>(reader, at, region, shape)?);
            Ok(DenseWeights {
                timestep: reader.layer.steps[at] as usize,
                shape,
                values,
            })
        })
    }

    /// All tensors as of time `t`.
    pub(crate) fn weights_at(&self, t: usize) -> Result<ModelWeights> {
        self.read(|view, index| self.model_at(view, index, t))
    }

    /// All tensors after step `t` itself.
    pub(crate) fn weights_at_step(&self, t: usize) -> Result<ModelWeights> {
        self.read(|view, index| {
            self.find_step(view, index, t)?;
            self.model_at(view, index, t)
        })
    }

    fn model_at(&self, view: &View, index: &Index, t: usize) -> Result<ModelWeights> {
        let mut layers = Vec::new();
        for row in index.layers.iter().filter(|row| row.created as usize <= t) {
            let layer = index.layer(view, row.id)?;
            let at = layer.as_of(t)?;
            layers.push((layer, at));
        }
        let timestep = layers
            .iter()
            .map(|(layer, at)| layer.steps[*at] as usize)
            .max();
        let mut tensors = Vec::with_capacity(layers.len());
        for ((layer, _), state) in layers.iter().zip(self.states_at(view, index, &layers)?) {
            tensors.push(tensor_of(&layer.row, state.to_bytes(&layer.row)));
        }
        let Some(timestep) = timestep else {
            // Nothing is as old as that.
            let oldest = index
                .layers
                .iter()
                .map(|row| row.created as usize)
                .min()
                .unwrap_or(0);
            return Err(Error::Pruned { step: t, oldest });
        };
        let metadata = newest_metadata(index, timestep);
        let metadata = metadata_from_json(metadata)
            .ok_or_else(|| Error::damaged("a checkpoint's metadata is no JSON object"))?;
        Ok(ModelWeights {
            timestep,
            checkpoint: Checkpoint { tensors, metadata },
        })
    }

    /// The states of some whole layers, each after the step at a place, made side by side.
    fn states_at(
        &self,
        view: &View,
        index: &Index,
        layers: &[(Arc<LayerIndex>, usize)],
    ) -> Result<Vec<HeadState>> {
        let readers: Vec<Reader> = layers
            .iter()
            .map(|(layer, _)| self.reader(view, index, layer))
            .collect();
        let mut states = Vec::with_capacity(layers.len());
        for (reader, (_, at)) in readers.iter().zip(layers) {
            states.push(State::begin(reader, *at)?);
        }
        let room = Room::new(&self.pool);
        self.pool.in_place_scope(|scope| {
            let mut each = readers.iter().zip(&mut states);
            each.try_for_each(|(reader, state)| state.spawn(reader, scope, &room))
        })?;
        readers
            .iter()
            .zip(states)
            .map(|(reader, state)| state.finish(reader))
            .collect()
    }

    /// All tensors after the latest step.
    pub(crate) fn latest(&self) -> Result<ModelWeights> {
        if !self.database.is_writable() {
            return self.weights_at(usize::MAX);
        }
        self.load_heads()?;
        let heads = self.heads()?;
        let heads = heads.as_ref().ok_or(Error::Poisoned)?;
        let tensors = heads
            .layers
            .iter()
            .map(|head| tensor_of(&head.row, head.state.to_bytes(&head.row)))
            .collect();
        let metadata = metadata_from_json(&heads.metadata)
            .ok_or_else(|| Error::damaged("a checkpoint's metadata is no JSON object"))?;
        Ok(ModelWeights {
            timestep: heads.latest.unwrap_or(0) as usize,
            checkpoint: Checkpoint { tensors, metadata },
        })
    }

    /// Reads the heads from the file, if that has not been done. The caller may hold the turn.
    pub(crate) fn load_heads(&self) -> Result<()> {
        if self.heads()?.is_some() {
            return Ok(());
        }
        let mut kept = self.heads_mut()?;
        if kept.is_some() {
            return Ok(());
        }
        let heads = self.read(|view, index| {
            let mut latest = Vec::with_capacity(index.layers.len());
            for row in index.layers.iter() {
                let layer = index.layer(view, row.id)?;
                let at = layer.steps.len() - 1;
                latest.push((layer, at));
            }
            let states = self.states_at(view, index, &latest)?;
            let head = |((layer, at), state): (&(Arc<LayerIndex>, usize), HeadState)| LayerHead {
                row: LayerRow::clone(&layer.row),
                latest: layer.steps[*at],
                steps: layer.steps.clone(),
                unsealed: layer.steps.len() - layer.unsealed(),
                lattice: layer
                    .groups
                    .iter()
                    .rev()
                    .find_map(|group| group.row.lattice),
                state,
            };
            let layers = latest.iter().zip(states).map(head).collect();
            // Of a store without commits there is none.
            let committed = latest.iter().filter(|(layer, at)| layer.seq(*at) > 0);
            let newest = committed.map(|(layer, at)| layer.steps[*at]).max();
            Ok(Heads {
                layers,
                latest: newest,
                metadata: newest_metadata(index, newest.unwrap_or(0) as usize).to_owned(),
                settings: Settings::load(view)?,
            })
        })?;
        *kept = Some(heads);
        Ok(())
    }

    // ---- changes

    pub(crate) fn delta_layer(&self, id: u32, t: usize) -> Result<Delta> {
        self.with_reader(id, |reader| {
            let at = reader.layer.find(t)?;
            Ok(deltas(reader, at..at + 1)?.swap_remove(0).1)
        })
    }

    pub(crate) fn deltas_in(
        &self,
        id: u32,
        times: RangeInclusive<usize>,
    ) -> Result<Vec<(usize, Delta)>> {
        self.with_reader(id, |reader| deltas(reader, reader.layer.places_in(&times)))
    }

    pub(crate) fn weight_history(&self, id: u32, row: i32, col: i32) -> Result<Vec<(usize, f32)>> {
        self.with_reader(id, |reader| {
            let layer = &reader.layer.row;
            let shape = layer.matrix.ok_or_else(|| not_a_matrix(layer))?;
            check_inside((row, col), shape)?;
            by_width!(layer.dtype, E => {
                let (base, changes) = reader.weight::<E>(row as usize, col as usize)?;
                let widen = |bits: E| layer.dtype.widen(bits.to_u32());
                let after = changes.into_iter().map(|(at, bits)| (reader.layer.steps[at] as usize, widen(bits)));
                Ok(std::iter::once((reader.layer.oldest(), widen(base))).chain(after).collect())
            })
        })
    }

    /// A range of times as a layer of grids.
    pub(crate) fn grid(
        &self,
        id: u32,
        times: RangeInclusive<usize>,
        options: StorageOptions,
    ) -> Result<Layer> {
        self.with_reader(id, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix.ok_or_else(|| not_a_matrix(row))?;
            let begin = reader.layer.as_of(*times.start())?;
            let end = reader.layer.as_of((*times.end()).max(*times.start()))?;
            let whole = Region::new(0..shape.0, 0..shape.1);
            let base = by_width!(row.dtype, E => dense_region::<E>(reader, begin, whole, shape)?);
            let slices = deltas(reader, begin + 1..end + 1)?;
            Layer::from_history(
                &row.name,
                shape,
                (reader.layer.steps[begin], &base),
                &slices,
                options,
            )
        })
    }
}

pub(super) fn layer_info(row: &LayerRow, layer: &LayerIndex) -> LayerInfo {
    LayerInfo {
        name: row.name.clone(),
        dtype: row.dtype,
        shape: row.shape.clone(),
        matrix: row.matrix,
        oldest: layer.oldest(),
        latest: layer.latest(),
    }
}

fn tensor_of(row: &LayerRow, data: Bytes) -> Tensor {
    Tensor {
        name: row.name.clone(),
        dtype: row.dtype,
        shape: row.shape.clone(),
        data,
    }
}

/// Metadata of the newest checkpoint not after `t`, as JSON.
fn newest_metadata(index: &Index, t: usize) -> &str {
    let of_checkpoint =
        |commit: &&Arc<CommitRow>| commit.step as usize <= t && !commit.metadata.is_empty();
    let newest = index
        .commits_in_order()
        .iter()
        .filter(of_checkpoint)
        .max_by_key(|commit| commit.step);
    newest.map_or("{}", |commit| &commit.metadata)
}
