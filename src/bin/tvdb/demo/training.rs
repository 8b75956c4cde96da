//! The training, with every step of it recorded.

use anyhow::Result;
use ndarray::Array2;

use super::RUNS;
use super::digits::{Batches, CLASSES, Digits, PIXELS};
use super::mlp::Mlp;
use super::recording::{Matrix, Recording};
use crate::progress::Progress;

/// Steps of the training; the untrained network is step 0.
pub(super) const STEPS: usize = 300;

/// The network's widths: values that come in, pass between the layers and go out.
pub(super) const WIDTHS: [usize; 4] = [PIXELS, 256, 256, CLASSES];

/// Images that each step learns from.
pub(super) const BATCH: usize = 32;

/// How far each step goes along the gradient.
pub(super) const RATE: f32 = 0.1;

/// Every tenth state is kept aside, and the one after the first step.
const KEEP_EVERY: usize = 10;

/// How many states are kept aside.
pub(super) const KEPT: usize = STEPS / KEEP_EVERY + 2;

const NETWORK_SEED: u64 = 1;
const BATCH_SEED: u64 = 2;

/// A state of the network kept aside, to compare the record with.
pub(super) struct Kept {
    pub(super) step: usize,
    pub(super) layers: Vec<Array2<f32>>,
    /// Share of the test images that the network got right, 0..=1.
    pub(super) accuracy: f64,
}

/// One training, fed to a recording for each of [`RUNS`].
pub(super) struct Training<'a> {
    digits: &'a Digits,
    batches: Batches<'a>,
    network: Mlp,
    pub(super) recordings: Vec<Recording>,
    pub(super) kept: Vec<Kept>,
}

impl<'a> Training<'a> {
    /// An untrained network, recorded as the base of each recording.
    pub(super) async fn begin(digits: &'a Digits) -> Result<Self> {
        let network = Mlp::new(&WIDTHS, NETWORK_SEED);
        let mut recordings = Vec::new();
        for (name, relative) in RUNS {
            recordings.push(Recording::begin(name, relative, network.layers()).await?);
        }
        let mut training = Training {
            digits,
            batches: digits.train.batches(BATCH, BATCH_SEED),
            network,
            recordings,
            kept: Vec::with_capacity(KEPT),
        };
        training.keep(0);
        Ok(training)
    }

    /// Trains, and records each step in every recording.
    pub(super) async fn finish(&mut self, progress: &Progress) -> Result<()> {
        for step in 1..=STEPS {
            let Some(batch) = self.batches.next() else {
                break;
            };
            self.network.step(&batch, RATE);
            for recording in &mut self.recordings {
                recording.record(step, self.network.layers()).await?;
            }
            if step == 1 || step % KEEP_EVERY == 0 {
                self.keep(step);
            }
            progress.advance();
        }
        Ok(())
    }

    fn keep(&mut self, step: usize) {
        self.kept.push(Kept {
            step,
            layers: self.network.layers().to_vec(),
            accuracy: self.network.accuracy(&self.digits.test),
        });
    }

    /// Name and shape of each weight matrix.
    pub(super) fn matrices(&self) -> Vec<Matrix> {
        Matrix::all(self.network.layers())
    }
}
