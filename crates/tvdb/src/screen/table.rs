//! Columns that fit a terminal.

use crate::screen::terminal::{cut, shortened};

/// Columns between columns.
const GAP: usize = 2;

/// The column that is shortened is not made narrower than this while others can be left out.
const NARROWEST: usize = 12;

/// A column of a table.
pub(crate) struct Column {
    pub(crate) heading: &'static str,
    pub(crate) cells: Vec<String>,
    /// When the terminal is narrow, the columns with the highest number are left out first; those
    /// with 0 stay.
    pub(crate) rank: u8,
    pub(crate) fit: Fit,
}

/// Where cells stand, and what becomes of those that are too long. One column of a table can be
/// made narrower.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Left,
    Right,
    /// On the left; shortened in the middle.
    Name,
    /// On the left; cut off, and left out where there is none.
    Text,
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.chars().count());
        cells
            .chain([self.heading.chars().count()])
            .max()
            .unwrap_or(0)
    }

    fn is_empty(&self) -> bool {
        self.fit == Fit::Text && self.cells.iter().all(String::is_empty)
    }

    fn is_flexible(&self) -> bool {
        matches!(self.fit, Fit::Name | Fit::Text)
    }

    /// Without what would steer a terminal, and no wider than `room` where it can be narrower.
    fn fit_into(&mut self, room: usize) {
        let most = if self.is_flexible() { room } else { usize::MAX };
        for cell in &mut self.cells {
            *cell = match self.fit {
                Fit::Text => cut(cell, most),
                _ => shortened(cell, most),
            };
        }
    }
}

/// Lines of at most `width` columns, as far as leaving columns out and making one narrower does it.
pub(crate) fn render(mut columns: Vec<Column>, width: usize) -> String {
    columns.retain(|column| !column.is_empty());
    let room = loop {
        let gaps = GAP * columns.len().saturating_sub(1);
        let fixed = columns.iter().filter(|column| !column.is_flexible());
        let taken = gaps + fixed.map(Column::width).sum::<usize>();
        let flexible = columns.iter().filter(|column| column.is_flexible());
        let least: usize = flexible.map(|column| column.width().min(NARROWEST)).sum();
        let rank = columns.iter().map(|column| column.rank).max().unwrap_or(0);
        if taken + least <= width || rank == 0 {
            break width.saturating_sub(taken).max(1);
        }
        columns.retain(|column| column.rank != rank);
    };
    for column in &mut columns {
        column.fit_into(room);
    }
    let widths: Vec<usize> = columns.iter().map(Column::width).collect();
    let rows = columns.iter().map(|column| column.cells.len()).max();
    let mut text = String::new();
    for row in 0..=rows.unwrap_or(0) {
        let mut line = String::new();
        for (place, (column, own)) in columns.iter().zip(&widths).enumerate() {
            // Row 0 is the heading.
            let cell = match row.checked_sub(1) {
                Some(row) => column.cells.get(row).map_or("", String::as_str),
                None => column.heading,
            };
            if place > 0 {
                line += &" ".repeat(GAP);
            }
            line += &match column.fit {
                Fit::Right => format!("{cell:>own$}"),
                _ => format!("{cell:<own$}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(heading: &'static str, cells: [&str; 2], rank: u8, fit: Fit) -> Column {
        Column {
            heading,
            cells: cells.map(str::to_owned).to_vec(),
            rank,
            fit,
        }
    }

    #[test]
    fn narrow_tables_lose_what_matters_least() {
        let table = |width| {
            let columns = vec![
                column("layer", ["model.layers.10.weight", "b"], 0, Fit::Name),
                column("shape", ["1024 x 256", "7"], 1, Fit::Right),
                column("bytes", ["1", "20"], 0, Fit::Right),
            ];
            render(columns, width)
        };
        let wide = "\
layer                        shape  bytes
model.layers.10.weight  1024 x 256      1
b                                7     20
";
        assert_eq!(table(80), wide);
        assert_eq!(table(41), wide);
        assert!(
            table(32).contains("model.…weight  1024 x 256      1\n"),
            "{}",
            table(32)
        );
        assert!(
            table(28).contains("model.laye….10.weight      1\n"),
            "{}",
            table(28)
        );
        for width in [12, 20, 30, 40, 80] {
            assert!(
                table(width)
                    .lines()
                    .all(|line| line.chars().count() <= width)
            );
        }
    }

    #[test]
    fn texts_are_cut_off_at_their_end() {
        let table = |width| {
            let columns = vec![
                column("step", ["7", "10"], 0, Fit::Right),
                column("tag", ["best", ""], 1, Fit::Left),
                column("notes", ["loss=0.25 lr=0.001", "a\nb"], 0, Fit::Text),
            ];
            render(columns, width)
        };
        let wide = "\
step  tag   notes
   7  best  loss=0.25 lr=0.001
  10        a\u{fffd}b
";
        assert_eq!(table(80), wide);
        assert!(table(24).contains("   7  best  loss=0.25 l…\n"));
        let without = render(
            vec![
                column("a", ["1", "2"], 0, Fit::Right),
                column("b", [""; 2], 0, Fit::Text),
            ],
            80,
        );
        assert_eq!(without, "a\n1\n2\n");
        assert!(table(20).contains("   7  loss=0.25 lr=…\n"));
    }
}
