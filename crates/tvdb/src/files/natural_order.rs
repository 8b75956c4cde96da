//! The order of names that people expect: `step_9` comes before `step_10`.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// Sorts paths by their file names.
pub(crate) fn sort(paths: &mut [PathBuf]) {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    paths.sort_by(|a, b| compare(&name(a), &name(b)).then_with(|| a.cmp(b)));
}

/// Compares runs of digits as numbers, and all else as text.
fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (digits_a, digits_b) = (digits(a), digits(b));
        if digits_a > 0 && digits_b > 0 {
            let (number_a, number_b) = (number(&a[..digits_a]), number(&b[..digits_b]));
            let order = number_a
                .len()
                .cmp(&number_b.len())
                .then_with(|| number_a.cmp(number_b));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[digits_a..], &b[digits_b..]);
        } else {
            match (a.split_first(), b.split_first()) {
                (Some((first_a, rest_a)), Some((first_b, rest_b))) if first_a == first_b => {
                    (a, b) = (rest_a, rest_b);
                }
                (first_a, first_b) => return first_a.cmp(&first_b),
            }
        }
    }
}

/// How many digits the text begins with.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The digits without the zeros before them; of any length.
fn number(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let sorted = [
            "a",
            "a1",
            "a2",
            "a10",
            "a10b2",
            "a10b10",
            "a100",
            "b",
            "b00000000000000000000009",
            "b10",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
            }
        }
        let mut paths = ["z/step_10", "z/step_9", "z/step_09"].map(PathBuf::from);
        sort(&mut paths);
        assert_eq!(
            paths,
            ["z/step_09", "z/step_9", "z/step_10"].map(PathBuf::from)
        );
    }
}
