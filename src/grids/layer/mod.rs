use std::num::NonZeroUsize;

use crate::dtype::Dtype;
use crate::error::Result;
use crate::grids::StorageOptions;
use crate::grids::grid::Grid;
use crate::grids::timeline::Timeline;
use crate::host::vec_with_room;
use crate::limits::MAX_STEP;
use crate::values::{
    Delta, DenseWeights, Figures, Region, Retention, SparseWeights, Tags, Voxel, check_shape,
};

mod changes;
mod keeping;
mod queries;
mod vdb;
mod writing;

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
    threads: Option<NonZeroUsize>,
    /// Of what it has been made, until it is written to: what is written then need not be of that type,
    /// nor leave alone what a vector's last row has after its end.
    origin: Option<Origin>,
}

/// The tensor that a layer's matrix is made of.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
}

/// Who is told of a step that has been closed, and how many weights it changed.
pub(crate) type OnClosed = Box<dyn Fn(usize, u64) + Send + Sync>;

impl Layer {
    /// An empty layer of rows x cols. Errors: `InvalidShape`.
    pub fn new(name: &str, rows: i32, cols: i32, options: StorageOptions) -> Result<Self> {
        check_shape(rows, cols)?;
        let grid = Grid::new(name, rows, cols, options.grid())?;
        Ok(Layer::with(grid, Timeline::new(options.ring), options))
    }

    fn with(grid: Grid, timeline: Timeline, options: StorageOptions) -> Self {
        Layer {
            grid,
            timeline,
            open: false,
            tags: Tags::default(),
            retention: Retention::default(),
            on_closed: None,
            threads: options.threads,
            origin: None,
        }
    }

    /// From now on `on_closed` is told of each step that is closed, in their order.
    pub(crate) fn tell(&mut self, on_closed: OnClosed) {
        self.on_closed = Some(on_closed);
    }

    /// A layer that begins with the state of some step, and goes on with the changes of later ones.
    pub(crate) fn from_history(
        name: &str,
        origin: Origin,
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
        let mut layer = Layer::with(grid, timeline, options);
        for (step, delta) in slices {
            layer.store_changes(*step, delta)?;
        }
        layer.origin = Some(origin);
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

    /// How many threads work for it; `None` is one per core.
    pub(crate) fn threads(&self) -> Option<NonZeroUsize> {
        self.threads
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

    /// Whether any weight of a retained step has an exact mark.
    pub fn has_exact_marks(&self) -> bool {
        self.grid.has_exact()
    }
}

// A step fits z, and z a step.
const _: () = assert!(MAX_STEP == i32::MAX as usize - 1);
