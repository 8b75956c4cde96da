//! Numbers as people read them.

use serde_json::Value;

/// 85002 as `85,002`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the unit that leaves one to three digits before the point: `3.1 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "";
    for larger in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        value /= 1000.0;
        unit = larger;
        // 999.95 would be written as 1000.0.
        if value < 999.95 {
            break;
        }
    }
    format!("{value:.1} {unit}")
}

/// A number and its noun: `1 step`, `2,000 steps`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A weight in as few digits as tell it from all other f32.
pub(crate) fn weight(weight: f32) -> String {
    if weight == 0.0 || !weight.is_finite() || (1e-5..1e9).contains(&weight.abs()) {
        weight.to_string()
    } else {
        format!("{weight:e}")
    }
}

/// A length in four digits.
pub(crate) fn length(length: f64) -> String {
    if length == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{length:.3e}");
    // Rounding can have made it longer: 9.9999 is 10.00.
    let exponent = scientific.rsplit('e').next().and_then(|e| e.parse().ok());
    match exponent {
        Some(exponent @ -4..=6) => format!("{length:.*}", (3 - exponent).max(0) as usize),
        _ => scientific,
    }
}

/// A share in percent: `12.3 %`.
pub(crate) fn share(part: u64, all: u64) -> String {
    let percent = 100.0 * part as f64 / all.max(1) as f64;
    match percent {
        // Neither 0.0 for some, nor 100.0 for not all.
        percent if part > 0 && percent < 0.05 => "< 0.1 %".to_owned(),
        percent if part < all && percent >= 99.95 => "> 99.9 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

/// A number for programs; JSON has no other way to say that it is not finite.
pub(crate) fn to_json(number: f64) -> Value {
    if number.is_finite() {
        number.into()
    } else {
        number.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_the_digits_they_need() {
        for (number, text) in [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (f32::NAN, "NaN"),
            (f32::NEG_INFINITY, "-inf"),
            (0.010_986_328, "0.010986328"),
            (1.5e-9, "1.5e-9"),
            (-3e20, "-3e20"),
        ] {
            assert_eq!(weight(number), text);
        }
    }

    #[test]
    fn lengths_have_four_digits() {
        for (number, text) in [
            (0.0, "0"),
            (0.123_456, "0.1235"),
            (9.999_96, "10.00"),
            (12_345.6, "12346"),
            (-0.000_5, "-0.0005000"),
            (1.5e-9, "1.500e-9"),
            (3e20, "3.000e20"),
        ] {
            assert_eq!(length(number), text);
        }
    }

    #[test]
    fn shares_are_not_rounded_to_none_or_all() {
        for (part, all, text) in [
            (0, 0, "0.0 %"),
            (0, 9, "0.0 %"),
            (1, 3, "33.3 %"),
            (1, 10_000, "< 0.1 %"),
            (9_999, 10_000, "> 99.9 %"),
            (9, 9, "100.0 %"),
        ] {
            assert_eq!(share(part, all), text);
        }
    }

    #[test]
    fn digits_come_in_threes() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(counted(1, "step"), "1 step");
        assert_eq!(counted(2000, "step"), "2,000 steps");
        assert_eq!(counted(0, "step"), "0 steps");
    }

    #[test]
    fn bytes_have_a_fitting_unit() {
        for (number, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (3_146_912, "3.1 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
