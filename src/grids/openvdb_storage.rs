use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;

use super::layer::Layer;
use super::storage_options::StorageOptions;
use crate::error::{Error, Result};
use crate::host::{Committed, Progress, StepStream, Watch, blocking};
use crate::queries::evolution::{Evolution, LayerEvolution};
use crate::queries::together::{CoOccurrence, Together};
use crate::traits::{TemporalLayer, TemporalQueries, TemporalVDBStorage};
use crate::values::{Delta, DenseWeights, Figures, Pruned, Region, Retention, SparseWeights};

/// One layer, in memory, all of it in `openvdb::FloatGrid`s: for live adaptation.
///
/// A handle: cloning it is cheap, and all clones see one layer. Reads run in parallel, a write has
/// the layer to itself. Heavy work goes to tokio's pool for blocking work where a tokio runtime
/// is there, else to the calling thread.
///
/// *Cancellation.* Dropping the future of a write that has started does not stop it: it is done
/// whole, or fails and changes nothing. Dropping the future of a read wastes its work.
///
/// What it costs: every 8 x 8 x 8 leaf (rows x columns x steps) that holds a change is 2 KB,
/// however few changes are in it.
#[derive(Clone)]
pub struct OpenVdbStorage {
    layer: Arc<RwLock<Layer>>,
    watch: Arc<Watch>,
}

/// The one layer there is to watch.
const WATCHED: u32 = 0;

impl OpenVdbStorage {
    /// An empty layer of rows x cols that keeps every step. Errors: `InvalidShape`.
    pub fn new(name: &str, rows: i32, cols: i32) -> Result<Self> {
        OpenVdbStorage::with_options(name, rows, cols, StorageOptions::default())
    }

    /// An empty layer that works as `options` say. Errors: `InvalidShape`.
    pub fn with_options(name: &str, rows: i32, cols: i32, options: StorageOptions) -> Result<Self> {
        Ok(Layer::new(name, rows, cols, options)?.into())
    }

    /// Reads a layer from a `.vdb`: grid `name`, or with `None` the only one that could be a layer. What
    /// [`export_vdb`](Self::export_vdb) wrote comes back bit for bit, or not at all: it has a digest. Any
    /// other float grid has its base at z = 0 and a step at each later z that holds a voxel; its shape is
    /// its bounding box from (0, 0). With a ring, steps that it does not reach are folded.
    ///
    /// OpenVDB's reader believes what it reads, so all counts, sizes and places are checked before
    /// ([`VdbGrid`](crate::VdbGrid)), and it gets the bytes of the grid's tree alone. What is packed in
    /// them it unpacks itself: a file that was made to harm belongs into a process of its own, as
    /// `tvdb import` has one.
    ///
    /// Errors: `Io`, `NotALayer`.
    pub async fn open_vdb(
        path: impl Into<PathBuf>,
        name: Option<&str>,
        options: StorageOptions,
    ) -> Result<Self> {
        let (path, name) = (path.into(), name.map(str::to_owned));
        let layer = blocking::run(move || Layer::open_vdb(&path, name.as_deref(), options)).await?;
        Ok(layer.into())
    }

