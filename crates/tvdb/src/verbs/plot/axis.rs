//! Numbers along an axis.

use std::ops::Range;

/// Where there are so few steps each one is marked.
pub(super) const FEW: usize = 40;

/// Steps as they are written at an axis: whole numbers alone.
pub(super) fn step(at: &f64) -> String {
    if (at - at.round()).abs() < 1e-6 {
        format!("{}", at.round())
    } else {
        String::new()
    }
}

/// The range of an axis of whole numbers, a little wider where it would have no width.
pub(super) fn of_steps(first: usize, last: usize) -> Range<f64> {
    if first == last {
        return first as f64 - 1.0..last as f64 + 1.0;
    }
    first as f64..last as f64
}

/// How many ticks a range of whole numbers has room for: no more than there are numbers.
pub(super) fn ticks(range: &Range<f64>) -> usize {
    ((range.end - range.start).abs() + 1.0).clamp(2.0, 10.0) as usize
}

/// A number of an axis that spans `span`: as many digits as its ticks need to differ.
pub(super) fn number(value: f64, span: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let largest = value.abs().max(span);
    if !(1e-4..1e6).contains(&largest) {
        return format!("{value:.2e}");
    }
    let digits = (2.0 - span.log10()).ceil().clamp(0.0, 9.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_their_axis_needs() {
        for (value, span, text) in [
            (0.0, 1.0, "0"),
            (12.5, 100.0, "12"),
            (0.25, 1.0, "0.25"),
            (0.0123, 0.01, "0.0123"),
            (2.5e-7, 1e-6, "2.50e-7"),
            (3e9, 1e9, "3.00e9"),
        ] {
            assert_eq!(number(value, span), text);
        }
    }

    #[test]
    fn steps_are_whole_numbers() {
        assert_eq!((step(&3.0), step(&3.5)), ("3".to_owned(), String::new()));
        assert_eq!(of_steps(4, 4), 3.0..5.0);
        assert_eq!(ticks(&of_steps(0, 3)), 4);
        assert_eq!(ticks(&of_steps(0, 300)), 10);
    }
}
