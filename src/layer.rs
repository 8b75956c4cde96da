use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::co_occurrence::{jaccard, similar_pairs};
use crate::grid::{Grid, GridFile, GridOptions};
use crate::sparse_weights::{check_inside, check_shape};
use crate::timeline::Timeline;
use crate::zspan::ZSpan;
use crate::{
    Coordinate3D, Delta, Error, Figures, MAX_STEP, Region, Result, Ring, SparseWeights, Voxel,
};

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

/// The weights of a layer at one time, dense.
#[derive(Clone, Debug)]
pub struct DenseWeights {
    /// The step whose state this is: an as-of question between two steps is answered by the
    /// earlier one.
    pub timestep: usize,
    /// Rows and columns of `values`.
    pub shape: (i32, i32),
    /// The weights, row-major.
    pub values: Vec<f32>,
}

impl DenseWeights {
    /// The weights that are present, and which step's they are. Errors: `OutOfMemory`.
    pub fn to_sparse(&self) -> Result<SparseWeights> {
        let (rows, cols) = self.shape;
        let sparse = SparseWeights::from_dense(rows, cols, &self.values)?;
        Ok(sparse.with_timestep(self.timestep))
    }
}

/// One weight matrix over time, all of it in OpenVDB grids: the synchronous core of
/// [`OpenVdbStorage`](crate::OpenVdbStorage), whose methods say more.
///
/// Every method that changes the layer does all of it or, with an error, nothing.
pub struct Layer {
    grid: Grid,
    timeline: Timeline,
}

impl Layer {
    /// An empty layer of rows x cols. Errors: `InvalidShape`.
    pub fn new(name: &str, rows: i32, cols: i32, options: StorageOptions) -> Result<Self> {
        check_shape(rows, cols)?;
        let grid = Grid::new(name, rows, cols, options.grid())?;
        Ok(Layer {
            grid,
            timeline: Timeline::new(options.ring),
        })
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
        let mut layer = Layer { grid, timeline };
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

    /// Stores the changes of step `t`. Errors: `ShapeMismatch`, `InvalidStep`, `StepOutOfOrder`.
    pub fn store_changes(&mut self, t: usize, delta: &Delta) -> Result<()> {
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

    /// Stores deltas from a hash map. Errors as [`Layer::store_changes`], and those of
    /// [`Delta::from_hashmap`].
    pub fn store_delta(&mut self, t: usize, changes: &HashMap<(i32, i32), f32>) -> Result<()> {
        let (rows, cols) = self.shape();
        self.store_changes(t, &Delta::from_hashmap(rows, cols, changes)?)
    }

    /// Adds `delta` to the newest step, `t`, or opens step `t` with it. Errors as
    /// [`Layer::store_changes`]; `NotFinite` for a sum, `ExactMark` for a weight that has one, in
    /// the step or in `delta`.
    pub fn accumulate(&mut self, t: usize, delta: &Delta) -> Result<()> {
        self.check_same_shape(delta.shape())?;
        if let Some(&Voxel { row, col, .. }) = delta.marks().first() {
            return Err(Error::ExactMark { row, col, step: t });
        }
        if t == 0
            || self
                .timeline
                .steps()
                .back()
                .is_none_or(|&newest| newest as usize != t)
        {
            return self.store_changes(t, delta);
        }
        let z = self.timeline.z_of(self.timeline.latest());
        self.grid
            .accumulate(z, delta.deltas())
            .map_err(|error| match error {
                Error::ExactMark { row, col, .. } => Error::ExactMark { row, col, step: t },
                other => other,
            })
    }

    /// Adds `gradient` to one weight of the newest step, or opens step `t` with it. Errors as
    /// [`Layer::accumulate`], and `OutOfShape`.
    pub fn accumulate_temporal_gradient(
        &mut self,
        row: i32,
        col: i32,
        gradient: f32,
        t: usize,
    ) -> Result<()> {
        let (rows, cols) = self.shape();
        self.accumulate(
            t,
            &Delta::from_sorted(
                rows,
                cols,
                vec![Voxel {
                    row,
                    col,
                    value: gradient,
                }],
                vec![],
            )?,
        )
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
        let values = self
            .grid
            .dense_state(&self.timeline.spans_until(step), region)?;
        Ok(DenseWeights {
            timestep: step as usize,
            shape,
            values,
        })
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

    /// Keeps the newest `keep_last` steps and folds the older ones into the base, which takes the
    /// label of the last one folded.
    pub fn prune_history(&mut self, keep_last: usize) -> Result<()> {
        let steps = self.timeline.steps();
        let Some(&last) = steps
            .len()
            .checked_sub(keep_last + 1)
            .and_then(|i| steps.get(i))
        else {
            return Ok(());
        };
        self.grid.fold(&self.timeline.spans_until(last))?;
        self.timeline.fold_until(last);
        Ok(())
    }

    /// Drops the steps after time `t` and says how many there were. Errors: `Pruned`.
    pub fn rollback(&mut self, t: usize) -> Result<usize> {
        let step = self.timeline.as_of(t)?;
        for span in self.timeline.spans_between(step, self.timeline.latest()) {
            self.grid.clear(span)?;
        }
        Ok(self.timeline.truncate_after(step))
    }

    /// Writes the layer as `.vdb`, z being the timestep. Errors: `Io`.
    pub fn export_vdb(&self, path: &Path) -> Result<()> {
        let steps: Vec<i32> = self.timeline.steps().iter().copied().collect();
        if self.timeline.ring().is_none() {
            return self.grid.write_vdb(self.timeline.oldest(), &steps, path);
        }
        let mut unrolled = Grid::new(
            self.name(),
            self.shape().0,
            self.shape().1,
            StorageOptions::default().grid(),
        )?;
        self.copy_into(&mut unrolled, |step| step)?;
        unrolled.write_vdb(self.timeline.oldest(), &steps, path)
    }

    /// Copies base and slices into an empty grid, where step `t` goes to `z_of(t)`.
    fn copy_into(&self, grid: &mut Grid, z_of: impl Fn(i32) -> i32) -> Result<()> {
        let base = self.weights_at_time(self.oldest())?;
        let voxels: Vec<_> = base
            .iter()
            .map(|((row, col), &value)| Voxel { row, col, value })
            .collect();
        grid.insert_base(&voxels)?;
        for &step in self.timeline.steps() {
            grid.insert_slice(&[], z_of(step), &self.get_delta_layer(step as usize)?)?;
        }
        Ok(())
    }

    /// Reads a layer from a `.vdb`: `name`, or the only one where it is `None`. Into a ring goes
    /// what it reaches; older steps are folded. For files you trust. Errors: `Io`, `NotALayer`.
    pub fn open_vdb(path: &Path, name: Option<&str>, options: StorageOptions) -> Result<Self> {
        let GridFile {
            grid,
            oldest,
            steps,
        } = Grid::read_vdb(path, name.unwrap_or(""), options.grid())?;
        let mut layer = Layer {
            grid,
            timeline: Timeline::with_steps(oldest, steps),
        };
        let Some(ring) = options.ring else {
            return Ok(layer);
        };
        let reach = layer.timeline.latest() - ring.steps();
        layer.prune_history(
            layer
                .timeline
                .steps()
                .iter()
                .filter(|&&step| step > reach)
                .count(),
        )?;
        let (rows, cols) = layer.shape();
        let mut slots = Grid::new(layer.name(), rows, cols, options.grid())?;
        layer.copy_into(&mut slots, |step| ring.z_of(step as usize))?;
        let timeline = layer.timeline.in_ring(ring);
        Ok(Layer {
            grid: slots,
            timeline,
        })
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
