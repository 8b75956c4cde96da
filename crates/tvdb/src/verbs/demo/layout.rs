//! Numbers and paragraphs as a narrow terminal shows them.

use std::path::Path;

/// Columns that a line of the report takes at most, file names aside.
pub(super) const WIDTH: usize = 60;

/// `text` in lines of at most [`WIDTH`] columns, indented by two. Longer words are left whole.
pub(super) fn paragraph(text: &str) -> String {
    const INDENT: &str = "  ";
    let mut lines = Vec::<String>::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{INDENT}{word}")),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Bytes in millions.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A share of 0..=1.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_stay_within_the_width() {
        let text = paragraph(&"one two three four ".repeat(20));
        assert!(text.lines().all(|line| line.starts_with("  o")
            || line.starts_with("  t")
            || line.starts_with("  f")));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.split_whitespace().count(), 80);
        let long = "x".repeat(WIDTH);
        assert_eq!(paragraph(&format!("a {long}")), format!("  a\n  {long}\n"));
    }

    #[test]
    fn paths_survive_a_shell() {
        assert_eq!(quoted(Path::new("a/b-1.vdb")), "a/b-1.vdb");
        assert_eq!(quoted(Path::new("my run")), "'my run'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
