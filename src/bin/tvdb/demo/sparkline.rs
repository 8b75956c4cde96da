//! A line of numbers as a line of text.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One bar for each value, from the lowest value to the highest; equal values are all low. Values
/// that are not finite leave a gap.
pub(super) fn sparkline(values: &[f32]) -> String {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    // In f64 the span of two finite f32 is finite.
    let low = finite().map(f64::from).fold(f64::INFINITY, f64::min);
    let high = finite().map(f64::from).fold(f64::NEG_INFINITY, f64::max);
    let bar = |&value: &f32| {
        if !value.is_finite() {
            return ' ';
        }
        let height = (f64::from(value) - low) / (high - low).max(f64::MIN_POSITIVE);
        LEVELS[(height * (LEVELS.len() - 1) as f64).round() as usize]
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowest_and_highest_span_the_bars() {
        let rising: Vec<f32> = (0..8).map(|level| level as f32 - 3.0).collect();
        assert_eq!(sparkline(&rising), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[f32::MAX, f32::MIN, 0.0]), "█▁▅");
    }

    #[test]
    fn nothing_to_span_is_drawn_low() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[2.0, 2.0]), "▁▁");
        assert_eq!(sparkline(&[1.0, f32::NAN, f32::INFINITY, 2.0]), "▁  █");
    }
}
