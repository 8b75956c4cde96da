//! Weights that were read back, against the trained ones.

use ndarray::Array2;

/// Whether all weights are the same, NaN payloads and signs of zeros included.
pub fn same_bits(a: &Array2<f32>, b: &Array2<f32>) -> bool {
    a.dim() == b.dim() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// The largest distance of a weight from the trained one: infinite where one of the two is NaN and
/// the other one differs.
pub fn largest_error(found: &Array2<f32>, trained: &Array2<f32>) -> f64 {
    let pairs = found.iter().zip(trained);
    pairs
        .filter(|(found, trained)| found.to_bits() != trained.to_bits())
        .map(|(&found, &trained)| (f64::from(found) - f64::from(trained)).abs())
        .map(|error| if error.is_nan() { f64::INFINITY } else { error })
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn zeros_of_either_sign_are_equal_but_not_the_same() {
        assert!(same_bits(
            &array![[0.0, f32::NAN]],
            &array![[0.0, f32::NAN]]
        ));
        assert!(!same_bits(&array![[0.0]], &array![[-0.0]]));
        assert_eq!(largest_error(&array![[0.0]], &array![[-0.0]]), 0.0);
    }

    #[test]
    fn a_lost_nan_is_no_small_error() {
        let (found, trained) = (array![[1.0, 2.0]], array![[0.5, 2.25]]);
        assert_eq!(largest_error(&found, &trained), 0.5);
        assert_eq!(
            largest_error(&found, &array![[f32::NAN, 2.0]]),
            f64::INFINITY
        );
        let same = array![[f32::NAN]];
        assert_eq!(largest_error(&same, &same), 0.0);
    }
}
