//! The training, with every step of it recorded.

use anyhow::Result;
use ndarray::Array2;

use super::matrix::Matrix;
use super::recording::Recording;
use super::runs::RUNS;
use crate::Listener;
use crate::training::{Digits, STEPS, Training};

/// Every tenth state is kept aside, and the one after the first step.
const KEEP_EVERY: usize = 10;

/// How many states are kept aside.
pub(super) const KEPT: usize = STEPS / KEEP_EVERY + 2;

/// A state of the network kept aside, to compare the record with.
pub(super) struct Kept {
    pub(super) step: usize,
    pub(super) layers: Vec<Array2<f32>>,
    /// Share of the test images that the network got right, 0..=1.
    pub(super) accuracy: f64,
}

/// One training, fed to a recording for each of [`RUNS`].
pub(super) struct RecordedTraining<'a> {
    digits: &'a Digits,
    training: Training<'a>,
    pub(super) recordings: Vec<Recording>,
    pub(super) kept: Vec<Kept>,
}

impl<'a> RecordedTraining<'a> {
    /// An untrained network, recorded as the base of each recording.
    pub(super) async fn begin(digits: &'a Digits) -> Result<Self> {
        let training = Training::begin(digits);
        let mut recordings = Vec::new();
        for (name, relative) in RUNS {
            recordings.push(Recording::begin(name, relative, training.network.layers()).await?);
        }
        let mut recorded = RecordedTraining {
            digits,
            training,
            recordings,
            kept: Vec::with_capacity(KEPT),
        };
        recorded.keep(0);
        Ok(recorded)
    }

    /// Trains, and records each step in every recording.
    pub(super) async fn finish(&mut self, listener: &dyn Listener) -> Result<()> {
        for step in 1..=STEPS {
            self.training.step();
            for recording in &mut self.recordings {
                recording
                    .record(step, self.training.network.layers())
                    .await?;
            }
            if step == 1 || step % KEEP_EVERY == 0 {
                self.keep(step);
            }
            listener.advance();
        }
        Ok(())
    }

    fn keep(&mut self, step: usize) {
        let network = &self.training.network;
        self.kept.push(Kept {
            step,
            layers: network.layers().to_vec(),
            accuracy: network.accuracy(&self.digits.test),
        });
    }

    /// Name and shape of each weight matrix.
    pub(super) fn matrices(&self) -> Vec<Matrix> {
        Matrix::all(self.training.network.layers())
    }
}
