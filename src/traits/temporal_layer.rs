use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use async_trait::async_trait;

use super::storage::TemporalVDBStorage;
use crate::error::{Error, Result};
use crate::values::{Delta, DenseWeights, Pruned, Retention, SparseWeights};

/// What can be done with time in a layer, whatever keeps it: the storage features beyond those of
/// [`TemporalVDBStorage`], whose promises about failures and cancellation hold here too.
///
/// *Open step.* [`accumulate`](TemporalLayer::accumulate) adds to a step that is still open.
/// [`commit_accumulated`](TemporalLayer::commit_accumulated) closes it; so does storing or opening a
/// later step, and then both succeed or nothing is changed. A step that is stored is closed at once.
/// In memory the open step is the newest one and can be read; a store shows it when it is closed,
/// and only then is it durable. Until then it cannot be tagged, and pruning and policies neither
/// count nor touch it.
#[async_trait]
pub trait TemporalLayer: TemporalVDBStorage {
    /// The base's label: the oldest step that can be asked for.
    async fn oldest(&self) -> Result<usize>;

    /// The retained steps of changes, ascending. The base's label is not among them.
    async fn steps(&self) -> Result<Vec<usize>>;

    /// The newest step, or `oldest` where there is none.
    async fn latest(&self) -> Result<usize> {
        let newest = self.steps().await?.last().copied();
        match newest {
            Some(step) => Ok(step),
            None => self.oldest().await,
        }
    }

    // ---- writing

    /// Stores the changes of step `t`, exact marks included: what `store_delta` does, from a sorted
    /// array instead of a hash map.
    ///
    /// Errors: `ShapeMismatch`, `InvalidStep`, `StepOutOfOrder`; of a store also `OffLattice`,
    /// `ReadOnly`, `Io`.
    async fn store_changes(&self, t: usize, delta: &Delta) -> Result<()>;

    /// Adds `scale` times each delta to the open step `t`, or opens step `t` with it. The products
    /// are rounded to f32, then added in the order of the calls; a sum of exactly 0 is no change any
    /// more. Contributions from several tasks are added one after the other, none is lost, and
    /// given their order the bits are given.
    ///
    /// Errors: `ShapeMismatch`, `InvalidStep`, `StepOutOfOrder` for a step that is closed,
    /// `InvalidScale`; `NotFinite` for a product or a sum; `ExactMark` for a `delta` with marks; of a
    /// store also `OffLattice`, `ReadOnly`, `Io`.
    async fn accumulate(&self, t: usize, delta: &Delta, scale: f32) -> Result<()>;

    /// Adds `gradient` to the weight at row `x`, column `y` in the open step `timestep`, or opens
    /// that step with it.
    ///
    /// Errors: `OutOfShape`, `InvalidStep`, `StepOutOfOrder` for a step that is closed; `NotFinite` for
    /// a sum; of a store also `OffLattice`, `ReadOnly`, `Io`.
    async fn accumulate_temporal_gradient(
        &self,
        x: i32,
        y: i32,
        gradient: f32,
        timestep: usize,
    ) -> Result<()>;

    /// Closes the open step and says which it is; `None` where none is open. It is then a step like
    /// any other. Errors: `OutOfMemory`; of a store also `OffLattice`, `Io`. It stays open then.
    async fn commit_accumulated(&self) -> Result<Option<usize>>;

    /// Drops the steps after time `t` and says how many there were, the open one included. Steps
    /// after `t` can be stored anew: a detector goes on from the state at `t`.
    ///
    /// Errors: `Pruned`; `Pinned` for a step with a tag.
    async fn rollback(&self, t: usize) -> Result<usize>;

    // ---- states

    /// The states as of several times, in the order of the times, in one pass over the history:
    /// cheaper than one by one. Errors: `Pruned`, `OutOfMemory`; of a store also `Damaged`.
    async fn dense_at_many(&self, times: &[usize]) -> Result<Vec<DenseWeights>>;

    /// The states as of several times, sparse, in the order of the times, in one pass over the history.
    /// Errors: `Pruned`, `OutOfMemory`; of a store also `Damaged`.
    async fn weights_at_many(&self, times: &[usize]) -> Result<Vec<SparseWeights>> {
        let states = self.dense_at_many(times).await?.into_iter();
        states.map(|state| state.to_sparse()).collect()
    }

