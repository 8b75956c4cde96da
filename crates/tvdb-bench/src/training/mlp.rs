//! The network that is trained: a multi-layer perceptron whose weights are whole matrices.

use anyhow::{Result, ensure};
use ndarray::{Array2, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::digits::Images;

/// Fully connected layers with ReLU between them, softmax at the end, trained by gradient descent.
///
/// A layer is one matrix of shape outputs x (inputs + 1). Its last column is the bias: every input
/// is extended by a constant 1. So the matrices alone are the whole network.
pub struct Mlp {
    layers: Vec<Array2<f32>>,
}

impl Mlp {
    /// An untrained network. `widths` counts the values between layers, from the pixels of an image
    /// to the classes: `[64, 256, 10]` makes two layers, 256 x 65 and 10 x 257. The same `seed`
    /// gives the same weights.
    pub fn new(widths: &[usize], seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let layers = widths
            .windows(2)
            .map(|pair| {
                let (inputs, outputs) = (pair[0], pair[1]);
                // He et al. 2015: keeps the variance of the signal through a ReLU.
                let bound = (6.0 / inputs as f32).sqrt();
                let mut layer = Array2::zeros((outputs, inputs + 1));
                for weight in layer.slice_mut(s![.., ..inputs]) {
                    *weight = random.random_range(-bound..bound);
                }
                layer
            })
            .collect();
        Self { layers }
    }

    /// A network from matrices that [`layers`](Self::layers) gave, in any memory order. It is bit
    /// for bit the same one.
    ///
    /// # Errors
    ///
    /// If there is no layer, or one does not take as many inputs as the one before has outputs.
    pub fn from_layers(layers: Vec<Array2<f32>>) -> Result<Self> {
        ensure!(!layers.is_empty(), "a network needs at least one layer");
        for (index, pair) in layers.windows(2).enumerate() {
            let (outputs, columns) = (pair[0].nrows(), pair[1].ncols());
            ensure!(
                columns == outputs + 1,
                "layer {} has {columns} columns, but layer {index} has {outputs} outputs",
                index + 1
            );
        }
        let row_major = |layer: &Array2<f32>| layer.as_standard_layout().into_owned();
        let layers = layers.iter().map(row_major).collect();
        Ok(Self { layers })
    }

    /// The weights of each layer, outputs x (inputs + 1), contiguous in row-major order.
    pub fn layers(&self) -> &[Array2<f32>] {
        &self.layers
    }

    /// Moves the weights by `-rate` times the gradient of the mean cross entropy over `batch`, and
    /// returns that mean (in nats, from before the move).
    ///
    /// # Panics
    ///
    /// If the images do not fit the first layer or a label the last one.
    pub fn step(&mut self, batch: &Images, rate: f32) -> f32 {
        let (loss, gradients) = self.gradients(batch);
        for (layer, gradient) in self.layers.iter_mut().zip(&gradients) {
            layer.scaled_add(-rate, gradient);
        }
        loss
    }

    /// The share of `images` whose most likely class is their label, 0..=1.
    ///
    /// # Panics
    ///
    /// If the images do not fit the first layer.
    pub fn accuracy(&self, images: &Images) -> f64 {
        let (_, scores) = self.forward(&images.pixels);
        let rows = scores.rows().into_iter().zip(&images.labels);
        let hits = rows.filter(|&(ref row, &label)| {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.is_some_and(|(class, _)| class == usize::from(label))
        });
        hits.count() as f64 / images.labels.len() as f64
    }

    /// The extended input of each layer and the scores before softmax, all with one row per image.
    fn forward(&self, pixels: &Array2<f32>) -> (Vec<Array2<f32>>, Array2<f32>) {
        let mut inputs = Vec::with_capacity(self.layers.len());
        let mut signal = pixels.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                signal.mapv_inplace(|value| value.max(0.0));
            }
            let input = extend(&signal);
            signal = input.dot(&layer.t());
            inputs.push(input);
        }
        (inputs, signal)
    }

    /// The mean cross entropy over `batch` and its gradient by each layer, shaped like the layer.
    fn gradients(&self, batch: &Images) -> (f32, Vec<Array2<f32>>) {
        let (inputs, scores) = self.forward(&batch.pixels);
        let (loss, mut error) = cross_entropy(scores, &batch.labels);
        let mut gradients = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate().rev() {
            gradients.push(error.t().dot(&inputs[index]));
            if index > 0 {
                // Nothing stands behind the constant 1, so the bias column passes no error on.
                error = error.dot(&layer.slice(s![.., ..-1]));
                // A value that ReLU cut to 0 has no slope.
                let signal = inputs[index].slice(s![.., ..-1]);
                error.zip_mut_with(&signal, |slope, &value| *slope *= f32::from(value > 0.0));
            }
        }
        gradients.reverse();
        (loss, gradients)
    }
}

