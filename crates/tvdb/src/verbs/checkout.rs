//! `tvdb checkout`: a step's weights become a checkpoint again.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use temporal_vdb::{StoreOptions, TemporalStore};

use crate::args::at::{At, LATEST, no_step_yet};
use crate::background;
use crate::files::checkpoint;
use crate::files::target::refuse_store;
use crate::screen::numbers::{bytes, counted};
use crate::screen::output;

/// Write the weights at a step as a safetensors file
///
/// They are checked against the digests of what was recorded.
/// Between two steps it is the earlier one's weights that are
/// written, and the output says which step it is; --exact
/// makes that an error.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// The step: a number, a tag, or 'latest'
    #[arg(
        long,
        value_name = "T",
        default_value = LATEST,
        allow_negative_numbers = true
    )]
    at: At,

    /// Only the step itself will do, not an earlier one
    #[arg(long)]
    exact: bool,

    /// The file to write; an older one is replaced
    #[arg(short, long = "out", value_name = "FILE")]
    out: PathBuf,
}

const HINT: &str = "name the file to write: -o weights.safetensors";

/// Reads the weights and writes the file.
///
/// # Errors
///
/// If the step is not there or damaged, or if the file cannot be written or is a store.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    refuse_store(&options.store, &options.out, HINT)?;
    let store = TemporalStore::open_read_only(&options.store, StoreOptions::default()).await?;
    if store.layers().await?.is_empty() {
        return Err(no_step_yet(&options.store));
    }
    let weights = match &options.at {
        At::Latest => store.latest().await?,
        At::Step(step) if options.exact => store.weights_at_step(*step).await?,
        At::Step(step) => store.weights_at(*step).await?,
        At::Tag(name) => store.weights_at_step(store.tagged(name).await?).await?,
    };
    drop(store);

    let (step, checkpoint) = (weights.timestep, weights.checkpoint);
    let tensors = checkpoint.tensors.len();
    let size = checkpoint::size(&checkpoint)?;
    let out = options.out.clone();
    background::run(move || checkpoint::write(&out, &checkpoint)).await?;

    let file = options.out.display();
    if json {
        let value = json!({
            "asked": options.at.to_json(),
            "step": step,
            "file": file.to_string(),
            "tensors": tensors,
            "bytes": size,
        });
        return output::print(&format!("{value:#}\n"));
    }
    let which = match &options.at {
        At::Step(asked) if *asked != step => format!("step {step} (newest up to {asked})"),
        At::Tag(name) => format!("step {step} ({name})"),
        _ => format!("step {step}"),
    };
    let count = counted(tensors as u64, "tensor");
    output::print(&format!("{which} -> {file} ({count}, {})\n", bytes(size)))
}
