//! `tvdb history`: one weight over time.

mod text;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use temporal_vdb::{
    Evolution, Progress, Region, StoreOptions, TemporalQueries, TemporalStore, TemporalVDBStorage,
};

use crate::args::layer::WeightLayer;
use crate::screen::numbers::to_json;
use crate::screen::{evolutions, output, terminal};

/// Show how one weight changed over time
///
/// The weight is named by the indices of its tensor, as many
/// as it has axes: row and column of a matrix, one index of
/// a vector, none of a scalar.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// The layer's name
    layer: String,

    /// The weight's indices, from 0: ROW COL in a matrix
    #[arg(value_name = "INDEX", allow_negative_numbers = true)]
    indices: Vec<i64>,

    /// Only the newest N changes; 20 in text, all in JSON
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// Changes that people are shown.
const LAST: usize = 20;

/// Prints the history.
///
/// # Errors
///
/// If the store cannot be read, or if there is no such weight.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let store = TemporalStore::open_read_only(&options.store, StoreOptions::default()).await?;
    let layer = WeightLayer::find(&store, &options.store, &options.layer).await?;
    let history = History::read(&layer, &options.indices).await?;
    output::print(&if json {
        history.json(options.last.unwrap_or(usize::MAX))
    } else {
        history.text(options.last.unwrap_or(LAST), terminal::width())
    })
}

/// One weight over time.
struct History<'a> {
    layer: &'a WeightLayer,
    indices: Vec<usize>,
    /// Steps, and the weight after them: of the base, and of each that changed it.
    entries: Vec<(usize, f32)>,
    own: Evolution,
    /// The base's step, and the newest one.
    times: RangeInclusive<usize>,
}

impl<'a> History<'a> {
    async fn read(layer: &'a WeightLayer, indices: &[i64]) -> Result<Self> {
        let (row, col) = layer.axes.find(indices)?;
        let stored = &layer.stored;
        let entries = stored.weight_history(row, col).await?;
        let (first, last) = (entries[0].0, entries[entries.len() - 1].0);
        // A run that is recorded beside may have gone on.
        let region = Region::new(row..row + 1, col..col + 1);
        let own = stored
            .weight_evolutions(first..=last, region, &Progress::default())
            .await?;
        Ok(History {
            layer,
            indices: layer.axes.indices(row, col),
            entries,
            own: own[0],
            times: first..=layer.info.latest.max(last),
        })
    }

    /// Of some entries the smallest and the largest, those that are not finite left aside.
    fn extremes(&self) -> Option<[(usize, f32); 2]> {
        let finite = || self.entries.iter().filter(|entry| entry.1.is_finite());
        let smallest = finite().min_by(|a, b| a.1.total_cmp(&b.1))?;
        // Of equal ones the first.
        let largest = finite().rev().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some([*smallest, *largest])
    }

    /// The newest changes, newest first: each with the weight before it.
    fn changes(&self, most: usize) -> impl Iterator<Item = (usize, f32, f32)> {
        let pairs = self.entries.windows(2).rev().take(most);
        pairs.map(|pair| (pair[1].0, pair[0].1, pair[1].1))
    }

    fn json(&self, most: usize) -> String {
        let entry = |(step, weight): (usize, f32)| json!({ "step": step, "weight": to_json(weight.into()) });
        let info = &self.layer.info;
        let begin = self.entries.len().saturating_sub(most).max(1);
        let value = json!({
            "layer": info.name,
            "dtype": info.dtype.name(),
            "shape": info.shape,
            "index": self.indices,
            "steps": { "oldest": self.times.start(), "latest": self.times.end() },
            "base": entry(self.entries[0]),
            "last": entry(self.entries[self.entries.len() - 1]),
            "smallest": self.extremes().map(|extremes| entry(extremes[0])),
            "largest": self.extremes().map(|extremes| entry(extremes[1])),
            "evolution": evolutions::fields(&self.own),
            "history": self.entries[begin..].iter().copied().map(entry).collect::<Vec<Value>>(),
        });
        format!("{value:#}\n")
    }
}
