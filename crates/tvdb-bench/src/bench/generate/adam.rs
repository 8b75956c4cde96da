//! Training by Adam (Kingma and Ba 2015) on made-up gradients.

use rand::Rng;

use super::normal::normal;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Standard deviation of the weights' mean gradients: where each of them is bound for. Adam does not
/// mind their scale, as long as it is far above [`EPSILON`].
const MEANS: f64 = 1e-4;

/// Standard deviation of what a step's gradient differs from its mean by. It is large, as that of
/// small batches is, so that weights jitter more than they drift.
const NOISE: f64 = 10.0 * MEANS;

/// An optimizer, and the gradients that it is given.
pub(super) struct Adam {
    rate: f64,
    steps: i32,
    weights: Vec<Trained>,
}

/// What there is of each weight, beside itself.
struct Trained {
    mean_gradient: f32,
    first_moment: f32,
    second_moment: f32,
}

impl Adam {
    /// Bytes for each weight, beside itself.
    pub(super) const BYTES_PER_WEIGHT: usize = size_of::<Trained>();

    /// For so many weights, none of which has been trained yet.
    pub(super) fn new(rate: f64, weights: usize, random: &mut impl Rng) -> Self {
        let untrained = |_| Trained {
            mean_gradient: (normal(random) * MEANS) as f32,
            first_moment: 0.0,
            second_moment: 0.0,
        };
        Adam {
            rate,
            steps: 0,
            weights: (0..weights).map(untrained).collect(),
        }
    }

    /// One step.
    pub(super) fn step(&mut self, weights: &mut [f32], random: &mut impl Rng) {
        self.steps += 1;
        // The moments begin at zero, and are too small for it at first.
        let [first, second] = [BETA1, BETA2].map(|beta| 1.0 - beta.powi(self.steps));
        for (weight, trained) in weights.iter_mut().zip(&mut self.weights) {
            let gradient = f64::from(trained.mean_gradient) + normal(random) * NOISE;
            let average = |beta: f64, moment: &mut f32, value: f64| {
                let new = beta * f64::from(*moment) + (1.0 - beta) * value;
                *moment = new as f32;
                new
            };
            let mean = average(BETA1, &mut trained.first_moment, gradient) / first;
            let square = average(BETA2, &mut trained.second_moment, gradient * gradient) / second;
            *weight -= (self.rate * mean / (square.sqrt() + EPSILON)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The weights' root mean square after each step, all of them being 0 at first, in steps of the
    /// learning rate.
    fn distances(steps: usize) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut weights = vec![0f32; 1000];
        let mut adam = Adam::new(1e-3, weights.len(), &mut random);
        let distance = |_| {
            adam.step(&mut weights, &mut random);
            let squares = weights.iter().map(|w| (f64::from(*w) / 1e-3).powi(2));
            (squares.sum::<f64>() / 1e3).sqrt()
        };
        (0..steps).map(distance).collect()
    }

    #[test]
    fn the_first_step_is_as_long_as_the_learning_rate() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut weights = vec![0f32; 1000];
        Adam::new(1e-3, weights.len(), &mut random).step(&mut weights, &mut random);
        for weight in weights {
            // Shorter where the gradient is so small that epsilon shows.
            assert!((0.95e-3..1.001e-3).contains(&weight.abs()), "{weight}");
        }
    }

    #[test]
    fn weights_jitter_at_first_and_drift_in_the_long_run() {
        let distances = distances(400);
        // Four times as many steps lead twice as far where all is noise, and four times where nothing
        // is.
        let growth = |from: usize| distances[4 * from - 1] / distances[from - 1];
        assert!((1.2..2.5).contains(&growth(5)), "{}", growth(5));
        assert!((2.5..4.0).contains(&growth(100)), "{}", growth(100));
    }
}
