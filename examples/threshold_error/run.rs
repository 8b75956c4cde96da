//! The training run that is recorded.

use ndarray::Array2;
use temporal_vdb::{Checkpoint, Dtype, Tensor};
use tvdb_bench::training::{Digits, STEPS, Training};

/// The network after each step, the untrained one first.
pub struct Run {
    states: Vec<Vec<Array2<f32>>>,
    /// Test accuracy of each state, 0..=1.
    pub accuracies: Vec<f64>,
}

impl Run {
    /// Trains the network of `tvdb demo`, and keeps all of its states.
    pub fn train(digits: &Digits) -> Self {
        let mut training = Training::begin(digits);
        let mut run = Run {
            states: Vec::with_capacity(STEPS + 1),
            accuracies: Vec::with_capacity(STEPS + 1),
        };
        for step in 0..=STEPS {
            if step > 0 {
                training.step();
            }
            run.states.push(training.network.layers().to_vec());
            run.accuracies.push(training.network.accuracy(&digits.test));
        }
        run
    }

    /// The weight matrices after a step.
    pub fn state(&self, step: usize) -> &[Array2<f32>] {
        &self.states[step]
    }

    /// The weight matrices after a step, as a store takes them.
    pub fn checkpoint(&self, step: usize) -> Checkpoint {
        let tensor = |(i, matrix): (usize, &Array2<f32>)| Tensor {
            name: format!("layer{}", i + 1),
            dtype: Dtype::F32,
            shape: matrix.shape().to_vec(),
            data: matrix.iter().flat_map(|w| w.to_le_bytes()).collect(),
        };
        Checkpoint {
            tensors: self.state(step).iter().enumerate().map(tensor).collect(),
            ..Checkpoint::default()
        }
    }

    /// How many weights the network has.
    pub fn weights(&self) -> usize {
        self.state(0).iter().map(Array2::len).sum()
    }
}
