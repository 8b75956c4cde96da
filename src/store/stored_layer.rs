use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;

use super::core::Store;
use super::handle::Handle;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::grids::{OpenVdbStorage, StorageOptions};
use crate::host::{Progress, StepStream, blocking};
use crate::queries::evolution::{Evolution, LayerEvolution};
use crate::queries::together::{CoOccurrence, Together};
use crate::traits::{TemporalLayer, TemporalQueries, TemporalVDBStorage};
use crate::values::{Delta, DenseWeights, Pruned, Region, Retention, SparseWeights};

/// One layer of a [`TemporalStore`](crate::TemporalStore). Each call that writes is a commit of its
/// own; [`TemporalStore::begin_step`](crate::TemporalStore::begin_step) groups layers into one.
///
/// A handle, like the store's, with the same promises about cancellation.
#[derive(Clone)]
pub struct StoredLayer {
    store: Arc<Handle>,
    id: u32,
    name: String,
    dtype: Dtype,
    shape: (i32, i32),
}

impl StoredLayer {
    pub(super) fn new(store: &Arc<Handle>, id: u32) -> Result<Self> {
        let (name, dtype, shape) = store.describe(id)?;
        Ok(StoredLayer {
            store: Arc::clone(store),
            id,
            name,
            dtype,
            shape,
        })
    }

    /// The layer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of its weights.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Rows and columns.
    pub fn shape(&self) -> (i32, i32) {
        self.shape
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store, u32) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (store, id) = (Arc::clone(&self.store), self.id);
        let own = (self.name.clone(), self.dtype, self.shape);
        blocking::run(move || {
            // A rollback may have taken the layer away, and another may have its number now.
            let result = match store.describe(id) {
                Ok(found) if found == own => work(&store, id),
                _ => Err(Error::NoSuchLayer {
                    name: format!("{}, as it was before a rollback", own.0),
                    nearest: vec![own.0],
                }),
            };
            result.map_err(|error| error.in_file(store.path()))
        })
        .await
    }

    /// The steps of this layer that are committed from now on.
    pub fn subscribe(&self) -> StepStream {
        self.store.watch().subscribe(Some(self.id))
    }

    /// The state of a region as of time `t`, rows and columns counted from its corner. Only the
    /// tiles that it touches are read. Errors: `Pruned`, `InvalidRegion`, `Damaged`.
    pub async fn weights_in_region(&self, t: usize, region: Region) -> Result<SparseWeights> {
        self.run(move |store, id| {
            let DenseWeights {
                timestep,
                shape,
                values,
            } = store.dense(id, t, Some(region))?;
            Ok(SparseWeights::from_dense(shape.0, shape.1, &values)?.with_timestep(timestep))
        })
        .await
    }

    /// The state of a region as of time `t`, dense. Errors: `Pruned`, `InvalidRegion`, `Damaged`,
    /// `OutOfMemory`.
    pub async fn dense_in_region(&self, t: usize, region: Region) -> Result<DenseWeights> {
        self.run(move |store, id| store.dense(id, t, Some(region)))
            .await
    }

    /// A range of times as a `FloatGrid`, on which every native kernel, query and export runs: its
    /// base is the state as of the range's beginning, under that step's label, and its slices are
    /// the steps after that, up to the range's end.
    ///
    /// Errors: `Pruned`, `Damaged`, `OutOfMemory`.
    pub async fn grid(
        &self,
        times: RangeInclusive<usize>,
        options: StorageOptions,
    ) -> Result<OpenVdbStorage> {
        self.run(move |store, id| Ok(store.grid(id, times, options)?.into()))
            .await
    }
}

impl fmt::Debug for StoredLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredLayer")
            .field("name", &self.name)
            .field("dtype", &self.dtype)
            .field("shape", &self.shape)
            .finish()
    }
}

#[async_trait]
impl TemporalVDBStorage for StoredLayer {
    async fn store_base(&mut self, weights: &SparseWeights) -> Result<()> {
        let weights = weights.clone();
        self.run(move |store, id| store.store_base(id, &weights))
            .await
    }

    async fn store_delta(
        &mut self,
        timestamp: usize,
        changes: &HashMap<(i32, i32), f32>,
    ) -> Result<()> {
        let changes: Vec<_> = changes
            .iter()
            .map(|(&(row, col), &delta)| (row, col, delta))
            .collect();
        let (rows, cols) = self.shape;
        self.run(move |store, id| {
            store.store_changes(id, timestamp, Delta::from_triplets(rows, cols, changes)?)
        })
        .await
    }

    async fn weights_at_time(&self, timestamp: usize) -> Result<SparseWeights> {
        let (rows, cols) = self.shape;
        self.weights_in_region(timestamp, Region::new(0..rows, 0..cols))
            .await
    }

    async fn weight_history(&self, x: i32, y: i32) -> Result<Vec<(usize, f32)>> {
        self.run(move |store, id| store.weight_history(id, x, y))
            .await
    }

    async fn prune_history(&mut self, keep_last: usize) -> Result<()> {
        self.run(move |store, id| store.prune_history(id, keep_last))
            .await
    }
}

