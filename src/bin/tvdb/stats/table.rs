//! Columns that fit a terminal.

use crate::terminal::shortened;

/// Columns between columns.
const GAP: usize = 2;

/// The first column is not made narrower than this while others can be left out.
const NARROWEST: usize = 12;

/// A column of a table.
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) cells: Vec<String>,
    /// When the terminal is narrow, the columns with the highest number are left out first.
    pub(super) rank: u8,
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.chars().count());
        cells
            .chain([self.heading.chars().count()])
            .max()
            .unwrap_or(0)
    }
}

/// Lines of at most `width` columns: names, shortened in their middle where they must be, and other
/// columns, right-aligned.
pub(super) fn render(mut names: Column, mut others: Vec<Column>, width: usize) -> String {
    let room = loop {
        let taken: usize = others.iter().map(|column| GAP + column.width()).sum();
        let room = width.saturating_sub(taken);
        let least_wanted = others
            .iter()
            .map(|column| column.rank)
            .max()
            .filter(|&rank| rank > 0);
        match least_wanted {
            Some(rank) if room < NARROWEST => others.retain(|column| column.rank != rank),
            _ => break room.max(1),
        }
    };
    for name in &mut names.cells {
        *name = shortened(name, room);
    }
    let first = names.width().min(room);
    let mut text = String::new();
    for row in 0..=names.cells.len() {
        // Row 0 is the heading.
        let cell = |column: &Column| match row.checked_sub(1) {
            Some(row) => column.cells.get(row).cloned().unwrap_or_default(),
            None => column.heading.to_owned(),
        };
        text += &format!("{:<first$}", cell(&names));
        for column in &others {
            text += &format!("{:>1$}", cell(column), GAP + column.width());
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(heading: &'static str, cells: [&str; 2], rank: u8) -> Column {
        Column {
            heading,
            cells: cells.map(str::to_owned).to_vec(),
            rank,
        }
    }

    #[test]
    fn narrow_tables_lose_what_matters_least() {
        let table = |width| {
            let names = column("layer", ["model.layers.10.weight", "b"], 0);
            let others = vec![
                column("shape", ["1024 x 256", "7"], 1),
                column("bytes", ["1", "20"], 0),
            ];
            render(names, others, width)
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
}
