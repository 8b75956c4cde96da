//! The training: what learns from what, and how fast; and what its weights are compared by.

mod comparison;
mod deviation;
mod digits;
mod mlp;

pub use comparison::{largest_error, same_bits};
pub use deviation::standard_deviation;
pub use digits::{Batches, CLASSES, Digits, Images, PIXELS};
pub use mlp::Mlp;

/// Steps of the training; the untrained network is step 0.
pub const STEPS: usize = 300;

/// The network's widths: values that come in, pass between the layers and go out.
pub const WIDTHS: [usize; 4] = [PIXELS, 256, 256, CLASSES];

/// Images that each step learns from.
pub const BATCH: usize = 32;

/// How far each step goes along the gradient.
pub const RATE: f32 = 0.1;

const NETWORK_SEED: u64 = 1;
const BATCH_SEED: u64 = 2;

/// A network and the batches it learns from, the same ones each time.
pub struct Training<'a> {
    batches: Batches<'a>,
    /// As it is after the steps so far.
    pub network: Mlp,
}

impl<'a> Training<'a> {
    /// An untrained network.
    pub fn begin(digits: &'a Digits) -> Self {
        Training {
            batches: digits.train.batches(BATCH, BATCH_SEED),
            network: Mlp::new(&WIDTHS, NETWORK_SEED),
        }
    }

    /// Learns from the next batch. [`STEPS`] of these are the whole training.
    pub fn step(&mut self) {
        // Batches never end.
        if let Some(batch) = self.batches.next() {
            self.network.step(&batch, RATE);
        }
    }
}
