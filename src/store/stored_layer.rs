use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;

use crate::dtype::Dtype;
use crate::error::Result;
use crate::grids::{OpenVdbStorage, StorageOptions};
use crate::host::{Progress, StepStream};
use crate::queries::evolution::{Evolution, LayerEvolution};
use crate::queries::together::{CoOccurrence, Together};
use crate::store::engine::Handle;
use crate::store::index::LayerKey;
use crate::traits::{TemporalLayer, TemporalQueries, TemporalVDBStorage};
use crate::values::{Delta, DenseWeights, Pruned, Region, Retention, SparseWeights};

/// One layer of a [`TemporalStore`](crate::TemporalStore). Each call that writes is a commit of its
/// own; [`TemporalStore::begin_step`](crate::TemporalStore::begin_step) groups layers into one.
///
/// A handle: cloning it is cheap. A rollback to before the layer began leaves it without a layer
/// (`NoSuchLayer`).
///
/// *Cancellation.* Dropping the future of a write that has started does not stop it: it is done whole, or
/// fails and changes nothing. Dropping the future of a read wastes its work, but for those that take a
/// [`Progress`]: their work stops.
#[derive(Clone)]
pub struct StoredLayer {
    store: Arc<Handle>,
    key: LayerKey,
}

impl StoredLayer {
    pub(super) fn new(store: &Arc<Handle>, key: LayerKey) -> Self {
        StoredLayer {
            store: Arc::clone(store),
            key,
        }
    }

    /// The layer's name.
    pub fn name(&self) -> &str {
        &self.key.name
    }

    /// The type of its weights.
    pub fn dtype(&self) -> Dtype {
        self.key.dtype
    }

    /// Rows and columns.
    pub fn shape(&self) -> (i32, i32) {
        self.key.shape
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Handle, &LayerKey) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let key = self.key.clone();
        self.store.run(move |store| work(store, &key)).await
    }

    /// The steps of this layer that are committed from now on.
    pub fn subscribe(&self) -> StepStream {
        self.store.recorder().watch().subscribe(Some(self.key.id))
    }

    /// The state of a region as of time `t`, rows and columns counted from its corner. Only the
    /// tiles that it touches are read. Errors: `Pruned`, `InvalidRegion`, `Damaged`.
    pub async fn weights_in_region(&self, t: usize, region: Region) -> Result<SparseWeights> {
        self.run(move |store, key| {
            let DenseWeights {
                timestep,
                shape,
                values,
            } = store.sources().dense(key, t, Some(region))?;
            Ok(SparseWeights::from_dense(shape.0, shape.1, &values)?.with_timestep(timestep))
        })
        .await
    }

    /// The state of a region as of time `t`, dense. Errors: `Pruned`, `InvalidRegion`, `Damaged`,
    /// `OutOfMemory`.
    pub async fn dense_in_region(&self, t: usize, region: Region) -> Result<DenseWeights> {
        self.run(move |store, key| store.sources().dense(key, t, Some(region)))
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
        self.run(move |store, key| Ok(store.sources().grid(key, times, options)?.into()))
            .await
    }
}

impl fmt::Debug for StoredLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredLayer")
            .field("name", &self.key.name)
            .field("dtype", &self.key.dtype)
            .field("shape", &self.key.shape)
            .finish()
    }
}

#[async_trait]
impl TemporalVDBStorage for StoredLayer {
    async fn store_base(&mut self, weights: &SparseWeights) -> Result<()> {
        let weights = weights.clone();
        self.run(move |store, key| store.recorder().store_base(key, &weights))
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
        let (rows, cols) = self.key.shape;
        self.run(move |store, key| {
            store.store_changes(key, timestamp, Delta::from_triplets(rows, cols, changes)?)
        })
        .await
    }

    async fn weights_at_time(&self, timestamp: usize) -> Result<SparseWeights> {
        let (rows, cols) = self.key.shape;
        self.weights_in_region(timestamp, Region::new(0..rows, 0..cols))
            .await
    }

    async fn weight_history(&self, x: i32, y: i32) -> Result<Vec<(usize, f32)>> {
        self.run(move |store, key| store.sources().weight_history(key, x, y))
            .await
    }

    async fn prune_history(&mut self, keep_last: usize) -> Result<()> {
        self.run(move |store, key| store.upkeep().prune_history(key, keep_last))
            .await
    }
}

#[async_trait]
impl TemporalQueries for StoredLayer {
    async fn weight_histories(&self, weights: &[(i32, i32)]) -> Result<Vec<Vec<(usize, f32)>>> {
        let weights = weights.to_vec();
        self.run(move |store, key| store.sources().weight_histories(key, &weights))
            .await
    }

    async fn evolution(
        &self,
        times: RangeInclusive<usize>,
        top: usize,
        progress: &Progress,
    ) -> Result<LayerEvolution> {
        let (_stopper, task) = progress.begin();
        self.run(move |store, key| store.sources().evolution(key, &times, top, &task))
            .await
    }