/// Appends the constant 1 that the bias is multiplied by.
fn extend(values: &Array2<f32>) -> Array2<f32> {
    let mut extended = Array2::ones((values.nrows(), values.ncols() + 1));
    extended.slice_mut(s![.., ..-1]).assign(values);
    extended
}

/// The mean of `-ln softmax(score)[label]`, and its gradient by the scores.
fn cross_entropy(mut scores: Array2<f32>, labels: &[u8]) -> (f32, Array2<f32>) {
    let count = labels.len() as f32;
    let mut loss = 0.0;
    for (mut row, &label) in scores.rows_mut().into_iter().zip(labels) {
        let label = usize::from(label);
        // Softmax does not change when all scores move alike, and this way `exp` cannot overflow.
        let largest = row.fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        row -= largest;
        let score = row[label];
        row.mapv_inplace(f32::exp);
        let sum = row.sum();
        loss += sum.ln() - score;
        row /= sum;
        row[label] -= 1.0;
        row /= count;
    }
    (loss / count, scores)
}

#[cfg(test)]
mod tests {
    use super::super::digits::{CLASSES, Digits, PIXELS};
    use super::*;

    const WIDTHS: [usize; 4] = [PIXELS, 256, 256, CLASSES];

    fn trained(digits: &Digits, steps: usize) -> Mlp {
        let mut mlp = Mlp::new(&WIDTHS, 1);
        for batch in digits.train.batches(32, 2).take(steps) {
            mlp.step(&batch, 0.1);
        }
        mlp
    }

    fn is_row_major(mlp: &Mlp) -> bool {
        mlp.layers().iter().all(|layer| layer.as_slice().is_some())
    }

    #[test]
    fn layers_are_row_major_matrices_with_a_bias_column() {
        let mlp = Mlp::new(&WIDTHS, 1);
        let shapes: Vec<_> = mlp.layers().iter().map(|layer| layer.dim()).collect();
        assert_eq!(shapes, [(256, 65), (256, 257), (10, 257)]);
        assert!(is_row_major(&mlp));
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let batch = Images {
            pixels: Array2::from_shape_fn((6, 5), |_| random.random_range(0.0..1.0)),
            labels: vec![0, 1, 2, 0, 1, 2],
        };
        let mut mlp = Mlp::new(&[5, 7, 6, 3], 4);
        let (_, gradients) = mlp.gradients(&batch);
        let nudge = 1e-3;
        for (index, gradient) in gradients.iter().enumerate() {
            assert_eq!(gradient.dim(), mlp.layers[index].dim());
            for (place, &slope) in gradient.indexed_iter() {
                let weight = mlp.layers[index][place];
                let mut loss_at = |weight| {
                    mlp.layers[index][place] = weight;
                    mlp.gradients(&batch).0
                };
                let measured = (loss_at(weight + nudge) - loss_at(weight - nudge)) / (2.0 * nudge);
                loss_at(weight);
                assert!(
                    (measured - slope).abs() < 1e-3,
                    "layer {index} {place:?}: {measured} measured, {slope} computed"
                );
            }
        }
    }

    #[test]
    fn learns_the_digits_and_is_rebuilt_from_its_layers() {
        let digits = Digits::load().unwrap();
        let mlp = trained(&digits, 300);
        let accuracy = mlp.accuracy(&digits.test);
        assert!(accuracy >= 0.93, "{accuracy}");

        let column_major = |layer: &Array2<f32>| {
            let transposed = layer.t().as_standard_layout().into_owned();
            transposed.reversed_axes()
        };
        let rebuilt = Mlp::from_layers(mlp.layers().iter().map(column_major).collect()).unwrap();
        assert_eq!(rebuilt.layers(), mlp.layers());
        assert!(is_row_major(&rebuilt));
        assert_eq!(rebuilt.accuracy(&digits.test), accuracy);
    }

    #[test]
    fn training_repeats_bit_for_bit() {
        let digits = Digits::load().unwrap();
        let bits = || -> Vec<u32> {
            let mlp = trained(&digits, 20);
            let weights = mlp.layers().iter().flatten();
            weights.map(|weight| weight.to_bits()).collect()
        };
        assert_eq!(bits(), bits());
        assert_ne!(Mlp::new(&WIDTHS, 1).layers(), Mlp::new(&WIDTHS, 2).layers());
    }

    #[test]
    fn layers_that_do_not_fit_are_rejected() {
        assert!(Mlp::from_layers(vec![]).is_err());
        let layers = vec![Array2::zeros((256, 65)), Array2::zeros((10, 256))];
        let error = Mlp::from_layers(layers).err().unwrap();
        let expected = "layer 1 has 256 columns, but layer 0 has 256 outputs";
        assert_eq!(error.to_string(), expected);
    }
}
