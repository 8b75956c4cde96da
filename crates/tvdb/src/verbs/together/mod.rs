//! `tvdb together`: what moves together.

mod json;
mod text;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use temporal_vdb::{CoOccurrence, Group, StoreOptions, TemporalQueries, TemporalStore, Together};

use crate::args::at::At;
use crate::args::layer::WeightLayer;
use crate::args::times::Times;
use crate::args::unit::UnitName;
use crate::screen::failure::wrong_usage;
use crate::screen::progress::Progress;
use crate::screen::terminal;

/// Show which weights of a layer move together
///
/// The score of two is the Jaccard index of their sets of
/// change steps: at how many steps both changed, out of those
/// at which either did. Those with a score above the limit are
/// a pair, and what pairs connect is a group.
///
/// A row or a column changes at a step where any of its
/// weights does.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// The layer's name
    layer: String,

    /// Only what changed at this step: a number, a tag, or
    /// 'latest'; all of the layer where it is missing
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    at: Option<At>,

    /// Scores must be above this: over 0, and at most 1, which
    /// no pair is above (0.999 finds those that are the same
    /// in fewer than 1,000 steps)
    #[arg(
        long = "min",
        value_name = "SCORE",
        default_value_t = 0.8,
        allow_negative_numbers = true
    )]
    above: f64,

    /// What is counted as one
    #[arg(long, value_enum, default_value_t = UnitName::Weight)]
    by: UnitName,

    /// What changed at fewer steps takes no part
    #[arg(long, value_name = "N", default_value_t = 3)]
    min_changes: usize,

    /// List the pairs instead of the groups
    #[arg(long)]
    pairs: bool,

    /// How many groups or pairs are listed; 10 in text, all in
    /// JSON
    #[arg(long, value_name = "N")]
    top: Option<usize>,

    #[command(flatten)]
    times: Times,
}

/// Groups or pairs that people are shown.
const TOP: usize = 10;

/// Pairs that are read at a time.
const BATCH: usize = 4096;

/// What was found.
struct Found<'a> {
    options: &'a Options,
    layer: WeightLayer,
    /// The step that was asked for.
    at: Option<usize>,
    together: Together,
    pairs: u64,
    /// None where pairs are asked for.
    groups: Vec<Group>,
}

/// Finds out what moves together and prints it.
///
/// # Errors
///
/// If there is no such layer or step, or if the limit is no score.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let path = &options.store;
    let store = TemporalStore::open_read_only(path, StoreOptions::default()).await?;
    let layer = WeightLayer::find(&store, path, &options.layer).await?;
    let at = match &options.at {
        Some(at) => Some(at.find(&store, path).await?),
        None => None,
    };
    let query = CoOccurrence {
        by: options.by.into(),
        at,
        times: options.times.find(&store, path).await?,
        above: options.above,
        min_changes: options.min_changes,
    };
    let progress = Progress::new(0);
    progress.doing("reading changes");
    let together = layer.stored.together(&query, &progress.of_library()).await;
    let together = together.map_err(explained)?;
    progress.doing("finding pairs");
    let pairs = together.count(&progress.of_library()).await?;
    let groups = if options.pairs {
        Vec::new()
    } else {
        progress.doing("finding groups");
        together.groups(&progress.of_library()).await?
    };
    drop(progress);
    let found = Found {
        options,
        layer,
        at,
        together,
        pairs,
        groups,
    };
    if json {
        found.print_json().await
    } else {
        found.print_text(terminal::width()).await
    }
}

/// A limit that is none is an error in how the program is called.
fn explained(error: temporal_vdb::Error) -> anyhow::Error {
    match error {
        temporal_vdb::Error::InvalidScore { .. } => {
            wrong_usage(error, "--min 0.8 finds what shares nearly all its steps")
        }
        other => other.into(),
    }
}