#[async_trait]
impl TemporalQueries for StoredLayer {
    async fn weight_histories(&self, weights: &[(i32, i32)]) -> Result<Vec<Vec<(usize, f32)>>> {
        let weights = weights.to_vec();
        self.run(move |store, id| store.weight_histories(id, &weights))
            .await
    }

    async fn evolution(
        &self,
        times: RangeInclusive<usize>,
        top: usize,
        progress: &Progress,
    ) -> Result<LayerEvolution> {
        let (_stopper, task) = progress.begin();
        self.run(move |store, id| store.evolution(id, &times, top, &task))
            .await
    }

    async fn weight_evolutions(
        &self,
        times: RangeInclusive<usize>,
        region: Region,
        progress: &Progress,
    ) -> Result<Vec<Evolution>> {
        let (_stopper, task) = progress.begin();
        self.run(move |store, id| store.weight_evolutions(id, &times, region, &task))
            .await
    }

    async fn together(&self, query: &CoOccurrence, progress: &Progress) -> Result<Together> {
        query.check()?;
        let query = query.clone();
        let (_stopper, task) = progress.begin();
        self.run(move |store, id| {
            let masks = store.change_masks(id, &query, &task)?;
            Together::new(masks, &query, store.options().threads, &task)
        })
        .await
    }
}

#[async_trait]
impl TemporalLayer for StoredLayer {
    async fn oldest(&self) -> Result<usize> {
        self.run(|store, id| store.with_layer(id, |layer| Ok(layer.oldest())))
            .await
    }

    async fn steps(&self) -> Result<Vec<usize>> {
        self.run(|store, id| {
            store.with_layer(id, |layer| {
                Ok(layer.steps[1..].iter().map(|step| *step as usize).collect())
            })
        })
        .await
    }

    async fn store_changes(&self, t: usize, delta: &Delta) -> Result<()> {
        let delta = delta.clone();
        self.run(move |store, id| store.store_changes(id, t, delta))
            .await
    }

    async fn accumulate(&self, t: usize, delta: &Delta, scale: f32) -> Result<()> {
        let delta = delta.clone();
        self.run(move |store, id| store.accumulate(id, t, &delta, scale))
            .await
    }

    async fn accumulate_temporal_gradient(
        &self,
        x: i32,
        y: i32,
        gradient: f32,
        timestep: usize,
    ) -> Result<()> {
        let gradient = Delta::from_triplets(self.shape.0, self.shape.1, [(x, y, gradient)])?;
        self.accumulate(timestep, &gradient, 1.0).await
    }

    async fn commit_accumulated(&self) -> Result<Option<usize>> {
        self.run(|store, _| store.commit_accumulated()).await
    }

    async fn rollback(&self, t: usize) -> Result<usize> {
        self.run(move |store, id| store.rollback(Some(id), t)).await
    }

    async fn dense_at_many(&self, times: &[usize]) -> Result<Vec<DenseWeights>> {
        let times = times.to_vec();
        self.run(move |store, id| store.dense_at_many(id, &times))
            .await
    }

    async fn dense_at_time(&self, t: usize) -> Result<DenseWeights> {
        self.run(move |store, id| store.dense(id, t, None)).await
    }

    async fn get_delta_layer(&self, t: usize) -> Result<Delta> {
        self.run(move |store, id| store.delta_layer(id, t)).await
    }

    async fn deltas_in(&self, times: RangeInclusive<usize>) -> Result<Vec<(usize, Delta)>> {
        self.run(move |store, id| store.deltas_in(id, times)).await
    }

    async fn net_change(&self, from: usize, to: usize) -> Result<Delta> {
        self.run(move |store, id| store.net_change(id, from, to))
            .await
    }

    async fn change_counts(&self, times: RangeInclusive<usize>) -> Result<Vec<((i32, i32), u32)>> {
        self.run(move |store, id| store.change_counts(id, times))
            .await
    }

    async fn tag(&self, name: &str, t: usize) -> Result<()> {
        let name = name.to_owned();
        self.run(move |store, _| store.tag(&name, t)).await
    }

    async fn untag(&self, name: &str) -> Result<usize> {
        let name = name.to_owned();
        self.run(move |store, _| store.untag(&name)).await
    }

    async fn tags(&self) -> Result<BTreeMap<String, usize>> {
        self.run(|store, _| store.tags()).await
    }

    async fn set_retention(&self, retention: Retention) -> Result<()> {
        self.run(move |store, id| store.set_retention(Some(id), retention))
            .await
    }

    async fn retention(&self) -> Result<Retention> {
        self.run(|store, id| store.retention(Some(id))).await
    }

    async fn prune(&self, retention: &Retention) -> Result<Pruned> {
        let retention = retention.clone();
        self.run(move |store, id| store.prune(Some(id), &retention, false))
            .await
    }

    async fn plan_prune(&self, retention: &Retention) -> Result<Pruned> {
        let retention = retention.clone();
        self.run(move |store, id| store.prune(Some(id), &retention, true))
            .await
    }
}
