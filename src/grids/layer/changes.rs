//! What changed: weight by weight, step by step, and between states.

use std::ops::RangeInclusive;

use super::Layer;
use crate::detect::DenseDetector;
use crate::error::Result;
use crate::grids::zspan::{ZSpan, ZValue};
use crate::host::vec_with_room;
use crate::values::{Delta, Voxel, check_inside};

impl Layer {
    /// One weight over time: (t, weight after t) for the base, under its label, and for each
    /// retained step that changed it. Errors: `OutOfShape`.
    pub fn weight_history(&self, row: i32, col: i32) -> Result<Vec<(usize, f32)>> {
        Ok(self.weight_histories(&[(row, col)])?.swap_remove(0))
    }

    /// Several weights, (row, col), over time, in their order: of each (t, weight after t) for the base,
    /// under its label, and for each retained step that changed it. One walk of the kernels. Errors:
    /// `OutOfShape`, `OutOfMemory`.
    pub fn weight_histories(&self, weights: &[(i32, i32)]) -> Result<Vec<Vec<(usize, f32)>>> {
        let mut voxels = vec_with_room(weights.len())?;
        for &(row, col) in weights {
            check_inside((row, col), self.shape())?;
            let value = 0.0;
            voxels.push(Voxel { row, col, value });
        }
        let found = self.grid.histories(&voxels, &[], &self.all_spans())?;
        let at = |z| self.timeline.step_at(z) as usize;
        let history = |(base, changes): (f32, &[ZValue])| {
            let changes = changes.iter().map(|change| (at(change.z), change.value));
            std::iter::once((at(0), base)).chain(changes).collect()
        };
        Ok(found.iter().map(history).collect())
    }

    fn all_spans(&self) -> Vec<ZSpan> {
        self.timeline.spans_until(self.timeline.latest())
    }

    /// The changes of step `t`. Errors: `InvalidStep`, `Pruned`, `NoSuchStep`.
    pub fn get_delta_layer(&self, t: usize) -> Result<Delta> {
        let step = self.timeline.find(t)?;
        let mut slices = self.slices_of(&[step])?;
        Ok(slices.swap_remove(0))
    }

    /// The changes of the retained steps in a range of times.
    pub fn deltas_in(&self, times: RangeInclusive<usize>) -> Result<Vec<(usize, Delta)>> {
        let steps = self.timeline.steps_in(times);
        let slices = self.slices_of(&steps)?;
        Ok(steps
            .into_iter()
            .map(|step| step as usize)
            .zip(slices)
            .collect())
    }

    /// The changes of the newest `n` steps, oldest first: `Z[t-n+1..=t]`.
    pub fn recent_deltas(&self, n: usize) -> Result<Vec<(usize, Delta)>> {
        let steps = self.timeline.steps();
        match steps.len().saturating_sub(n) {
            skipped if skipped == steps.len() => Ok(Vec::new()),
            skipped => self.deltas_in(steps[skipped] as usize..=self.latest()),
        }
    }

    /// The slices of steps, given ascending in time; in a ring their z need not ascend.
    pub(super) fn slices_of(&self, steps: &[i32]) -> Result<Vec<Delta>> {
        let mut order: Vec<usize> = (0..steps.len()).collect();
        order.sort_unstable_by_key(|&i| self.timeline.z_of(steps[i]));
        let zs: Vec<i32> = order
            .iter()
            .map(|&i| self.timeline.z_of(steps[i]))
            .collect();
        let mut slices: Vec<(usize, Delta)> =
            order.into_iter().zip(self.grid.slices(&zs)?).collect();
        slices.sort_unstable_by_key(|&(i, _)| i);
        Ok(slices.into_iter().map(|(_, slice)| slice).collect())
    }

    /// What leads from the state at `from` to that at `to`, bit for bit, whichever is earlier.
    /// Errors: `Pruned`, `OutOfMemory`.
    pub fn net_change(&self, from: usize, to: usize) -> Result<Delta> {
        let states = self.dense_at_many(&[from, to])?;
        let (rows, cols) = self.shape();
        DenseDetector::from_base(0.0, rows, cols, &states[0].values)?
            .compute_changes(&states[1].values)
    }

    /// The weights that changed in a range of times, ascending by (row, col), and in how many of
    /// its steps. Errors: `OutOfMemory`.
    pub fn change_counts(&self, times: RangeInclusive<usize>) -> Result<Vec<((i32, i32), u32)>> {
        let steps = self.timeline.steps_in(times);
        let (Some(first), Some(&last)) = (steps.first(), steps.last()) else {
            return Ok(Vec::new());
        };
        let spans = self.timeline.spans_between(first - 1, last);
        let counts = self.grid.change_counts(&spans)?;
        let width = self.shape().1 as usize;
        Ok(counts
            .into_iter()
            .enumerate()
            .filter(|(_, count)| *count > 0)
            .map(|(i, count)| (((i / width) as i32, (i % width) as i32), count))
            .collect())
    }
}
