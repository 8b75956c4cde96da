//! What never changed.

use anyhow::Result;
use temporal_vdb::Unit;
use tokio::task::yield_now;

use crate::args::axes::Axes;
use crate::args::unit::PartName;
use crate::screen::numbers::counted;
use crate::screen::output::Listing;
use crate::screen::terminal::shortened;
use crate::verbs::activity::Activity;

/// Units that are printed between two looks at Ctrl-C.
const BATCH: usize = 4096;

impl Activity {
    /// How many never changed, and how many there are.
    pub(super) fn frozen_count(&self, by: PartName) -> (u64, u64) {
        let layers = || self.evolution.layers.iter();
        let still = |lines: &[temporal_vdb::Evolution]| {
            lines.iter().filter(|line| line.changes == 0).count() as u64
        };
        match by {
            PartName::Weight => {
                let all = self.weights();
                (all - self.evolution.model.changed, all)
            }
            PartName::Row => (
                layers().map(|(_, layer)| still(&layer.rows)).sum(),
                layers().map(|(_, layer)| layer.rows.len() as u64).sum(),
            ),
            PartName::Col => (
                layers().map(|(_, layer)| still(&layer.columns)).sum(),
                layers().map(|(_, layer)| layer.columns.len() as u64).sum(),
            ),
            PartName::Layer => (
                layers()
                    .filter(|(_, layer)| layer.layer.changes == 0)
                    .count() as u64,
                layers().count() as u64,
            ),
        }
    }

    /// Those that never changed, in the order of the layers.
    fn frozen(&self, by: PartName) -> impl Iterator<Item = (&str, Option<(&Axes, Unit)>)> {
        let layers = self.evolution.layers.iter().zip(&self.axes);
        layers.flat_map(move |((name, layer), axes)| {
            let own: Box<dyn Iterator<Item = _>> = match by.unit() {
                None => Box::new((layer.layer.changes == 0).then_some(None).into_iter()),
                Some(by) => Box::new(layer.frozen(by).map(move |unit| Some((axes, unit)))),
            };
            own.map(move |unit| (name.as_str(), unit))
        })
    }

    /// Prints those that never changed, as they are found: a model can have 10^9.
    pub(super) async fn print_frozen(&self, by: PartName, top: usize, width: usize) -> Result<()> {
        let (count, _) = self.frozen_count(by);
        let noun = by.noun();
        let mut listing = Listing::new();
        if count == 0 {
            return listing.end(&format!("\nevery {noun} has changed\n"));
        }
        listing.line(&format!("\n{noun}s that never changed"))?;
        for (i, (layer, unit)) in self.frozen(by).take(top).enumerate() {
            let unit = unit.map_or_else(String::new, |(axes, unit)| {
                let line = matches!(unit, Unit::Row(_) | Unit::Column(_));
                let name = axes.unit(unit);
                // A number alone does not say what it is of.
                if line && !name.starts_with('(') {
                    format!(" {noun} {name}")
                } else {
                    format!(" {name}")
                }
            });
            let room = width.saturating_sub(unit.len()).max(8);
            if !listing.line(&format!("{}{unit}", shortened(layer, room)))? {
                return Ok(());
            }
            if i % BATCH == 0 {
                yield_now().await;
            }
        }
        let more = count.saturating_sub(top as u64);
        if more > 0 {
            let all = format!("{} more: --top {count}", counted(more, noun));
            return listing.end(&format!("{all}\n"));
        }
        listing.end("")
    }

    /// Writes those that never changed as elements of an array, in the order of the layers.
    pub(super) async fn list_frozen(
        &self,
        by: PartName,
        top: usize,
        listing: &mut Listing,
    ) -> Result<()> {
        for (i, (layer, unit)) in self.frozen(by).take(top).enumerate() {
            let mut element = serde_json::Map::new();
            element.insert("layer".to_owned(), layer.into());
            if let Some((axes, unit)) = unit {
                let (key, value) = axes.unit_json(unit);
                element.insert(key.to_owned(), value);
            }
            if !listing.element(&element.into())? {
                return Ok(());
            }
            if i % BATCH == 0 {
                yield_now().await;
            }
        }
        Ok(())
    }
}
