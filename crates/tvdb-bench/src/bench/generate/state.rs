use std::mem;

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use temporal_vdb::{Checkpoint, Dtype, Tensor};

use super::adam::Adam;
use super::change::Change;
use super::normal::normal;

/// Standard deviation of the weights at first: that of a linear layer of some thousand inputs.
const WEIGHTS: f64 = 0.02;

/// Standard deviation of what is added to a weight where a share of them changes.
const DELTAS: f64 = 1e-4;

/// A run while it is made up.
pub(super) struct State {
    shape: Vec<usize>,
    weights: Vec<f32>,
    change: Changing,
    /// The weights as a file has them; used again at each step.
    bytes: Bytes,
    random: ChaCha8Rng,
}

/// [`Change`] under way.
enum Changing {
    Share(f64),
    Adam(Adam),
}

impl State {
    /// The first step.
    pub(super) fn first([rows, cols]: [usize; 2], change: Change, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let weights = (0..rows * cols).map(|_| (normal(&mut random) * WEIGHTS) as f32);
        let weights: Vec<f32> = weights.collect();
        let change = match change {
            Change::Share(share) => Changing::Share(share),
            Change::Adam(rate) => Changing::Adam(Adam::new(rate, weights.len(), &mut random)),
        };
        State {
            shape: vec![rows, cols],
            weights,
            change,
            bytes: Bytes::new(),
            random,
        }
    }

    /// Bytes in memory for each weight, its file's among them.
    pub(super) fn bytes_per_weight(change: Change) -> usize {
        size_of::<f32>()
            + match change {
                Change::Share(_) => size_of::<f32>(),
                Change::Adam(_) => Adam::BYTES_PER_WEIGHT + size_of::<u16>(),
            }
    }

    /// The next step.
    pub(super) fn advance(&mut self) {
        match &mut self.change {
            Changing::Share(share) => {
                for weight in &mut self.weights {
                    if self.random.random::<f64>() < *share {
                        *weight += (normal(&mut self.random) * DELTAS) as f32;
                    }
                }
            }
            Changing::Adam(adam) => adam.step(&mut self.weights, &mut self.random),
        }
    }

    pub(super) fn checkpoint(&mut self) -> Checkpoint {
        let mut bytes = Vec::from(mem::take(&mut self.bytes));
        bytes.clear();
        let dtype = match self.change {
            Changing::Share(_) => {
                bytes.reserve_exact(size_of_val(&self.weights[..]));
                let weights = self.weights.iter();
                weights.for_each(|weight| bytes.extend_from_slice(&weight.to_le_bytes()));
                Dtype::F32
            }
            Changing::Adam(_) => {
                bytes.reserve_exact(size_of::<u16>() * self.weights.len());
                let weights = self.weights.iter();
                weights.for_each(|weight| bytes.extend_from_slice(&to_bf16(*weight).to_le_bytes()));
                Dtype::Bf16
            }
        };
        self.bytes = bytes.into();
        let tensor = Tensor {
            name: "weight".to_owned(),
            dtype,
            shape: self.shape.clone(),
            data: self.bytes.clone(),
        };
        Checkpoint {
            tensors: vec![tensor],
            ..Checkpoint::default()
        }
    }
}

