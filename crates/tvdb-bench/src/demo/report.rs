//! Everything the demo measured.

use std::path::PathBuf;

use anyhow::Result;

use super::matrix::Matrix;
use super::read_back::ReadBack;
use super::recording::Recording;
use super::sizes::Sizes;
use super::volume::Volume;
use super::weight::MostChanged;
use crate::training::STEPS;

/// One recording of the training.
pub struct Run {
    /// What the run is called.
    pub name: &'static str,
    /// The threshold as a share of each matrix's standard deviation; 0 keeps everything.
    pub relative: f64,
    /// The threshold of each matrix.
    pub thresholds: Vec<f32>,
    /// Changes of all steps and matrices.
    pub changes: u64,
    /// Seconds spent comparing weights to find the changes.
    pub find_seconds: f64,
    /// Seconds spent storing them.
    pub store_seconds: f64,
    /// The states that were read back.
    pub read_back: ReadBack,
    /// What it takes.
    pub sizes: Sizes,
    /// Its matrices, one file each.
    pub volumes: Vec<Volume>,
}

impl Run {
    pub(super) async fn measure(
        recording: &Recording,
        read_back: ReadBack,
        volumes: Vec<Volume>,
    ) -> Result<Self> {
        let matrices = recording.matrices.iter();
        Ok(Run {
            name: recording.name,
            relative: recording.relative,
            thresholds: matrices.map(|matrix| matrix.threshold()).collect(),
            changes: recording.changes,
            find_seconds: recording.finding.as_secs_f64(),
            store_seconds: recording.storing.as_secs_f64(),
            sizes: Sizes::measure(recording, &volumes).await?,
            read_back,
            volumes,
        })
    }

    /// `amount` per change; 0 where nothing changed.
    pub fn per_change(&self, amount: f64) -> f64 {
        amount / self.changes.max(1) as f64
    }

    /// Each matrix's largest error beside its threshold.
    fn errors(&self) -> impl Iterator<Item = (f64, f64)> {
        let thresholds = self
            .thresholds
            .iter()
            .map(|&threshold| f64::from(threshold));
        self.read_back
            .largest_errors
            .iter()
            .copied()
            .zip(thresholds)
    }

    /// Whether no weight was further off than its matrix's threshold allows.
    pub fn errors_are_bounded(&self) -> bool {
        self.errors().all(|(error, threshold)| error <= threshold)
    }

    /// Whether every change was kept.
    pub fn is_lossless(&self) -> bool {
        self.thresholds.iter().all(|&threshold| threshold == 0.0)
    }
}

/// Everything the demo measured.
pub struct Report {
    /// The weight matrices of the network.
    pub matrices: Vec<Matrix>,
    /// How many images the network is tested with.
    pub test_images: usize,
    /// A recording for each threshold.
    pub runs: Vec<Run>,
    /// The weight that changed most.
    pub weight: MostChanged,
    /// Where the volumes are.
    pub folder: PathBuf,
    /// Seconds that all of it took.
    pub seconds: f64,
}

impl Report {
    /// How many weights the network has.
    pub fn weights(&self) -> usize {
        self.matrices.iter().map(Matrix::weights).sum()
    }

    /// The share of all weights that a step of a run changes, 0..=1.
    pub fn share_per_step(&self, run: &Run) -> f64 {
        run.changes as f64 / (self.weights() * STEPS) as f64
    }

    /// What did not come back as it should have, in a sentence.
    pub fn fault(&self) -> Option<String> {
        self.runs.iter().find_map(|run| {
            let other = run.read_back.states.iter().find(|state| !state.same_bits);
            if let (true, Some(state)) = (run.is_lossless(), other) {
                return Some(format!(
                    "run {}, step {}: the weights read back are not the ones recorded",
                    run.name, state.step
                ));
            }
            run.errors()
                .zip(&self.matrices)
                .find_map(|((error, threshold), matrix)| {
                    (error > threshold).then(|| {
                        format!(
                            "run {}, {}: a weight read back is off by {error:e}, the threshold is \
                         {threshold:e}",
                            run.name, matrix.name
                        )
                    })
                })
        })
    }
}
