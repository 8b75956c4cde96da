use std::collections::HashMap;

use async_trait::async_trait;

use crate::error::Result;
use crate::values::SparseWeights;

/// The weights of one layer over time: a base, and what changed at each step after it.
///
/// The state at step t is the base plus the deltas of all retained steps up to t, added in that
/// order in IEEE binary32; weights that a step does not change are not touched. Every
/// implementation gives the same bits.
///
/// A method that returns an error has changed nothing. Dropping a future that has been polled may
/// leave its work going on: a write then is done whole or not at all, unseen.
#[async_trait]
pub trait TemporalVDBStorage: Send + Sync {
    /// Stores base weights at z = 0. Without a base all weights are zero; once changes are stored
    /// the base is fixed.
    ///
    /// Errors: `ShapeMismatch`, `BaseFixed`.
    async fn store_base(&mut self, weights: &SparseWeights) -> Result<()>;

    /// Stores only the changed weights, as (row, col) to delta, at z = `timestamp`, which must be
    /// after the latest. Deltas are finite; those of 0 are dropped. An empty map is a step too.
    ///
    /// Errors: `InvalidStep`, `StepOutOfOrder`, `OutOfShape`, `NotFinite`.
    async fn store_delta(
        &mut self,
        timestamp: usize,
        changes: &HashMap<(i32, i32), f32>,
    ) -> Result<()>;

    /// Reconstructs the weights as of a time: between two steps the state of the earlier one,
    /// after the latest that of the latest. [`SparseWeights::timestep`] says which step it is.
    ///
    /// Errors: `Pruned`.
    async fn weights_at_time(&self, timestamp: usize) -> Result<SparseWeights>;

    /// The history of the weight at row `x`, column `y`: (t, weight after t) for the base, under
    /// its label, and for each retained step that changed the weight.
    ///
    /// Errors: `OutOfShape`.
    async fn weight_history(&self, x: i32, y: i32) -> Result<Vec<(usize, f32)>>;

    /// Keeps only the last `keep_last` steps. The older ones are folded into the base, which takes
    /// the last folded step as its label: `keep_last` + 1 states stay readable. 0 folds all.
    async fn prune_history(&mut self, keep_last: usize) -> Result<()>;
}
