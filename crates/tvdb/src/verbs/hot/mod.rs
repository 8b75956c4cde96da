//! `tvdb hot`: which weights move.

mod frozen;
mod json;
mod text;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use globset::Glob;
use temporal_vdb::{StoreOptions, TemporalStore};

use crate::args::times::Times;
use crate::args::unit::PartName;
use crate::screen::{output, terminal};
use crate::verbs::activity::Activity;

/// Show which weights move, and which never do
///
/// Ordered by how often they changed, then by how far. What
/// counts are the retained steps: what pruning has merged is
/// one change. Tensors that are kept whole are left aside.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// What is ranked
    ///
    /// Of tensors that are no matrices rows and columns are
    /// slices, written as numpy does: vectors are kept in rows
    /// of 128.
    #[arg(long, value_enum, default_value_t = PartName::Weight, verbatim_doc_comment)]
    by: PartName,

    /// How many are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// List those that never changed, in the layers' order
    #[arg(long)]
    frozen: bool,

    /// Only layers of such names, like 'mlp.*'; repeatable
    #[arg(long, value_name = "GLOB", value_parser = Glob::new)]
    layers: Vec<Glob>,

    #[command(flatten)]
    times: Times,
}

/// Finds out what moved and prints it.
///
/// # Errors
///
/// If the store cannot be read, or if there are no such layers or steps.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let path = &options.store;
    let store = TemporalStore::open_read_only(path, StoreOptions::default()).await?;
    // Frozen ones are not ranked.
    let top = match options.by {
        PartName::Weight if !options.frozen => options.top,
        _ => 0,
    };
    let activity = Activity::find(&store, path, &options.layers, &options.times, top).await?;
    if json {
        return activity.print_json(options).await;
    }
    let width = terminal::width();
    output::print(&activity.summary(path, width))?;
    if options.frozen {
        return activity.print_frozen(options.by, options.top, width).await;
    }
    output::print(&activity.ranking(options.by, options.top, width))
}