    /// Writes the layer as `.vdb` with all that is in it, z being the timestep: grid `<name>`, and
    /// `<name>.exact` where there are exact marks. Tags and the policy are not written; a step
    /// that is still open is one like the others there. `path` has the old or the whole new file at
    /// any time, and a write that fails leaves the old one.
    ///
    /// Errors: `Io`.
    pub async fn export_vdb(&self, path: impl Into<PathBuf>) -> Result<()> {
        let path = path.into();
        self.read(move |layer| layer.export_vdb(&path)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Layer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let layer = Arc::clone(&self.layer);
        blocking::run(move || work(&*layer.read().map_err(|_| Error::Poisoned)?)).await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Layer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let layer = Arc::clone(&self.layer);
        blocking::run(move || work(&mut *layer.write().map_err(|_| Error::Poisoned)?)).await
    }

    /// The layer's name.
    pub async fn name(&self) -> Result<String> {
        self.read(|layer| Ok(layer.name().to_owned())).await
    }

    /// Rows and columns.
    pub async fn shape(&self) -> Result<(i32, i32)> {
        self.read(|layer| Ok(layer.shape())).await
    }

    /// The steps that are closed from now on, in their order, until the last handle of the layer is
    /// gone: stored ones, and those that were accumulated once they are closed.
    pub fn subscribe(&self) -> StepStream {
        self.watch.subscribe(Some(WATCHED))
    }

    /// Sizes in memory.
    pub async fn figures(&self) -> Result<Figures> {
        self.read(Layer::figures).await
    }

    /// The state of a region as of time `t`, rows and columns counted from its corner. Errors:
    /// `Pruned`, `InvalidRegion`.
    pub async fn weights_in_region(&self, t: usize, region: Region) -> Result<SparseWeights> {
        self.read(move |layer| layer.weights_in_region(t, region))
            .await
    }

    /// The state of a region as of time `t`, dense. Errors: `Pruned`, `InvalidRegion`,
    /// `OutOfMemory`.
    pub async fn dense_in_region(&self, t: usize, region: Region) -> Result<DenseWeights> {
        self.read(move |layer| layer.dense_in_region(t, region))
            .await
    }
}

impl From<Layer> for OpenVdbStorage {
    fn from(mut layer: Layer) -> Self {
        let watch = Arc::new(Watch::new());
        let told = Arc::clone(&watch);
        // Called while the layer is written, so in the order of the steps.
        layer.tell(Box::new(move |step, changes| {
            told.tell(Committed {
                step,
                layers: Arc::new([(WATCHED, changes)]),
            });
        }));
        OpenVdbStorage {
            layer: Arc::new(RwLock::new(layer)),
            watch,
        }
    }
}

impl fmt::Debug for OpenVdbStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("OpenVdbStorage");
        match self.layer.try_read() {
            Ok(layer) => out
                .field("name", &layer.name())
                .field("shape", &layer.shape())
                .field("oldest", &layer.oldest())
                .field("latest", &layer.latest()),
            Err(_) => out.field("layer", &"being written"),
        };
        out.finish()
    }
}

#[async_trait]
impl TemporalVDBStorage for OpenVdbStorage {
    async fn store_base(&mut self, weights: &SparseWeights) -> Result<()> {
        let weights = weights.clone();
        self.write(move |layer| layer.store_base(&weights)).await
    }

    async fn store_delta(
        &mut self,
        timestamp: usize,
        changes: &HashMap<(i32, i32), f32>,
    ) -> Result<()> {
        // The map is borrowed and the work is not: its entries are copied once, unsorted.
        let changes: Vec<_> = changes
            .iter()
            .map(|(&(row, col), &delta)| (row, col, delta))
            .collect();
        self.write(move |layer| {
            let (rows, cols) = layer.shape();
            layer.store_changes(timestamp, &Delta::from_triplets(rows, cols, changes)?)
        })
        .await
    }

    async fn weights_at_time(&self, timestamp: usize) -> Result<SparseWeights> {
        self.read(move |layer| layer.weights_at_time(timestamp))
            .await
    }

    async fn weight_history(&self, x: i32, y: i32) -> Result<Vec<(usize, f32)>> {
        self.read(move |layer| layer.weight_history(x, y)).await
    }

    async fn prune_history(&mut self, keep_last: usize) -> Result<()> {
        self.write(move |layer| layer.prune_history(keep_last))
            .await
    }
}

#[async_trait]
impl TemporalQueries for OpenVdbStorage {
    async fn weight_histories(&self, weights: &[(i32, i32)]) -> Result<Vec<Vec<(usize, f32)>>> {
        let weights = weights.to_vec();
        self.read(move |layer| layer.weight_histories(&weights))
            .await
    }

    async fn evolution(
        &self,
        times: RangeInclusive<usize>,
        top: usize,
        progress: &Progress,
    ) -> Result<LayerEvolution> {
        let (_stopper, task) = progress.begin();
        self.read(move |layer| layer.evolution(times, top, &task))
            .await
    }

    async fn weight_evolutions(
        &self,
        times: RangeInclusive<usize>,
        region: Region,
        progress: &Progress,
    ) -> Result<Vec<Evolution>> {
        let (_stopper, task) = progress.begin();
        self.read(move |layer| layer.weight_evolutions(times, region, &task))
            .await
    }

