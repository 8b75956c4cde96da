//! `tvdb stats`: what a store holds, and what it takes.

mod text;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use temporal_vdb::{LayerStats, StoreOptions, StoreStats, TemporalStore};

use crate::screen::{output, terminal};
use crate::verbs::policies::Policies;

/// Show what a store holds and how large it is
///
/// Works beside a run that is being recorded.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,
}

/// Prints the sizes.
///
/// # Errors
///
/// If the store cannot be read.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let store = TemporalStore::open_read_only(&options.store, StoreOptions::default()).await?;
    let stats = store.stats().await?;
    let tags = store.tags().await?;
    let policies = Policies::of(&store, stats.layers.iter().map(|layer| &layer.info)).await?;
    output::print(&if json {
        render(&stats, &tags, &policies)
    } else {
        text::render(&options.store, &stats, &tags, &policies, terminal::width())
    })
}

fn render(stats: &StoreStats, tags: &BTreeMap<String, usize>, policies: &Policies) -> String {
    let value = json!({
        "steps": { "oldest": stats.oldest, "latest": stats.latest, "count": stats.count },
        "tags": tags,
        "retention": policies.to_json(),
        "changes": stats.changes,
        "bytes": {
            "base": stats.base_bytes,
            "keyframes": stats.base_bytes + stats.keyframe_bytes,
            "journal": stats.journal_bytes,
            "blocks": stats.block_bytes,
            "log": stats.log_bytes,
            "file": stats.file_bytes(),
            "raw": stats.raw_bytes,
        },
        "bytes_per_change": stats.bytes_per_change(),
        "file_bytes_per_change": stats.file_bytes_per_change(),
        "layers": stats.layers.iter().map(render_layer).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn render_layer(layer: &LayerStats) -> Value {
    let info = &layer.info;
    let (rows, cols) = info.matrix.unzip();
    json!({
        "name": info.name,
        "dtype": info.dtype.name(),
        "shape": info.shape,
        "rows": rows,
        "cols": cols,
        "oldest": info.oldest,
        "latest": info.latest,
        "steps": layer.steps,
        "changes": layer.changes,
        "bytes": layer.bytes,
    })
}
