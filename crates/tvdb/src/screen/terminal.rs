//! What fits on the screen.

use std::env;

/// Columns where nothing says otherwise.
const WIDTH: usize = 80;

/// Less cannot be laid out in columns.
const NARROWEST: usize = 32;

/// Columns of a label and the space after it.
const LABEL: usize = 8;

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
    let chars = printable(text);
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

/// `text` in at most `width` columns, by leaving out its end, and without what would steer a terminal.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let mut chars = printable(text);
    if chars.len() > width {
        chars.truncate(width.saturating_sub(1));
        chars.push('…');
    }
    chars.into_iter().collect()
}

/// A label and what there is to say, in lines of at most `width` columns, as far as words are no
/// longer; later lines begin below the first one's words.
pub(crate) fn labelled(label: &str, text: &str, width: usize) -> String {
    let mut lines = Vec::<String>::new();
    for word in text.split_whitespace() {
        let word = cut(word, usize::MAX);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => {
                let label = if lines.is_empty() { label } else { "" };
                lines.push(format!("{label:<LABEL$}{word}"));
            }
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn printable(text: &str) -> Vec<char> {
    let printable = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(printable).collect()
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

    #[test]
    fn the_end_is_left_out() {
        assert_eq!(cut("loss=0.25", 9), "loss=0.25");
        assert_eq!(cut("loss=0.25", 6), "loss=…");
        assert_eq!(cut("a\nb", 1), "…");
        assert_eq!(cut("a\nb", 3), "a\u{fffd}b");
    }

    #[test]
    fn words_stand_beside_their_label() {
        let text = labelled("goes", "3 steps: 0 to 2, 17", 20);
        assert_eq!(text, "goes    3 steps: 0\n        to 2, 17\n");
        assert_eq!(labelled("tags", "a\u{1b}[2J", 9), "tags    a\u{fffd}[2J\n");
    }
}
