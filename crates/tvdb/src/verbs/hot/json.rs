//! What moves, for programs.

use anyhow::Result;
use serde_json::{Value, json};

use super::Options;
use crate::args::unit::PartName;
use crate::screen::evolutions;
use crate::screen::output::{self, Listing};
use crate::verbs::activity::{Activity, Hot};

impl Activity {
    pub(super) async fn print_json(&self, options: &Options) -> Result<()> {
        let mut value = self.render(options);
        if !options.frozen {
            let hot = self.hot(options.by, options.top);
            value["hot"] = hot.iter().map(hot_json).collect();
            return output::print(&format!("{value:#}\n"));
        }
        let mut listing = Listing::new();
        listing.begin_array(&value, "never_changed")?;
        self.list_frozen(options.by, options.top, &mut listing)
            .await?;
        listing.end_array()
    }

    fn render(&self, options: &Options) -> Value {
        let layers = &self.evolution.layers;
        let steps = self.steps();
        let step = |(step, own): &(usize, temporal_vdb::Evolution)| {
            let mut fields = evolutions::fields(own);
            fields.insert("step".to_owned(), json!(step));
            // Of one step they say nothing new.
            for key in ["first", "last", "changed", "net"] {
                fields.remove(key);
            }
            Value::from(fields)
        };
        let frozen = PartName::ALL.map(|by| {
            let (count, of) = self.frozen_count(by);
            (
                format!("{}s", by.noun()),
                json!({ "count": count, "of": of }),
            )
        });
        json!({
            "path": options.store.to_string_lossy(),
            "by": options.by.noun(),
            "layers": layers.len(),
            "weights": self.weights(),
            "steps": { "first": steps.first(), "last": steps.last(), "count": steps.len() },
            "model": evolutions::fields(&self.evolution.model),
            "frozen": frozen.into_iter().collect::<serde_json::Map<_, _>>(),
            "activity": self.evolution.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

fn hot_json(hot: &Hot) -> Value {
    let mut fields = evolutions::fields(&hot.own);
    fields.insert("layer".to_owned(), hot.layer.into());
    fields.insert("weights".to_owned(), hot.weights.into());
    if let Some((axes, unit)) = hot.unit {
        let (key, value) = axes.unit_json(unit);
        fields.insert(key.to_owned(), value);
    }
    fields.into()
}
