//! Writing steps: stored ones, and those that are accumulated.

use std::collections::HashMap;

use super::Layer;
use crate::error::{Error, Result};
use crate::values::{Delta, SparseWeights, Voxel};

impl Layer {
    fn check_same_shape(&self, found: (i32, i32)) -> Result<()> {
        let expected = self.shape();
        if expected == found {
            Ok(())
        } else {
            Err(Error::ShapeMismatch { expected, found })
        }
    }

    /// Makes `weights` the base. Errors: `ShapeMismatch`, `BaseFixed`.
    pub fn store_base(&mut self, weights: &SparseWeights) -> Result<()> {
        self.check_same_shape(weights.shape())?;
        if self.latest() > 0 {
            return Err(Error::BaseFixed {
                latest: self.latest(),
            });
        }
        let voxels: Vec<_> = weights
            .iter()
            .map(|((row, col), &value)| Voxel { row, col, value })
            .collect();
        self.grid.insert_base(&voxels)?;
        self.origin = None;
        Ok(())
    }

    /// Stores the changes of step `t`, which is closed at once, as is one that was open. Errors:
    /// `ShapeMismatch`, `InvalidStep`, `StepOutOfOrder`.
    pub fn store_changes(&mut self, t: usize, delta: &Delta) -> Result<()> {
        let before = self.open_step()?;
        self.insert_step(t, delta)?;
        self.open = false;
        self.closed(before.into_iter().chain([(t, delta.len() as u64)]));
        Ok(())
    }

    fn insert_step(&mut self, t: usize, delta: &Delta) -> Result<()> {
        self.check_same_shape(delta.shape())?;
        let step = self.timeline.check_new(t)?;
        let expired = self.timeline.expired_by(step);
        let fold = expired.map_or_else(Vec::new, |last| self.timeline.spans_until(last));
        self.grid
            .insert_slice(&fold, self.timeline.z_of(step), delta)?;
        if let Some(last) = expired {
            self.timeline.fold_until(last);
        }
        self.timeline.push(step);
        self.origin = None;
        Ok(())
    }

    /// The open step, and how many weights it has changed so far.
    fn open_step(&self) -> Result<Option<(usize, u64)>> {
        if !self.open {
            return Ok(None);
        }
        let changes = self.slices_of(&[self.timeline.latest()])?[0].len();
        Ok(Some((self.latest(), changes as u64)))
    }

    /// What follows when steps have been closed: who wants to know is told, and the policy is
    /// applied where enough would go.
    fn closed(&mut self, steps: impl IntoIterator<Item = (usize, u64)>) {
        let mut any = false;
        for (step, changes) in steps {
            any = true;
            if let Some(on_closed) = &self.on_closed {
                on_closed(step, changes);
            }
        }
        if any {
            self.apply_retention();
        }
    }

    /// Stores deltas from a hash map. Errors as [`Layer::store_changes`], and those of
    /// [`Delta::from_hashmap`].
    pub fn store_delta(&mut self, t: usize, changes: &HashMap<(i32, i32), f32>) -> Result<()> {
        let (rows, cols) = self.shape();
        self.store_changes(t, &Delta::from_hashmap(rows, cols, changes)?)
    }

    /// Adds `scale` times `delta` to the open step `t`, or opens step `t` with it, which closes one
    /// that was open before. Errors as [`Layer::store_changes`]; `InvalidScale`; `NotFinite` for a
    /// product or a sum, `ExactMark` for a weight of `delta` that has one.
    pub fn accumulate(&mut self, t: usize, delta: &Delta, scale: f32) -> Result<()> {
        self.check_same_shape(delta.shape())?;
        if let Some(&Voxel { row, col, .. }) = delta.marks().first() {
            return Err(Error::ExactMark { row, col, step: t });
        }
        let scaled = delta.scaled(scale)?;
        if self.open && t == self.latest() {
            let z = self.timeline.z_of(self.timeline.latest());
            return self.grid.accumulate(z, scaled.deltas());
        }
        let before = self.open_step()?;
        self.insert_step(t, &scaled)?;
        self.open = true;
        self.closed(before);
        Ok(())
    }

    /// Adds `gradient` to one weight of the open step `t`, or opens step `t` with it. Errors as
    /// [`Layer::accumulate`], and `OutOfShape`.
    pub fn accumulate_temporal_gradient(
        &mut self,
        row: i32,
        col: i32,
        gradient: f32,
        t: usize,
    ) -> Result<()> {
        let (rows, cols) = self.shape();
        let value = gradient;
        let delta = Delta::from_sorted(rows, cols, vec![Voxel { row, col, value }], vec![])?;
        self.accumulate(t, &delta, 1.0)
    }

    /// Closes the open step and says which it is; `None` where none is open.
    pub fn commit_accumulated(&mut self) -> Result<Option<usize>> {
        let open = self.open_step()?;
        self.open = false;
        self.closed(open);
        Ok(open.map(|(step, _)| step))
    }
}
