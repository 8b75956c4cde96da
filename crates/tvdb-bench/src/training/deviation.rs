//! How far weights are spread, which thresholds are relative to.

/// The standard deviation of all there is, not of a sample of it.
pub fn standard_deviation(values: &[f32]) -> f64 {
    let count = values.len() as f64;
    let values = || values.iter().map(|&value| f64::from(value));
    let mean = values().sum::<f64>() / count;
    (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_deviation_of_a_few_values() {
        assert_eq!(standard_deviation(&[3.0, 3.0]), 0.0);
        assert_eq!(standard_deviation(&[1.0, -1.0, 1.0, -1.0]), 1.0);
    }
}
