//! `tvdb log`: the steps that there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use temporal_vdb::{StepInfo, StoreOptions, TemporalStore};

use crate::screen::table::{self, Column, Fit};
use crate::screen::{notes, output, terminal, time};

/// List the steps of a store, the newest first
///
/// With the time (UTC) at which each was recorded, how many
/// layers have it, its tags, and what was noted with it.
/// Works beside a run that is being recorded.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// Only the newest N steps
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// Prints the steps.
///
/// # Errors
///
/// If the store cannot be read.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let store = TemporalStore::open_read_only(&options.store, StoreOptions::default()).await?;
    let mut tags = Tags::new();
    for (name, step) in store.tags().await? {
        tags.entry(step).or_default().push(name);
    }
    let steps = store.steps().await?;
    let most = options.last.unwrap_or(usize::MAX);
    let steps: Vec<_> = steps.iter().rev().take(most).collect();
    output::print(&if json {
        render(&steps, &tags)
    } else {
        text(&options.store, &steps, &tags, terminal::width())
    })
}

/// The names of steps.
type Tags = BTreeMap<usize, Vec<String>>;

fn tags_of<'a>(tags: &'a Tags, step: &StepInfo) -> &'a [String] {
    tags.get(&step.step).map_or(&[], Vec::as_slice)
}

fn render(steps: &[&StepInfo], tags: &Tags) -> String {
    let object = |step: &&StepInfo| {
        json!({
            "step": step.step,
            "time": time::rfc3339(step.time),
            "layers": step.layers,
            "tags": tags_of(tags, step),
            "notes": notes::to_json(&step.notes),
        })
    };
    format!("{:#}\n", Value::from_iter(steps.iter().map(object)))
}

fn text(store: &Path, steps: &[&StepInfo], tags: &Tags, width: usize) -> String {
    if steps.is_empty() {
        return format!("{}: no steps\n", store.display());
    }
    let column = |heading, rank, fit, cell: &dyn Fn(&StepInfo) -> String| Column {
        heading,
        cells: steps.iter().map(|step| cell(step)).collect(),
        rank,
        fit,
    };
    let columns = vec![
        column("step", 0, Fit::Right, &|step| step.step.to_string()),
        column("time (UTC)", 1, Fit::Left, &|step| time::text(step.time)),
        column("layers", 2, Fit::Right, &|step| step.layers.to_string()),
        column("tags, notes", 0, Fit::Text, &|step| remarks(step, tags)),
    ];
    table::render(columns, width)
}

/// `(best) loss=0.25`
fn remarks(step: &StepInfo, tags: &Tags) -> String {
    let mut words: Vec<_> = tags_of(tags, step)
        .iter()
        .map(|name| format!("({name})"))
        .collect();
    if !step.notes.is_empty() {
        words.push(notes::text(&step.notes));
    }
    words.join(" ")
}