    /// The state as of time `t` as an array, rows x cols, row-major, faster than `weights_at_time`.
    /// Errors: `Pruned`, `OutOfMemory`; of a store also `Damaged`.
    async fn dense_at_time(&self, t: usize) -> Result<DenseWeights> {
        let mut states = self.dense_at_many(&[t]).await?;
        Ok(states.swap_remove(0))
    }

    /// The state after step `t` itself, which must be there: where `weights_at_time` would answer
    /// with an earlier step, this is an error that names the steps around `t`. Errors: `Pruned`,
    /// `NoSuchStep`, `OutOfMemory`; of a store also `Damaged`.
    async fn weights_at_step(&self, t: usize) -> Result<SparseWeights> {
        let found = self.weights_at_time(t).await?;
        if found.timestep() == Some(t) {
            return Ok(found);
        }
        let steps = self.steps().await?;
        Err(Error::NoSuchStep {
            step: t,
            before: found.timestep(),
            after: steps.into_iter().find(|step| *step > t),
        })
    }

    // ---- changes

    /// The changes of step `t`. Errors: `InvalidStep`, `Pruned`, `NoSuchStep`.
    async fn get_delta_layer(&self, t: usize) -> Result<Delta>;

    /// The changes of the retained steps in a range of times, oldest first.
    async fn deltas_in(&self, times: RangeInclusive<usize>) -> Result<Vec<(usize, Delta)>>;

    /// The changes of the newest `n` steps, oldest first.
    async fn recent_deltas(&self, n: usize) -> Result<Vec<(usize, Delta)>> {
        let steps = self.steps().await?;
        match steps.len().saturating_sub(n) {
            first if first == steps.len() => Ok(Vec::new()),
            first => self.deltas_in(steps[first]..=usize::MAX).await,
        }
    }

    /// What leads from the state as of `from` to that as of `to`, which may be the earlier one:
    /// upon the first it gives the second bit for bit, by exact marks where a float addition would
    /// not. Derived from the states, not from sums of deltas. Errors: `Pruned`.
    async fn net_change(&self, from: usize, to: usize) -> Result<Delta>;

    /// Which weights changed in a range of times, ascending by (row, col), and in how many of its
    /// steps. Errors: none for a range without steps.
    async fn change_counts(&self, times: RangeInclusive<usize>) -> Result<Vec<((i32, i32), u32)>>;

    // ---- what stays

    /// Names the state after step `t`, which must be retained, and pins it: no policy drops it,
    /// and `prune_history` and `rollback` refuse to. In a store a tag is of all layers.
    ///
    /// A name is no number, has no control characters and neither begins nor ends with white space.
    ///
    /// Errors: `InvalidTag`, `TagExists`, `Pruned`, `NoSuchStep`, `FixedByRing`.
    async fn tag(&self, name: &str, t: usize) -> Result<()>;

    /// Takes a tag away and says which step it was at. Errors: `NoSuchTag`.
    async fn untag(&self, name: &str) -> Result<usize>;

    /// The tags, and the steps they are at.
    async fn tags(&self) -> Result<BTreeMap<String, usize>>;

    /// Sets which steps stay from now on. It is applied as steps are closed, not one by one but once
    /// eight steps, or an eighth of what it keeps, would go: until then these can still be read.
    /// [`prune`](TemporalLayer::prune) applies a policy at once. A step is stored even where the
    /// policy could not be applied after it: the next one tries again.
    ///
    /// Errors: `KeepsNothing`, `TiersDoNotNest`, `FixedByRing`.
    async fn set_retention(&self, retention: Retention) -> Result<()>;

    /// Which steps stay.
    async fn retention(&self) -> Result<Retention>;

    /// Applies a policy once, now, whatever policy is set. Every state that stays keeps its bits.
    /// Errors: `KeepsNothing`, `TiersDoNotNest`, `FixedByRing`, `OutOfMemory`; of a store also
    /// `ReadOnly`, `Io`, `Damaged`.
    async fn prune(&self, retention: &Retention) -> Result<Pruned>;

    /// What [`prune`](TemporalLayer::prune) would do; nothing is changed. It can take as long. Errors:
    /// `KeepsNothing`, `TiersDoNotNest`, `FixedByRing`, `OutOfMemory`; of a store also `ReadOnly`,
    /// `Io`, `Damaged`.
    async fn plan_prune(&self, retention: &Retention) -> Result<Pruned>;
}
