//! States read back from a recording, against the ones kept aside while training.

use std::time::Duration;

use anyhow::Result;

use super::recorded_training::Kept;
use super::recording::Recording;
use crate::Listener;
use crate::training::{Digits, Mlp, largest_error, same_bits};

/// One state that was read back.
pub struct State {
    /// The step after which the network was as this state.
    pub step: usize,
    /// Test accuracy of the network while it was trained, 0..=1.
    pub trained: f64,
    /// Test accuracy of the network that was read back.
    pub accuracy: f64,
    /// Whether all its weights have the bits that were trained.
    pub same_bits: bool,
    /// The largest distance of a weight from the trained one.
    pub largest_error: f64,
}

impl State {
    /// How far the accuracies are apart, 0..=1.
    pub fn difference(&self) -> f64 {
        (self.accuracy - self.trained).abs()
    }
}

/// All states kept aside, read back from one recording.
pub struct ReadBack {
    /// The states, in the order of time.
    pub states: Vec<State>,
    /// For each matrix the largest distance of a weight from the trained one, over all states.
    pub largest_errors: Vec<f64>,
    /// Time for the last state: the one with the most steps to add up.
    pub last_time: Duration,
}

impl ReadBack {
    pub(super) async fn measure(
        recording: &Recording,
        kept: &[Kept],
        digits: &Digits,
        listener: &dyn Listener,
    ) -> Result<Self> {
        let mut read_back = ReadBack {
            states: Vec::with_capacity(kept.len()),
            largest_errors: vec![0.0; recording.matrices.len()],
            last_time: Duration::ZERO,
        };
        for kept in kept {
            let (layers, time) = recording.state(kept.step).await?;
            read_back.last_time = time;
            let pairs = || layers.iter().zip(&kept.layers);
            let same_bits = pairs().all(|(found, trained)| same_bits(found, trained));
            let mut state_error = 0.0f64;
            for (largest, (found, trained)) in read_back.largest_errors.iter_mut().zip(pairs()) {
                let error = largest_error(found, trained);
                *largest = largest.max(error);
                state_error = state_error.max(error);
            }
            read_back.states.push(State {
                step: kept.step,
                trained: kept.accuracy,
                accuracy: Mlp::from_layers(layers)?.accuracy(&digits.test),
                same_bits,
                largest_error: state_error,
            });
            listener.advance();
        }
        Ok(read_back)
    }

    /// How many states have the bits that were trained.
    pub fn same_count(&self) -> usize {
        self.states.iter().filter(|state| state.same_bits).count()
    }

    /// Mean over all states of how far the accuracies are apart.
    pub fn mean_difference(&self) -> f64 {
        let sum: f64 = self.states.iter().map(State::difference).sum();
        sum / self.states.len() as f64
    }

    /// The state whose accuracies are furthest apart.
    pub fn worst(&self) -> Option<&State> {
        let by_difference = |a: &&State, b: &&State| a.difference().total_cmp(&b.difference());
        self.states.iter().max_by(by_difference)
    }
}