/// The bits of the nearest bf16, of two that are as near the even one. Not for NaN.
fn to_bf16(weight: f32) -> u16 {
    let bits = weight.to_bits();
    let even = bits >> 16 & 1;
    ((bits + 0x7fff + even) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::super::MadeUpRun;
    use super::*;

    fn first(run: MadeUpRun) -> State {
        State::first([run.rows, run.cols], run.change, run.seed)
    }

    /// The weights before and after a step.
    fn step(spec: &str) -> (Vec<f32>, Vec<f32>) {
        let mut state = first(spec.parse().unwrap());
        let before = state.weights.clone();
        state.advance();
        (before, state.weights)
    }

    /// The elements of all checkpoints of a bf16 run.
    fn bf16_run(spec: &str) -> Vec<Vec<u16>> {
        let run: MadeUpRun = spec.parse().unwrap();
        let mut state = first(run);
        let checkpoint = |at| {
            if at > 0 {
                state.advance();
            }
            let tensor = state.checkpoint().tensors.remove(0);
            assert_eq!(tensor.dtype, Dtype::Bf16);
            assert_eq!(tensor.shape, [run.rows, run.cols]);
            let element = |bytes: &[u8]| u16::from_le_bytes(bytes.try_into().unwrap());
            tensor.data.chunks_exact(2).map(element).collect()
        };
        (0..=run.steps).map(checkpoint).collect()
    }

    fn widened(element: u16) -> f64 {
        f64::from(f32::from_bits(u32::from(element) << 16))
    }

    fn deviation(weights: impl ExactSizeIterator<Item = f64>) -> f64 {
        let count = weights.len() as f64;
        (weights.map(|w| w.powi(2)).sum::<f64>() / count).sqrt()
    }

    #[test]
    fn a_seed_is_a_run() {
        let (before, after) = step("100x100x1,10%,3");
        assert_eq!((before.clone(), after.clone()), step("100x100x1,10%,3"));
        assert_ne!(before, step("100x100x1,10%,4").0);
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!((850..1150).contains(&changed), "{changed}");
        let deviation = deviation(before.iter().map(|w| f64::from(*w)));
        assert!((deviation - WEIGHTS).abs() < 0.001, "{deviation}");
    }

    #[test]
    fn a_seed_is_a_run_of_adam() {
        let run = bf16_run("50x40x3,adam=1e-4,3");
        assert_eq!(run.len(), 4);
        assert!(run.iter().all(|weights| weights.len() == 2000));
        assert!(run == bf16_run("50x40x3,adam=1e-4,3"));
        let other = bf16_run("50x40x3,adam=1e-4,4");
        assert!(run.iter().zip(&other).all(|(a, b)| a != b));
        let slower = bf16_run("50x40x3,adam=1e-5,3");
        assert!(run[0] == slower[0] && run[1] != slower[1]);
        let deviation = deviation(run[0].iter().map(|w| widened(*w)));
        assert!((deviation - WEIGHTS).abs() < 0.001, "{deviation}");
    }

    /// As in fine-tuning: what is added to most weights is rounded away, and most of the others move
    /// by one unit in the last place.
    #[test]
    fn few_bf16_weights_change_at_a_step() {
        let run = bf16_run("200x200x12,adam=3e-6");
        for pair in run.windows(2) {
            let pairs = || pair[0].iter().zip(&pair[1]);
            let changed = pairs().filter(|(a, b)| a != b).count();
            assert!((800..5000).contains(&changed), "{changed}");
            let by_one = pairs().filter(|(a, b)| a.abs_diff(**b) == 1).count();
            assert!(by_one * 10 > changed * 8, "{by_one} of {changed}");
        }
    }

    #[test]
    fn weights_are_rounded_to_the_nearest_bf16() {
        let unit = 2f32.powi(-7);
        for (weight, rounded) in [
            (1.0, 1.0),
            (-0.0, -0.0),
            (1.0 + unit * 0.49, 1.0),
            (1.0 + unit * 0.5, 1.0),
            (1.0 + unit * 0.51, 1.0 + unit),
            (1.0 + unit * 1.5, 1.0 + unit * 2.0),
            (-1.0 - unit * 1.5, -1.0 - unit * 2.0),
            (-1.0 - unit * 2.5, -1.0 - unit * 2.0),
            (2.0 - unit * 0.25, 2.0),
            (f32::MAX, f32::INFINITY),
        ] {
            let bits = u32::from(to_bf16(weight)) << 16;
            assert_eq!(bits, f32::to_bits(rounded), "{weight}");
        }
    }
}
