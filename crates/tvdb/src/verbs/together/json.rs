//! What moves together, for programs.

use anyhow::Result;
use serde_json::{Value, json};
use temporal_vdb::{Group, Pair, Unit};

use super::{BATCH, Found};
use crate::screen::output::Listing;

impl Found<'_> {
    /// One object, the list in it being written as it is found: a step can have 10^8 pairs.
    pub(super) async fn print_json(&self) -> Result<()> {
        let mut listing = Listing::new();
        let top = self.options.top.unwrap_or(usize::MAX);
        if self.options.pairs {
            listing.begin_array(&self.render(), "list")?;
            let (mut pairs, mut left) = (self.together.pairs(), top);
            while left > 0 {
                let some = pairs.next(left.min(BATCH)).await?;
                if some.is_empty() {
                    break;
                }
                left -= some.len();
                for pair in &some {
                    if !listing.element(&self.pair_json(pair))? {
                        return Ok(());
                    }
                }
            }
        } else {
            listing.begin_array(&self.render(), "groups")?;
            for group in self.groups.iter().take(top) {
                listing.element(&self.group_json(group))?;
            }
        }
        listing.end_array()
    }

    fn render(&self) -> Value {
        let (options, steps) = (self.options, self.together.steps());
        json!({
            "path": options.store.to_string_lossy(),
            "layer": self.layer.info.name,
            "shape": self.layer.info.shape,
            "at": self.at,
            "by": options.by.noun(),
            "above": options.above,
            "min_changes": options.min_changes,
            "steps": { "first": steps.first(), "last": steps.last(), "count": steps.len() },
            "units": self.together.units().len(),
            "pairs": self.pairs,
        })
    }

    fn unit_json(&self, unit: Unit) -> Value {
        self.layer.axes.unit_json(unit).1
    }

    fn pair_json(&self, pair: &Pair) -> Value {
        json!({ "a": self.unit_json(pair.a), "b": self.unit_json(pair.b), "score": pair.score })
    }

    fn group_json(&self, group: &Group) -> Value {
        let units = group.units.iter().map(|unit| self.unit_json(*unit));
        json!({ "units": units.collect::<Vec<_>>(), "steps": group.steps })
    }
}
