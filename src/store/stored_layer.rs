use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;

use super::core::Store;
use super::handle::Handle;
use crate::{
    Delta, DenseWeights, Dtype, OpenVdbStorage, Region, Result, SparseWeights, StorageOptions,
    TemporalVDBStorage, blocking,
};

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
        blocking::run(move || work(&store, id).map_err(|error| error.in_file(store.path()))).await
    }

    /// The base's label: the oldest step that can be asked for.
    pub async fn oldest(&self) -> Result<usize> {
        self.run(|store, id| store.with_layer(id, |layer| Ok(layer.oldest())))
            .await
    }

    /// The newest step, or `oldest` where there is none.
    pub async fn latest(&self) -> Result<usize> {
        self.run(|store, id| store.with_layer(id, |layer| Ok(layer.latest())))
            .await
    }

    /// The retained steps of changes, ascending.
    pub async fn steps(&self) -> Result<Vec<usize>> {
        self.run(|store, id| {
            store.with_layer(id, |layer| {
                Ok(layer.steps[1..].iter().map(|step| *step as usize).collect())
            })
        })
        .await
    }

    /// Stores the changes of step `t`, exact marks included: the fast twin of `store_delta`.
    ///
    /// Errors: `ShapeMismatch`, `InvalidStep`, `StepOutOfOrder`, `OffLattice`, `ReadOnly`, `Io`.
    pub async fn store_changes(&self, t: usize, delta: &Delta) -> Result<()> {
        let delta = delta.clone();
        self.run(move |store, id| store.store_changes(id, t, delta))
            .await
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

    /// The state as of time `t`, dense: the fast twin of `weights_at_time`. Errors: `Pruned`,
    /// `Damaged`, `OutOfMemory`.
    pub async fn dense_at_time(&self, t: usize) -> Result<DenseWeights> {
        self.run(move |store, id| store.dense(id, t, None)).await
    }

    /// The state of a region as of time `t`, dense. Errors: `Pruned`, `InvalidRegion`, `Damaged`,
    /// `OutOfMemory`.
    pub async fn dense_in_region(&self, t: usize, region: Region) -> Result<DenseWeights> {
        self.run(move |store, id| store.dense(id, t, Some(region)))
            .await
    }

    /// The changes of step `t`. Errors: `InvalidStep`, `Pruned`, `NoSuchStep`, `Damaged`.
    pub async fn get_delta_layer(&self, t: usize) -> Result<Delta> {
        self.run(move |store, id| store.delta_layer(id, t)).await
    }

    /// The changes of the retained steps in a range of times, oldest first.
    pub async fn deltas_in(&self, times: RangeInclusive<usize>) -> Result<Vec<(usize, Delta)>> {
        self.run(move |store, id| store.deltas_in(id, times)).await
    }

    /// The changes of the newest `n` steps, oldest first.
    pub async fn recent_deltas(&self, n: usize) -> Result<Vec<(usize, Delta)>> {
        self.run(move |store, id| store.recent_deltas(id, n)).await
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
