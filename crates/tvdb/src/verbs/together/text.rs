//! What moves together, for people.

use anyhow::Result;
use temporal_vdb::{Group, Pair};

use super::{BATCH, Found, TOP};
use crate::args::unit::UnitName;
use crate::screen::numbers::{counted, grouped};
use crate::screen::output::{self, Listing};
use crate::screen::ranges;
use crate::screen::table::{self, Column, Fit};
use crate::screen::terminal::labelled;

/// Members of a group that are named.
const EXAMPLES: usize = 8;

impl Found<'_> {
    pub(super) async fn print_text(&self, width: usize) -> Result<()> {
        output::print(&self.summary(width))?;
        if self.options.pairs {
            self.print_pairs().await
        } else {
            output::print(&self.groups(width))
        }
    }

    fn summary(&self, width: usize) -> String {
        let (options, steps) = (self.options, self.together.steps());
        let noun = options.by.noun();
        let mut text = format!(
            "{}: {}, {}\n\n",
            options.store.display(),
            self.layer.info.name,
            self.layer.axes.text()
        );
        let units = self.together.units().len();
        let which = match self.at {
            Some(at) => format!(" that changed at step {at}, and"),
            None => " that changed".to_owned(),
        };
        let range = match steps {
            [] => "no step".to_owned(),
            [only] => format!("step {only} alone"),
            [first, .., last] => {
                format!(
                    "{} ({first} to {last})",
                    counted(steps.len() as u64, "step")
                )
            }
        };
        let units = format!(
            "{}{which} at least {} in {range}",
            counted(units as u64, noun),
            counted(options.min_changes as u64, "time"),
        );
        text += &labelled("of", &units, width);
        let score = options.above;
        let pairs = format!("{} with a score above {score}", grouped(self.pairs));
        text += &labelled("pairs", &pairs, width);
        if !options.pairs {
            let members: usize = self.groups.iter().map(|group| group.units.len()).sum();
            let groups = format!(
                "{}, with {}",
                grouped(self.groups.len() as u64),
                counted(members as u64, noun)
            );
            text += &labelled("groups", &groups, width);
        }
        text
    }

    fn groups(&self, width: usize) -> String {
        let top = self.options.top.unwrap_or(TOP);
        let shown = &self.groups[..top.min(self.groups.len())];
        if shown.is_empty() {
            return String::new();
        }
        let steps = self.together.steps();
        let column = |heading, rank, fit, cell: &dyn Fn(&Group) -> String| Column {
            heading,
            cells: shown.iter().map(cell).collect(),
            rank,
            fit,
        };
        let heading = match self.options.by {
            UnitName::Weight => "weights",
            UnitName::Row => "rows",
            UnitName::Col => "columns",
        };
        let columns = vec![
            column(heading, 0, Fit::Right, &|group| {
                grouped(group.units.len() as u64)
            }),
            column("among them", 0, Fit::Text, &|group| self.examples(group)),
        ];
        let mut text = format!("\n{}", table::render(columns, width));
        text += "\nmost of each change at steps\n";
        for group in shown {
            let size = grouped(group.units.len() as u64);
            text += &labelled(&size, &ranges::text(&group.steps, steps), width);
        }
        let more = self.groups.len() - shown.len();
        if more > 0 {
            let all = self.groups.len();
            text += &format!("{}: --top {all}\n", counted(more as u64, "more group"));
        }
        text
    }

    fn examples(&self, group: &Group) -> String {
        let units = group.units.iter().take(EXAMPLES);
        let mut names: Vec<String> = units.map(|unit| self.layer.axes.unit(*unit)).collect();
        if group.units.len() > EXAMPLES {
            names.push("...".to_owned());
        }
        names.join(" ")
    }

    async fn print_pairs(&self) -> Result<()> {
        let top = self.options.top.unwrap_or(TOP);
        let mut listing = Listing::new();
        if self.pairs > 0 && top > 0 {
            listing.line("\nscore  pair")?;
        }
        let (mut pairs, mut left) = (self.together.pairs(), top);
        while left > 0 {
            let some = pairs.next(left.min(BATCH)).await?;
            if some.is_empty() {
                break;
            }
            left -= some.len();
            for pair in &some {
                if !listing.line(&self.pair(pair))? {
                    return Ok(());
                }
            }
        }
        let more = self.pairs.saturating_sub(top as u64);
        if more > 0 {
            let all = self.pairs;
            listing.line(&format!("{}: --top {all}", counted(more, "more pair")))?;
        }
        listing.end("")
    }

    fn pair(&self, pair: &Pair) -> String {
        let axes = &self.layer.axes;
        // Cut, not rounded: what is printed as 1 is 1.
        let score = (pair.score * 1000.0).floor() / 1000.0;
        format!("{score:<5.3}  {} {}", axes.unit(pair.a), axes.unit(pair.b))
    }
}
