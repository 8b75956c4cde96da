//! A training run as it is recorded, at one threshold.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ndarray::Array2;
use temporal_vdb::{
    DenseDetector, OpenVdbStorage, SparseWeights, TemporalLayer, TemporalVDBStorage,
};

use super::hash_map::hash_map_bytes;
use super::matrix::Matrix;
use crate::training::standard_deviation;

/// One weight matrix, what finds its changes and what keeps them.
pub(super) struct RecordedMatrix {
    pub(super) name: String,
    pub(super) shape: (usize, usize),
    pub(super) storage: OpenVdbStorage,
    detector: DenseDetector,
    /// In how many steps each weight changed, row-major.
    pub(super) times_changed: Vec<u32>,
}

impl RecordedMatrix {
    async fn begin(matrix: Matrix, relative: f64, base: &[f32]) -> Result<Self> {
        let (rows, cols) = (i32::try_from(matrix.rows)?, i32::try_from(matrix.cols)?);
        let threshold = (relative * standard_deviation(base)) as f32;
        let mut storage = OpenVdbStorage::new(&matrix.name, rows, cols)?;
        storage
            .store_base(&SparseWeights::from_dense(rows, cols, base)?)
            .await?;
        Ok(RecordedMatrix {
            detector: DenseDetector::from_base(threshold, rows, cols, base)?,
            times_changed: vec![0; matrix.weights()],
            shape: (matrix.rows, matrix.cols),
            name: matrix.name,
            storage,
        })
    }

    /// No weight that is read back is further than this from the trained one.
    pub(super) fn threshold(&self) -> f32 {
        self.detector.threshold()
    }
}

/// A whole network over time.
pub(super) struct Recording {
    pub(super) name: &'static str,
    /// The threshold as a share of each matrix's standard deviation.
    pub(super) relative: f64,
    pub(super) matrices: Vec<RecordedMatrix>,
    /// Changes of all steps and matrices.
    pub(super) changes: u64,
    /// Time spent comparing weights to find the changes.
    pub(super) finding: Duration,
    /// Time spent storing them.
    pub(super) storing: Duration,
    /// What the same changes take in a `HashMap` for each step and matrix.
    pub(super) hash_map_bytes: u64,
}

impl Recording {
    /// Begins with the untrained network as the base.
    pub(super) async fn begin(
        name: &'static str,
        relative: f64,
        layers: &[Array2<f32>],
    ) -> Result<Self> {
        let mut matrices = Vec::new();
        for (matrix, layer) in Matrix::all(layers).into_iter().zip(layers) {
            matrices.push(RecordedMatrix::begin(matrix, relative, row_major(layer)?).await?);
        }
        Ok(Recording {
            name,
            relative,
            matrices,
            changes: 0,
            finding: Duration::ZERO,
            storing: Duration::ZERO,
            hash_map_bytes: 0,
        })
    }

    /// Records the network as it is after `step`.
    pub(super) async fn record(&mut self, step: usize, layers: &[Array2<f32>]) -> Result<()> {
        for (matrix, layer) in self.matrices.iter_mut().zip(layers) {
            let start = Instant::now();
            let delta = matrix.detector.compute_changes(row_major(layer)?)?;
            let found = Instant::now();
            matrix.storage.store_changes(step, &delta).await?;
            self.storing += found.elapsed();
            self.finding += found - start;

            for ((row, col), _) in delta.iter() {
                matrix.times_changed[row as usize * matrix.shape.1 + col as usize] += 1;
                self.changes += 1;
            }
            self.hash_map_bytes += hash_map_bytes(&delta.to_hashmap());
        }
        Ok(())
    }

    /// The matrices as they were after `step`, and how long it took to get them.
    pub(super) async fn state(&self, step: usize) -> Result<(Vec<Array2<f32>>, Duration)> {
        let start = Instant::now();
        let mut states = Vec::new();
        for matrix in &self.matrices {
            states.push(matrix.storage.dense_at_time(step).await?);
        }
        let time = start.elapsed();
        let shapes = self.matrices.iter().map(|matrix| matrix.shape);
        let layers = shapes
            .zip(states)
            .map(|(shape, state)| Array2::from_shape_vec(shape, state.values))
            .collect::<Result<_, _>>()?;
        Ok((layers, time))
    }
}

fn row_major(layer: &Array2<f32>) -> Result<&[f32]> {
    layer.as_slice().context("a layer is not row-major")
}
