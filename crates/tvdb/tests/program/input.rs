//! Checkpoints to record, as the safetensors library writes them.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};

/// A model that changes from step to step, the same way in each run of the tests.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) tensors: Vec<Input>,
    pub(super) metadata: Vec<(&'static str, &'static str)>,
    random: u64,
}

#[derive(Clone)]
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<u8>,
}

impl Model {
    /// One whose elements are any bits: NaN payloads, infinities and -0.0 among them.
    pub(super) fn of_any_bits(tensors: &[(&'static str, Dtype, &[usize])]) -> Self {
        let mut model = Model {
            tensors: Vec::new(),
            metadata: vec![("format", "pt")],
            random: 1,
        };
        for &(name, dtype, shape) in tensors {
            let length = shape.iter().product::<usize>() * dtype.bitsize() / 8;
            let data = (0..length).map(|_| model.byte(dtype)).collect();
            model.tensors.push(Input {
                name,
                dtype,
                shape: shape.to_vec(),
                data,
            });
        }
        model
    }

    /// One of weights between -1 and 1.
    pub(super) fn of_weights(tensors: &[(&'static str, &[usize])]) -> Self {
        let tensors: Vec<_> = tensors
            .iter()
            .map(|(name, shape)| (*name, Dtype::F32, *shape))
            .collect();
        let mut model = Model::of_any_bits(&tensors);
        for at in 0..model.tensors.len() {
            let weights = model.tensors[at].weights().len();
            let weights: Vec<f32> = (0..weights).map(|_| model.unit()).collect();
            model.tensors[at].set_weights(&weights);
        }
        model
    }

    /// One matrix of bf16 weights between -1 and 1.
    pub(super) fn of_bf16_weights(name: &'static str, shape: [usize; 2]) -> Self {
        let mut model = Model::of_any_bits(&[(name, Dtype::BF16, &shape)]);
        for at in (0..2 * shape[0] * shape[1]).step_by(2) {
            let wide = model.unit().to_le_bytes();
            model.tensors[0].data[at..at + 2].copy_from_slice(&wide[2..]);
        }
        model
    }

    /// Bf16 weights move by one unit in the last place; those that have, back. Small ones, whose
    /// units are small, do so at every other step, others hardly ever.
    pub(super) fn jitter(&mut self) {
        for at in (0..self.tensors[0].data.len()).step_by(2) {
            let weight = &self.tensors[0].data[at..at + 2];
            let size = f32::from_le_bytes([0, 0, weight[0], weight[1]]).abs();
            if self
                .next()
                .is_multiple_of(if size < 0.125 { 2 } else { 64 })
            {
                self.tensors[0].data[at] ^= 1;
            }
        }
    }

    /// A tenth of all bytes get any other value.
    pub(super) fn scramble(&mut self) {
        for at in 0..self.tensors.len() {
            for byte in 0..self.tensors[at].data.len() {
                if self.next().is_multiple_of(10) {
                    self.tensors[at].data[byte] = self.byte(self.tensors[at].dtype);
                }
            }
        }
    }

    /// A third of the weights moves a little.
    pub(super) fn train(&mut self) {
        for at in 0..self.tensors.len() {
            let mut weights = self.tensors[at].weights();
            for weight in &mut weights {
                if self.next().is_multiple_of(3) {
                    *weight += 0.02 * self.unit();
                }
            }
            self.tensors[at].set_weights(&weights);
        }
    }

    /// The model as a file.
    pub(super) fn file(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|tensor| {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.data).unwrap();
            (tensor.name, view)
        });
        let metadata: HashMap<_, _> = self
            .metadata
            .iter()
            .map(|&(key, text)| (key.to_owned(), text.to_owned()))
            .collect();
        safetensors::serialize(views, (!metadata.is_empty()).then_some(metadata)).unwrap()
    }

    fn next(&mut self) -> u64 {
        // Knuth's MMIX generator, whose upper bits are good enough.
        self.random = self
            .random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        self.random >> 33
    }

    fn unit(&mut self) -> f32 {
        (self.next() % 20001) as f32 / 1e4 - 1.0
    }

    fn byte(&mut self, dtype: Dtype) -> u8 {
        match dtype {
            Dtype::BOOL => (self.next() % 2) as u8,
            // Often enough that whole exponents are full.
            _ if self.next().is_multiple_of(4) => 0xff,
            _ => self.next() as u8,
        }
    }
}

impl Input {
    pub(super) fn weights(&self) -> Vec<f32> {
        let weight = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        self.data.chunks_exact(4).map(weight).collect()
    }

    fn set_weights(&mut self, weights: &[f32]) {
        self.data = weights
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect();
    }
}

/// The weights of one tensor of a file.
pub(super) fn weights_in(file: &[u8], name: &str) -> Vec<f32> {
    let tensors = safetensors::SafeTensors::deserialize(file).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    let weight = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    tensor.data().chunks_exact(4).map(weight).collect()
}
