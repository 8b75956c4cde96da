use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use crate::co_occurrence::{jaccard, similar_pairs};
use crate::grid::{Grid, GridOptions};
use crate::sparse_weights::{check_inside, check_shape, vec_with_room};
use crate::tags::Tags;
use crate::timeline::Timeline;
use crate::zspan::ZSpan;
use crate::{
    Coordinate3D, Delta, DenseDetector, DenseWeights, Error, Figures, MAX_STEP, Region, Result,
    Retention, Ring, SparseWeights, Voxel,
};

mod keeping;
mod vdb;

/// How a storage of one layer works, whatever it holds.
#[derive(Clone, Copy, Debug)]
pub struct StorageOptions {
    /// Use z as a circular buffer: a write folds the steps that the ring has no slot for any more.
    pub ring: Option<Ring>,
    /// Threads for each heavy call; `None` is one per core. Results do not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// Bytes of emptied leaves to keep for the next inserts, which then fault in no fresh memory.
    /// Worth raising for a ring, whose slices empty and fill in turn.
    pub spare_bytes: usize,
}

impl Default for StorageOptions {
    fn default() -> Self {
        StorageOptions {
            ring: None,
            threads: None,
            spare_bytes: 64 << 20,
        }
    }
}

impl StorageOptions {
    fn grid(&self) -> GridOptions {
        GridOptions {
            threads: self.threads,
            spare_bytes: self.spare_bytes,
        }
    }
}

/// One weight matrix over time, all of it in OpenVDB grids: the synchronous core of
/// [`OpenVdbStorage`](crate::OpenVdbStorage), whose methods, and those of
/// [`TemporalLayer`](crate::TemporalLayer), say more.
///
/// Every method that changes the layer does all of it or, with an error, nothing.
pub struct Layer {
    grid: Grid,
    timeline: Timeline,
    /// Whether the newest step is still open.
    open: bool,
    tags: Tags,
    retention: Retention,
    on_closed: Option<OnClosed>,
}

/// Who is told of a step that has been closed, and how many weights it changed.
pub(crate) type OnClosed = Box<dyn Fn(usize, u64) + Send + Sync>;

impl Layer {
    /// An empty layer of rows x cols. Errors: `InvalidShape`.
    pub fn new(name: &str, rows: i32, cols: i32, options: StorageOptions) -> Result<Self> {
        check_shape(rows, cols)?;
        let grid = Grid::new(name, rows, cols, options.grid())?;
        Ok(Layer::with(grid, Timeline::new(options.ring)))
    }

    fn with(grid: Grid, timeline: Timeline) -> Self {
        Layer {
            grid,
            timeline,
            open: false,
            tags: Tags::default(),
            retention: Retention::default(),
            on_closed: None,
        }
    }

    /// From now on `on_closed` is told of each step that is closed, in their order.
    pub(crate) fn tell(&mut self, on_closed: OnClosed) {
        self.on_closed = Some(on_closed);
    }

    /// A layer that begins with the state of some step, and goes on with the changes of later ones.
    pub(crate) fn from_history(
        name: &str,
        shape: (i32, i32),
        (oldest, base): (i32, &[f32]),
        slices: &[(usize, Delta)],
        options: StorageOptions,
    ) -> Result<Self> {
        let mut grid = Grid::new(name, shape.0, shape.1, options.grid())?;
        let values = base
            .iter()
            .enumerate()
            .filter(|(_, value)| value.to_bits() != 0);
        let width = shape.1 as usize;
        let voxels: Vec<_> = values
            .map(|(at, &value)| Voxel {
                row: (at / width) as i32,
                col: (at % width) as i32,
                value,
            })
            .collect();
        grid.insert_base(&voxels)?;
        let timeline = Timeline::with_steps(oldest, Vec::new());
        let timeline = match options.ring {
            Some(ring) => timeline.in_ring(ring),
            None => timeline,
        };
        let mut layer = Layer::with(grid, timeline);
        for (step, delta) in slices {
            layer.store_changes(*step, delta)?;
        }
        Ok(layer)
    }

    /// Name of the layer.
    pub fn name(&self) -> &str {
        self.grid.name()
    }

    /// Rows and columns.
    pub fn shape(&self) -> (i32, i32) {
        self.grid.shape()
    }

    /// The base's label: the oldest step that can be asked for.
    pub fn oldest(&self) -> usize {
        self.timeline.oldest() as usize
    }

    /// The newest step, or `oldest` where there is none.
    pub fn latest(&self) -> usize {
        self.timeline.latest() as usize
    }

    /// The retained steps of changes, ascending.
    pub fn steps(&self) -> Vec<usize> {
        self.timeline
            .steps()
            .iter()
            .map(|&step| step as usize)
            .collect()
    }

    /// Sizes in memory.
    pub fn figures(&self) -> Result<Figures> {
        self.grid.figures()
    }

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
        self.grid.insert_base(&voxels)
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
        for (step, changes) in steps {
            if let Some(on_closed) = &self.on_closed {
                on_closed(step, changes);
            }
        }
        self.apply_retention();
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

    fn whole(&self) -> Region {
        let (rows, cols) = self.shape();
        Region::new(0..rows, 0..cols)
    }