    async fn together(&self, query: &CoOccurrence, progress: &Progress) -> Result<Together> {
        query.check()?;
        let query = query.clone();
        let (_stopper, task) = progress.begin();
        let layer = Arc::clone(&self.layer);
        blocking::run(move || {
            let layer = layer.read().map_err(|_| Error::Poisoned)?;
            let (masks, threads) = (layer.change_masks(&query, &task)?, layer.threads());
            drop(layer); // whoever wants to write need not wait for the rest
            Together::new(masks, &query, threads, &task)
        })
        .await
    }
}

#[async_trait]
impl TemporalLayer for OpenVdbStorage {
    async fn oldest(&self) -> Result<usize> {
        self.read(|layer| Ok(layer.oldest())).await
    }

    async fn steps(&self) -> Result<Vec<usize>> {
        self.read(|layer| Ok(layer.steps())).await
    }

    async fn latest(&self) -> Result<usize> {
        self.read(|layer| Ok(layer.latest())).await
    }

    async fn store_changes(&self, t: usize, delta: &Delta) -> Result<()> {
        let delta = delta.clone();
        self.write(move |layer| layer.store_changes(t, &delta))
            .await
    }

    async fn accumulate(&self, t: usize, delta: &Delta, scale: f32) -> Result<()> {
        let delta = delta.clone();
        self.write(move |layer| layer.accumulate(t, &delta, scale))
            .await
    }

    async fn accumulate_temporal_gradient(
        &self,
        x: i32,
        y: i32,
        gradient: f32,
        timestep: usize,
    ) -> Result<()> {
        self.write(move |layer| layer.accumulate_temporal_gradient(x, y, gradient, timestep))
            .await
    }

    async fn commit_accumulated(&self) -> Result<Option<usize>> {
        self.write(Layer::commit_accumulated).await
    }

    async fn rollback(&self, t: usize) -> Result<usize> {
        self.write(move |layer| layer.rollback(t)).await
    }

    async fn dense_at_many(&self, times: &[usize]) -> Result<Vec<DenseWeights>> {
        let times = times.to_vec();
        self.read(move |layer| layer.dense_at_many(&times)).await
    }

    async fn dense_at_time(&self, t: usize) -> Result<DenseWeights> {
        self.read(move |layer| layer.dense_at_time(t)).await
    }

    async fn get_delta_layer(&self, t: usize) -> Result<Delta> {
        self.read(move |layer| layer.get_delta_layer(t)).await
    }

    async fn deltas_in(&self, times: RangeInclusive<usize>) -> Result<Vec<(usize, Delta)>> {
        self.read(move |layer| layer.deltas_in(times)).await
    }

    async fn recent_deltas(&self, n: usize) -> Result<Vec<(usize, Delta)>> {
        self.read(move |layer| layer.recent_deltas(n)).await
    }

    async fn net_change(&self, from: usize, to: usize) -> Result<Delta> {
        self.read(move |layer| layer.net_change(from, to)).await
    }

    async fn change_counts(&self, times: RangeInclusive<usize>) -> Result<Vec<((i32, i32), u32)>> {
        self.read(move |layer| layer.change_counts(times)).await
    }

    async fn tag(&self, name: &str, t: usize) -> Result<()> {
        let name = name.to_owned();
        self.write(move |layer| layer.tag(&name, t)).await
    }

    async fn untag(&self, name: &str) -> Result<usize> {
        let name = name.to_owned();
        self.write(move |layer| layer.untag(&name)).await
    }

    async fn tags(&self) -> Result<BTreeMap<String, usize>> {
        self.read(|layer| Ok(layer.tags())).await
    }

    async fn set_retention(&self, retention: Retention) -> Result<()> {
        self.write(move |layer| layer.set_retention(retention))
            .await
    }

    async fn retention(&self) -> Result<Retention> {
        self.read(|layer| Ok(layer.retention().clone())).await
    }

    async fn prune(&self, retention: &Retention) -> Result<Pruned> {
        let retention = retention.clone();
        self.write(move |layer| layer.prune(&retention)).await
    }

    async fn plan_prune(&self, retention: &Retention) -> Result<Pruned> {
        let retention = retention.clone();
        self.read(move |layer| layer.plan_prune(&retention)).await
    }
}
