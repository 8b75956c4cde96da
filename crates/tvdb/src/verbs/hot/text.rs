//! What moves, for people.

use std::path::Path;

use crate::args::unit::PartName;
use crate::screen::numbers::{counted, grouped, length, share};
use crate::screen::sparkline;
use crate::screen::table::{self, Column, Fit};
use crate::screen::terminal::labelled;
use crate::verbs::activity::{Activity, Hot};

impl Activity {
    /// What moved in all, and a bar for each step.
    pub(super) fn summary(&self, path: &Path, width: usize) -> String {
        let (all, layers) = (self.weights(), self.evolution.layers.len() as u64);
        let model = &self.evolution.model;
        let steps = self.steps();
        let of = format!("{} of {}", counted(all, "weight"), counted(layers, "layer"));
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
            return format!(
                "{}: {of}, no step of changes in this range\n",
                path.display()
            );
        };
        let range = if first == last {
            first.to_string()
        } else {
            format!("{first} to {last}")
        };
        let count = counted(steps.len() as u64, "step");
        let mut text = format!("{}: {count} ({range})\n\n", path.display());
        text += &labelled("of", &of, width);
        let mean = share(model.changes, all.saturating_mul(steps.len() as u64));
        let changes = format!(
            "{}, {mean} of the weights at a step",
            grouped(model.changes)
        );
        text += &labelled("changes", &changes, width);
        let moved = format!(
            "{} ({})",
            counted(model.changed, "weight"),
            share(model.changed, all)
        );
        text += &labelled("moved", &moved, width);
        let frozen = PartName::ALL.map(|by| {
            let (count, of) = self.frozen_count(by);
            let of = counted(of, by.noun());
            match by {
                PartName::Weight => format!("{} of {of} ({})", grouped(count), share(count, all)),
                _ => format!("{} of {of}", grouped(count)),
            }
        });
        text += &labelled("frozen", &frozen.join(", "), width);
        let amounts = self.amounts();
        let bars = sparkline::of_amounts(&amounts, width);
        let scale = sparkline::scale(*first, *last, bars.chars().count());
        let most = amounts.iter().copied().fold(0.0, f64::max) as u64;
        let most = format!(
            "at most {} ({}) at a step",
            counted(most, "weight"),
            share(most, all)
        );
        text += &labelled("active", &most, width);
        text + &format!("\n{bars}\n{scale}\n")
    }

    /// A line for each of the most active.
    pub(super) fn ranking(&self, by: PartName, top: usize, width: usize) -> String {
        let hot = self.hot(by, top);
        if hot.is_empty() {
            return String::new();
        }
        let column = |heading, rank, fit, cell: &dyn Fn(&Hot) -> String| Column {
            heading,
            cells: hot.iter().map(cell).collect(),
            rank,
            fit,
        };
        let step = |step: Option<usize>| step.map_or_else(String::new, |step| step.to_string());
        let mut columns = vec![column("layer", 0, Fit::Name, &|hot| hot.layer.to_owned())];
        if by.unit().is_some() {
            columns.push(column(by.noun(), 0, Fit::Right, &|hot| {
                hot.unit
                    .map_or_else(String::new, |(axes, unit)| axes.unit(unit))
            }));
        }
        columns.push(column("changes", 0, Fit::Right, &|hot| {
            grouped(hot.own.changes)
        }));
        if by != PartName::Weight {
            columns.push(column("moved", 1, Fit::Right, &|hot| {
                share(hot.own.changed, hot.weights)
            }));
        }
        columns.extend([
            column("first", 3, Fit::Right, &|hot| step(hot.own.first)),
            column("last", 2, Fit::Right, &|hot| step(hot.own.last)),
            column("path", 1, Fit::Right, &|hot| length(hot.own.path)),
            column("net", 4, Fit::Right, &|hot| length(hot.own.net)),
            column("largest", 5, Fit::Right, &|hot| length(hot.own.largest)),
            column("turns", 6, Fit::Right, &|hot| grouped(hot.own.flips)),
        ]);
        format!("\n{}", table::render(columns, width))
    }
}
