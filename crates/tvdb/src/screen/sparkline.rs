//! A line of numbers as a line of text.

use std::ops::RangeInclusive;

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One bar for each value, from the lowest value to the highest; equal values are all low. Values
/// that are not finite leave a gap.
pub(crate) fn sparkline(values: &[f64]) -> String {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    bars(values, low, high)
}

/// One bar for each amount, from 0 to the highest. Where there are more than `width`, each bar is the
/// mean of as many as it takes.
pub(crate) fn of_amounts(amounts: &[f64], width: usize) -> String {
    let each = amounts.len().div_ceil(width.max(1)).max(1);
    let mean = |some: &[f64]| some.iter().sum::<f64>() / some.len() as f64;
    let means: Vec<f64> = amounts.chunks(each).map(mean).collect();
    let high = means.iter().copied().fold(0.0, f64::max);
    bars(&means, 0.0, high)
}

/// A weight's history, (step, weight after it), over a range of times: a bar for each time, or at
/// most `width`.
pub(crate) fn of_history(
    history: &[(usize, f32)],
    times: RangeInclusive<usize>,
    width: usize,
) -> String {
    let points = width.min((times.end() - times.start()).saturating_add(1));
    sparkline(&resample(history, times, points))
}

/// Where the line stands: its first time and its last one, below a line of `bars` bars.
pub(crate) fn scale(first: usize, last: usize, bars: usize) -> String {
    let (first, last) = (first.to_string(), last.to_string());
    match bars.checked_sub(first.len() + last.len()) {
        Some(gap) if gap > 0 => first + &" ".repeat(gap) + &last,
        _ if first == last => first,
        _ => format!("{first} to {last}"),
    }
}

fn bars(values: &[f64], low: f64, high: f64) -> String {
    let bar = |&value: &f64| {
        if !value.is_finite() {
            return ' ';
        }
        let height = (value - low) / (high - low).max(f64::MIN_POSITIVE);
        LEVELS[(height * (LEVELS.len() - 1) as f64).round() as usize]
    };
    values.iter().map(bar).collect()
}

/// The weight as of `points` times spread evenly over a range.
fn resample(history: &[(usize, f32)], times: RangeInclusive<usize>, points: usize) -> Vec<f64> {
    let (first, last) = times.into_inner();
    let span = (last - first) as u128;
    (0..points)
        .map(|point| {
            let after = point as u128 * span / (points - 1).max(1) as u128;
            let entries = history.partition_point(|&(at, _)| at <= first + after as usize);
            let entry = entries.checked_sub(1).map(|i| history[i].1);
            entry.map_or(0.0, f64::from)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowest_and_highest_span_the_bars() {
        let rising: Vec<f64> = (0..8).map(|level| f64::from(level) - 3.0).collect();
        assert_eq!(sparkline(&rising), "▁▂▃▄▅▆▇█");
        let widest = [f32::MAX, f32::MIN, 0.0].map(f64::from);
        assert_eq!(sparkline(&widest), "█▁▅");
    }

    #[test]
    fn nothing_to_span_is_drawn_low() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[2.0, 2.0]), "▁▁");
        assert_eq!(sparkline(&[1.0, f64::NAN, f64::INFINITY, 2.0]), "▁  █");
    }

    #[test]
    fn amounts_begin_at_zero_and_share_bars() {
        assert_eq!(of_amounts(&[7.0, 7.0, 0.0], 3), "██▁");
        assert_eq!(of_amounts(&[0.0, 14.0, 14.0, 0.0, 3.0], 3), "██▄");
        assert_eq!(of_amounts(&[0.0, 0.0], 9), "▁▁");
        assert_eq!(of_amounts(&[], 9), "");
    }

    #[test]
    fn between_two_changes_the_earlier_one_holds() {
        let history = [(0, 1.0), (3, 2.0), (4, 5.0)];
        assert_eq!(resample(&history, 0..=4, 5), [1.0, 1.0, 1.0, 2.0, 5.0]);
        assert_eq!(resample(&history, 0..=4, 3), [1.0, 1.0, 5.0]);
        assert_eq!(resample(&history, 2..=4, 3), [1.0, 2.0, 5.0]);
        assert_eq!(resample(&history, 0..=4, 1), [1.0]);
        assert_eq!(resample(&[], 0..=4, 2), [0.0, 0.0]);
        assert_eq!(of_history(&history, 0..=4, 80), "▁▁▁▃█");
        assert_eq!(of_history(&history, 4..=4, 80), "▁");
    }

    #[test]
    fn a_scale_stands_at_both_ends() {
        assert_eq!(scale(0, 300, 8), "0    300");
        assert_eq!(scale(0, 300, 4), "0 to 300");
        assert_eq!(scale(7, 7, 1), "7");
    }
}