    async fn weight_evolutions(
        &self,
        times: RangeInclusive<usize>,
        region: Region,
        progress: &Progress,
    ) -> Result<Vec<Evolution>> {
        let (_stopper, task) = progress.begin();
        self.run(move |store, key| {
            store
                .sources()
                .weight_evolutions(key, &times, region, &task)
        })
        .await
    }

    async fn together(&self, query: &CoOccurrence, progress: &Progress) -> Result<Together> {
        query.check()?;
        let query = query.clone();
        let (_stopper, task) = progress.begin();
        self.run(move |store, key| {
            let masks = store.sources().change_masks(key, &query, &task)?;
            Together::new(masks, &query, store.sources().options().threads, &task)
        })
        .await
    }
}

#[async_trait]
impl TemporalLayer for StoredLayer {
    async fn oldest(&self) -> Result<usize> {
        self.run(|store, key| store.sources().with_layer(key, |layer| Ok(layer.oldest())))
            .await
    }

    async fn steps(&self) -> Result<Vec<usize>> {
        self.run(|store, key| {
            store.sources().with_layer(key, |layer| {
                Ok(layer.steps[1..].iter().map(|step| *step as usize).collect())
            })
        })
        .await
    }

    async fn store_changes(&self, t: usize, delta: &Delta) -> Result<()> {
        let delta = delta.clone();
        self.run(move |store, key| store.store_changes(key, t, delta))
            .await
    }

    async fn accumulate(&self, t: usize, delta: &Delta, scale: f32) -> Result<()> {
        let delta = delta.clone();
        self.run(move |store, key| store.accumulate(key, t, &delta, scale))
            .await
    }

    async fn accumulate_temporal_gradient(
        &self,
        x: i32,
        y: i32,
        gradient: f32,
        timestep: usize,
    ) -> Result<()> {
        let gradient =
            Delta::from_triplets(self.key.shape.0, self.key.shape.1, [(x, y, gradient)])?;
        self.accumulate(timestep, &gradient, 1.0).await
    }

    async fn commit_accumulated(&self) -> Result<Option<usize>> {
        self.run(|store, key| store.commit_accumulated(Some(key)))
            .await
    }

    async fn rollback(&self, t: usize) -> Result<usize> {
        self.run(move |store, key| store.upkeep().rollback(Some(key), t))
            .await
    }

    async fn dense_at_many(&self, times: &[usize]) -> Result<Vec<DenseWeights>> {
        let times = times.to_vec();
        self.run(move |store, key| store.sources().dense_at_many(key, &times))
            .await
    }

    async fn dense_at_time(&self, t: usize) -> Result<DenseWeights> {
        self.run(move |store, key| store.sources().dense(key, t, None))
            .await
    }

    async fn get_delta_layer(&self, t: usize) -> Result<Delta> {
        self.run(move |store, key| store.sources().delta_layer(key, t))
            .await
    }

    async fn deltas_in(&self, times: RangeInclusive<usize>) -> Result<Vec<(usize, Delta)>> {
        self.run(move |store, key| store.sources().deltas_in(key, times))
            .await
    }

    async fn net_change(&self, from: usize, to: usize) -> Result<Delta> {
        self.run(move |store, key| store.sources().net_change(key, from, to))
            .await
    }

    async fn change_counts(&self, times: RangeInclusive<usize>) -> Result<Vec<((i32, i32), u32)>> {
        self.run(move |store, key| store.sources().change_counts(key, times))
            .await
    }

    async fn tag(&self, name: &str, t: usize) -> Result<()> {
        let name = name.to_owned();
        self.run(move |store, key| store.recorder().tag(Some(key), &name, t))
            .await
    }

    async fn untag(&self, name: &str) -> Result<usize> {
        let name = name.to_owned();
        self.run(move |store, key| store.recorder().untag(Some(key), &name))
            .await
    }

    async fn tags(&self) -> Result<BTreeMap<String, usize>> {
        self.run(|store, key| store.sources().tags(Some(key))).await
    }

    async fn set_retention(&self, retention: Retention) -> Result<()> {
        self.run(move |store, key| store.recorder().set_retention(Some(key), retention))
            .await
    }

    async fn retention(&self) -> Result<Retention> {
        self.run(|store, key| store.sources().retention(Some(key)))
            .await
    }

    async fn prune(&self, retention: &Retention) -> Result<Pruned> {
        let retention = retention.clone();
        self.run(move |store, key| store.upkeep().prune(Some(key), &retention, false))
            .await
    }

    async fn plan_prune(&self, retention: &Retention) -> Result<Pruned> {
        let retention = retention.clone();
        self.run(move |store, key| store.upkeep().prune(Some(key), &retention, true))
            .await
    }
}
