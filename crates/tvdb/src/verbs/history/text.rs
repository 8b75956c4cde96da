//! A weight's history for people.

use super::History;
use crate::screen::numbers::{counted, length, weight};
use crate::screen::sparkline;
use crate::screen::table::{self, Column, Fit};
use crate::screen::terminal::{labelled, shortened};

impl History<'_> {
    /// A few lines about the weight, a line of bars, and a line for each of the newest changes.
    pub(super) fn text(&self, most: usize, width: usize) -> String {
        let mut text = self.title(width);
        text.push('\n');
        for (label, what) in self.figures() {
            text += &labelled(label, &what, width);
        }
        let bars = sparkline::of_history(&self.entries, self.times.clone(), width);
        let scale = sparkline::scale(*self.times.start(), *self.times.end(), bars.chars().count());
        text += &format!("\n{bars}\n{scale}\n");
        let changes: Vec<_> = self.changes(most).collect();
        if !changes.is_empty() {
            text.push('\n');
            text += &table(&changes, width);
        }
        let more = self.entries.len() - 1 - changes.len();
        if more > 0 {
            let older = counted(more as u64, "older change");
            text += &format!("{older}: --last {}\n", self.entries.len() - 1);
        }
        text
    }

    /// `fc1.weight (3, 17): F32, 256 x 64`
    fn title(&self, width: usize) -> String {
        let info = &self.layer.info;
        let indices: Vec<_> = self.indices.iter().map(ToString::to_string).collect();
        let indices = match self.indices.len() {
            0 => String::new(),
            _ => format!(" ({})", indices.join(", ")),
        };
        let what = format!(": {}, {}", info.dtype, self.layer.axes.text());
        let room = width.saturating_sub(indices.len() + what.len());
        if room >= 8 {
            return format!("{}{indices}{what}\n", shortened(&info.name, room));
        }
        let room = width.saturating_sub(indices.len() + 1);
        format!("{}{indices}\n", shortened(&info.name, room))
    }

    fn figures(&self) -> Vec<(&'static str, String)> {
        let at = |(step, value): (usize, f32)| format!("{} at step {step}", weight(value));
        let own = &self.own;
        let (first, last) = (self.entries[0], self.entries[self.entries.len() - 1]);
        let (oldest, latest) = (self.times.start(), self.times.end());
        let changes = counted(own.changes, "change");
        let mut figures = vec![
            ("moved", format!("{changes} in steps {oldest} to {latest}")),
            ("first", at(first)),
        ];
        if own.changes == 0 {
            return figures;
        }
        figures.push(("last", at(last)));
        if let Some([smallest, largest]) = self.extremes() {
            figures.push(("least", at(smallest)));
            figures.push(("most", at(largest)));
        }
        let net = f64::from(last.1) - f64::from(first.1);
        let turns = counted(own.flips, "turn");
        figures.push(("net", signed(net)));
        figures.push((
            "path",
            format!(
                "{}, at most {} at once, {turns}",
                length(own.path),
                length(own.largest)
            ),
        ));
        figures
    }
}

fn table(changes: &[(usize, f32, f32)], width: usize) -> String {
    let column = |heading, rank, cell: &dyn Fn(&(usize, f32, f32)) -> String| Column {
        heading,
        cells: changes.iter().map(cell).collect(),
        rank,
        fit: Fit::Right,
    };
    let columns = vec![
        column("step", 0, &|(step, ..)| step.to_string()),
        column("weight", 0, &|(.., after)| weight(*after)),
        column("change", 1, &|(_, before, after)| {
            signed(f64::from(*after) - f64::from(*before))
        }),
    ];
    table::render(columns, width)
}

/// With its direction, and nothing where there is none.
fn signed(net: f64) -> String {
    match net {
        net if net.is_nan() => String::new(),
        net if net > 0.0 => format!("+{}", length(net)),
        net => length(net),
    }
}
