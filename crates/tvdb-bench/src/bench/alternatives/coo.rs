//! Per-step (row, col, value) arrays, added into a dense matrix.

use std::time::{Duration, Instant};

use temporal_vdb::Voxel;

/// A dense matrix of f32, row-major, to which steps are added.
pub(in crate::bench) struct DenseSum {
    cols: usize,
    weights: Vec<f32>,
    /// Time spent on copying the base and adding.
    spent: Duration,
}

impl DenseSum {
    /// A copy of the base.
    pub(in crate::bench) fn new(base: &[f32], cols: usize) -> Self {
        let start = Instant::now();
        let weights = base.to_vec();
        let spent = start.elapsed();
        DenseSum {
            cols,
            weights,
            spent,
        }
    }

    /// Adds steps, in the order of time.
    pub(in crate::bench) fn add<'a>(&mut self, steps: impl Iterator<Item = &'a [Voxel]>) {
        let start = Instant::now();
        for step in steps {
            for delta in step {
                self.weights[delta.row as usize * self.cols + delta.col as usize] += delta.value;
            }
        }
        self.spent += start.elapsed();
    }

    /// The sum, and the seconds it took.
    pub(in crate::bench) fn finish(self) -> (Vec<f32>, f64) {
        (self.weights, self.spent.as_secs_f64())
    }
}
