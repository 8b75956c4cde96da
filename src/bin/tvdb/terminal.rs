//! What fits on the screen.

use std::env;

/// Columns where nothing says otherwise.
const WIDTH: usize = 80;

/// Less cannot be laid out in columns.
const NARROWEST: usize = 32;

/// How many columns a line may take: as many as `COLUMNS` says.
pub(crate) fn width() -> usize {
    let columns = env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.trim().parse().ok());
    columns
        .filter(|&columns| columns > 0)
        .unwrap_or(WIDTH)
        .max(NARROWEST)
}

/// `text` in at most `width` columns, by leaving out its middle, and without what would steer a
/// terminal: names come from files.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    let chars: Vec<char> = text
        .chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect();
    if chars.len() <= width {
        return chars.into_iter().collect();
    }
    let kept = width.saturating_sub(1);
    let (start, end) = (kept / 2, kept - kept / 2);
    let start = chars[..start].iter();
    start
        .chain(&['…'])
        .chain(&chars[chars.len() - end..])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_left_out() {
        assert_eq!(shortened("layers.10.weight", 16), "layers.10.weight");
        assert_eq!(shortened("layers.10.weight", 9), "laye…ight");
        assert_eq!(shortened("layers.10.weight", 8), "lay…ight");
        assert_eq!(shortened("äöü", 2), "…ü");
        assert_eq!(shortened("a\u{1b}[2J", 9), "a\u{fffd}[2J");
    }
}