    /// The state at time `t`. Errors: `Pruned`.
    pub fn weights_at_time(&self, t: usize) -> Result<SparseWeights> {
        self.weights_in_region(t, self.whole())
    }

    /// The state of a region at time `t`, rows and columns counted from its corner. Errors:
    /// `Pruned`, `InvalidRegion`.
    pub fn weights_in_region(&self, t: usize, region: Region) -> Result<SparseWeights> {
        let step = self.timeline.as_of(t)?;
        self.grid
            .sparse_state(&self.timeline.spans_until(step), region, step as usize)
    }

    /// The state at time `t`, dense. Errors: `Pruned`, `OutOfMemory`.
    pub fn dense_at_time(&self, t: usize) -> Result<DenseWeights> {
        self.dense_in_region(t, self.whole())
    }

    /// The state of a region at time `t`, dense. Errors: `Pruned`, `InvalidRegion`, `OutOfMemory`.
    pub fn dense_in_region(&self, t: usize, region: Region) -> Result<DenseWeights> {
        let step = self.timeline.as_of(t)?;
        let shape = region.shape_within(self.shape())?;
        let spans = self.timeline.spans_until(step);
        let mut states = self.grid.dense_states(&spans, &[spans.len()], region)?;
        Ok(DenseWeights {
            timestep: step as usize,
            shape,
            values: states.swap_remove(0),
        })
    }

    /// The states at several times, in the order of the times, in one walk. Errors: `Pruned`,
    /// `OutOfMemory`.
    pub fn dense_at_many(&self, times: &[usize]) -> Result<Vec<DenseWeights>> {
        let as_of = times.iter().map(|&t| self.timeline.as_of(t));
        let wanted = as_of.collect::<Result<Vec<i32>>>()?;
        let mut steps = wanted.clone();
        steps.sort_unstable();
        steps.dedup();
        let (mut spans, mut stops) = (Vec::new(), Vec::new());
        let mut before = self.timeline.oldest();
        for &step in &steps {
            spans.extend(self.timeline.spans_between(before, step));
            stops.push(spans.len());
            before = step;
        }
        let mut states = self.grid.dense_states(&spans, &stops, self.whole())?;
        let mut uses = vec![0; steps.len()];
        let places: Vec<usize> = wanted
            .iter()
            .map(|step| steps.partition_point(|other| other < step))
            .collect();
        for &place in &places {
            uses[place] += 1;
        }
        let mut found = Vec::with_capacity(times.len());
        for place in places {
            uses[place] -= 1;
            let values = if uses[place] == 0 {
                std::mem::take(&mut states[place])
            } else {
                let mut copy = vec_with_room(states[place].len())?;
                copy.extend_from_slice(&states[place]);
                copy
            };
            found.push(DenseWeights {
                timestep: steps[place] as usize,
                shape: self.shape(),
                values,
            });
        }
        Ok(found)
    }

    /// One weight over time: (t, weight after t) for the base, under its label, and for each
    /// retained step that changed it. Errors: `OutOfShape`.
    pub fn weight_history(&self, row: i32, col: i32) -> Result<Vec<(usize, f32)>> {
        check_inside((row, col), self.shape())?;
        let states = self.grid.history(row, col, &self.all_spans())?;
        let at = |z| self.timeline.step_at(z) as usize;
        Ok(states
            .iter()
            .map(|state| (at(state.z), state.value))
            .collect())
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
    fn slices_of(&self, steps: &[i32]) -> Result<Vec<Delta>> {
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

    /// How alike two weights are in when they change: the Jaccard index of their sets of change
    /// steps in the retained range, 0 to 1; 0 where neither changed. Errors: `OutOfShape`.
    pub fn co_occurrence_score(&self, a: (i32, i32), b: (i32, i32)) -> Result<f64> {
        let weights = [a, b].map(|(row, col)| Voxel {
            row,
            col,
            value: 0.0,
        });
        for weight in &weights {
            check_inside(weight.key(), self.shape())?;
        }
        let times = self.grid.change_times(&weights, &self.all_spans())?;
        Ok(jaccard(&times[0], &times[1]))
    }

    /// The unordered pairs of different weights that changed at step `t`, each at least 3 times in
    /// the retained range, whose [`Layer::co_occurrence_score`] is above 0.8. Exact. Errors as
    /// [`Layer::get_delta_layer`].
    pub fn correlated_changes(&self, t: usize) -> Result<Vec<(Coordinate3D, Coordinate3D)>> {
        let z = self.timeline.find(t)?;
        let changes = self.get_delta_layer(t)?;
        let weights: Vec<_> = changes
            .iter()
            .map(|((row, col), _)| Voxel {
                row,
                col,
                value: 0.0,
            })
            .collect();
        let times = self.grid.change_times(&weights, &self.all_spans())?;
        let at = |i: usize| Coordinate3D::new(weights[i].row, weights[i].col, z);
        Ok(similar_pairs(&times)
            .into_iter()
            .map(|(a, b)| (at(a), at(b)))
            .collect())
    }

    /// Whether any weight of a retained step has an exact mark.
    pub fn has_exact_marks(&self) -> bool {
        self.grid.has_exact()
    }
}

// A step fits z, and z a step.
const _: () = assert!(MAX_STEP == i32::MAX as usize - 1);
