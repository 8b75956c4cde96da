//! Lists of steps as text: `1-300,305`.

use crate::limits::MAX_STEP;

/// The most steps that a file may list.
pub(super) const MOST_STEPS: u64 = 1 << 24;

/// The steps as text.
pub(crate) fn to_text(steps: &[i32]) -> String {
    let mut text = String::new();
    for run in steps.chunk_by(|a, b| a + 1 == *b) {
        if !text.is_empty() {
            text.push(',');
        }
        text += &run[0].to_string();
        if let [_, .., last] = run {
            text += &format!("-{last}");
        }
    }
    text
}

/// The steps of a text, ascending after `oldest`. What is wrong is said where they are not, and they
/// are counted before they are listed.
pub(super) fn from_text(text: &str, oldest: i32) -> Result<Vec<i32>, String> {
    let mut runs = Vec::new();
    let (mut before, mut count) = (oldest as u64, 0);
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Some(first), Some(last)) = (label(first), label(last)) else {
            return Err(format!(
                "the list of steps '{}' cannot be read",
                shortened(text)
            ));
        };
        if first <= before || last < first {
            return Err(format!(
                "the list of steps '{}' does not ascend from the base's label {oldest}",
                shortened(text)
            ));
        }
        if last > MAX_STEP as u64 {
            return Err(format!(
                "it has step {last}, and steps end at {MAX_STEP} here: read it with a newer version"
            ));
        }
        before = last;
        count += last - first + 1;
        if count > MOST_STEPS {
            return Err(format!(
                "the list of steps '{}' names more than {MOST_STEPS} steps, which is the most that is read",
                shortened(text)
            ));
        }
        runs.push((first, last));
    }
    let mut steps = Vec::with_capacity(count as usize);
    for (first, last) in runs {
        steps.extend((first..=last).map(|step| step as i32));
    }
    Ok(steps)
}

/// A number of digits alone.
pub(super) fn label(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn shortened(text: &str) -> String {
    let start: String = text.chars().take(60).collect();
    let dots = if start.len() < text.len() { "..." } else { "" };
    format!("{}{dots}", start.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back() {
        let last = MAX_STEP as i32;
        for (steps, text) in [
            (vec![], ""),
            (vec![1], "1"),
            (vec![1, 2], "1-2"),
            (vec![1, 3], "1,3"),
            (vec![1, 2, 3, 5, 7, 8], "1-3,5,7-8"),
            (vec![last - 1, last], "2147483645-2147483646"),
        ] {
            assert_eq!(to_text(&steps), text);
            assert_eq!(from_text(text, 0), Ok(steps));
        }
        assert_eq!(from_text("7-9", 6), Ok(vec![7, 8, 9]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "x",
            "3;5",
            "3,,5",
            ",3,5",
            "3-",
            "3-5-7",
            "-3,5",
            "3 5",
            "3.5",
            "0x3,5",
            "+3",
            " 3",
            "99999999999999999999999",
        ] {
            let why = from_text(text, 0).unwrap_err();
            assert!(why.contains("cannot be read"), "{text}: {why}");
        }
        for text in ["5,3", "3,3", "5-3", "1-5", "0,5", "2"] {
            let why = from_text(text, 2).unwrap_err();
            assert!(why.contains("does not ascend"), "{text}: {why}");
        }
        let why = from_text("3,2147483647", 0).unwrap_err();
        assert!(why.contains("step 2147483647"), "{why}");
    }

    /// Ten kilobytes once took four gigabytes: each step of the list was made before any was counted.
    #[test]
    fn steps_are_counted_before_they_are_listed() {
        let why = from_text("1-2147483645", 0).unwrap_err();
        assert!(why.contains("more than 16777216 steps"), "{why}");
        assert_eq!(from_text("1-16777216", 0).unwrap().len(), 1 << 24);
    }
}
