use std::f64::consts::TAU;

use rand::{Rng, RngExt};

/// One normally distributed number of mean 0 and standard deviation 1 (Box and Muller 1958).
pub(super) fn normal(random: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (TAU * random.random::<f64>()).cos()
}
