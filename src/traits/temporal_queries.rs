use std::ops::RangeInclusive;

use async_trait::async_trait;

use super::temporal_layer::TemporalLayer;
use crate::error::{Error, Result};
use crate::host::{Progress, blocking};
use crate::queries::evolution::{Evolution, LayerEvolution};
use crate::queries::together::{CoOccurrence, Group, Together, jaccard};
use crate::values::{Coordinate3D, Region, Unit};

/// Pairs that are read at a time.
const BATCH: usize = 1 << 16;

/// Which weights of a layer move, and which move together, whatever keeps it. What counts are the
/// retained steps: a step that pruning has merged into a later one is no step any more.
///
/// Dropping a future stops its work, as [`Progress::cancel`] does: after some tiles, and while pairs
/// and groups are looked for, after some sets of change steps. What has no [`Progress`] is short, and
/// is finished.
#[async_trait]
pub trait TemporalQueries: TemporalLayer {
    /// Several weights, (row, col), over time, in their order: what `weight_history` gives of each,
    /// in one pass over the history. Errors: `OutOfShape`, `OutOfMemory`; of a store also `Damaged`.
    async fn weight_histories(&self, weights: &[(i32, i32)]) -> Result<Vec<Vec<(usize, f32)>>>;

    /// How the layer moved in the retained steps of a range of times: as a whole, each row, column,
    /// tile and step, and its `top` most active weights. Sums of lengths are the same bits whatever
    /// the number of threads, and whatever keeps the layer. `progress` is told how many tiles are
    /// done.
    ///
    /// Errors: `OutOfMemory`, `Cancelled`; of a store also `Damaged`.
    async fn evolution(
        &self,
        times: RangeInclusive<usize>,
        top: usize,
        progress: &Progress,
    ) -> Result<LayerEvolution>;

    /// How each weight of a region moved in the retained steps of a range of times, row-major.
    /// `progress` is told how many tiles are done.
    ///
    /// Errors: `InvalidRegion`, `OutOfMemory`, `Cancelled`; of a store also `Damaged`.
    async fn weight_evolutions(
        &self,
        times: RangeInclusive<usize>,
        region: Region,
        progress: &Progress,
    ) -> Result<Vec<Evolution>>;

    /// When weights, rows or columns changed, ready to be asked which of them change together.
    /// `progress` is told how many tiles are done.
    ///
    /// Errors: `InvalidScore`; for `at` `InvalidStep`, `Pruned`, `NoSuchStep`; `OutOfMemory`,
    /// `Cancelled`; of a store also `Damaged`.
    async fn together(&self, query: &CoOccurrence, progress: &Progress) -> Result<Together>;

    /// How alike two weights, (row, col) each, are in when they change: the Jaccard index of their
    /// sets of change steps in the retained range, 0 to 1; 0 where neither changed. Errors:
    /// `OutOfShape`.
    async fn co_occurrence_score(&self, a: (i32, i32), b: (i32, i32)) -> Result<f64> {
        let histories = self.weight_histories(&[a, b]).await?;
        // The first of each is the base.
        let steps = |i: usize| histories[i][1..].iter().map(|(step, _)| *step);
        let other: Vec<usize> = steps(1).collect();
        let shared = steps(0).filter(|step| other.binary_search(step).is_ok());
        Ok(jaccard(shared.count(), steps(0).count(), other.len()))
    }

    /// The unordered pairs of different weights that changed at step `t`, each at least 3 times in
    /// the retained range, whose `co_occurrence_score` is above 0.8, ascending. Exact; there can be
    /// as many as half the square of the weights that changed, all of which are in memory then:
    /// [`together`](TemporalQueries::together) counts them, or gives them bit by bit.
    ///
    /// Errors: `InvalidStep`, `Pruned`, `NoSuchStep`, `OutOfMemory`.
    async fn correlated_changes(&self, t: usize) -> Result<Vec<(Coordinate3D, Coordinate3D)>> {
        let progress = Progress::default();
        let query = CoOccurrence::default().at(t);
        let together = self.together(&query, &progress).await?;
        let at = |unit| match unit {
            Unit::Weight(row, col) => Coordinate3D::new(row, col, t as i32),
            Unit::Row(row) => Coordinate3D::new(row, 0, t as i32),
            Unit::Column(col) => Coordinate3D::new(0, col, t as i32),
        };
        let mut pairs = Vec::new();
        let mut found = together.pairs();
        loop {
            let next = found.next(BATCH).await?;
            if next.is_empty() {
                break;
            }
            pairs
                .try_reserve(next.len())
                .map_err(|_| Error::OutOfMemory)?;
            pairs.extend(next.iter().map(|pair| (at(pair.a), at(pair.b))));
        }
        blocking::run(move || {
            pairs.sort_unstable();
            Ok(pairs)
        })
        .await
    }

    /// The weights that changed at step `t` as clusters: two are in one where pairs with a score above
    /// 0.8 lead from one to the other; the largest comes first. Errors: `InvalidStep`, `Pruned`,
    /// `NoSuchStep`, `OutOfMemory`; of a store also `Damaged`.
    async fn groups(&self, t: usize) -> Result<Vec<Group>> {
        let progress = Progress::default();
        let query = CoOccurrence::default().at(t);
        let together = self.together(&query, &progress).await?;
        together.groups(&progress).await
    }
}
