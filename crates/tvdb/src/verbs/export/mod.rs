//! `tvdb export`: layers as `.vdb` files, to look at or to read back.

mod exact;
mod picture;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use globset::Glob;
use temporal_vdb::{LayerInfo, StoreOptions, TemporalStore};

use crate::args::at::no_step_yet;
use crate::args::times::Times;

/// Write layers as a volume to look at, or as exact files
///
/// A volume has three fog volumes: rise and fall, how far
/// weights went up and down, and density, both together, which
/// every viewer shows. Rows lie along x, columns along y, time
/// is upward; several layers lie side by side. Movements begin
/// from the state as of --from, or else the oldest.
/// With --exact each layer becomes a file that `tvdb import`
/// makes the same layer of, bit for bit: x is the row, y the
/// column, z the step. At z = 0 is the state as of the first
/// step, at each later z what was added to it.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// Only these layers: names, or globs like 'mlp.*'
    #[arg(value_name = "LAYER")]
    layers: Vec<String>,

    /// The volume to write, .vdb; with --exact the folder
    ///
    /// An older volume is replaced, and so are files of the same
    /// layers in a folder.
    #[arg(short, long = "out", value_name = "OUT", verbatim_doc_comment)]
    out: PathBuf,

    /// All weights and changes, so that they can be imported
    #[arg(long, conflicts_with = "picture")]
    exact: bool,

    #[command(flatten)]
    times: Times,

    #[command(flatten)]
    picture: picture::Options,
}

/// Writes what was asked for and says what it is.
///
/// # Errors
///
/// If there are no such layers or steps, if nothing moved in them, or if a file cannot be written.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let store = TemporalStore::open_read_only(&options.store, StoreOptions::default()).await?;
    let layers = selected(&store, options).await?;
    let times = options.times.find(&store, &options.store).await?;
    match options.exact {
        true => exact::run(&store, options, &layers, &times, json).await,
        false => picture::run(&store, options, &layers, times, json).await,
    }
}

/// The layers that are named, each once, in the store's order; all of them where none is.
async fn selected(store: &TemporalStore, options: &Options) -> Result<Vec<LayerInfo>> {
    let mut layers = store.layers().await?;
    if layers.is_empty() {
        return Err(no_step_yet(&options.store));
    }
    if options.layers.is_empty() {
        return Ok(layers);
    }
    let mut taken = vec![false; layers.len()];
    for wanted in &options.layers {
        // A name that is there is no glob, whatever is in it.
        let named = layers.iter().position(|layer| layer.name == *wanted);
        let found: Vec<usize> = match (named, Glob::new(wanted)) {
            (Some(at), _) => {
                store.layer(wanted).await?; // or why not
                vec![at]
            }
            (None, Ok(glob)) => {
                let glob = glob.compile_matcher();
                let matches = |at: &usize| glob.is_match(&layers[*at].name);
                (0..layers.len()).filter(matches).collect()
            }
            (None, Err(_)) => Vec::new(),
        };
        if found.is_empty() {
            store.layer(wanted).await?; // there is none: the error names those like it
        }
        for at in found {
            taken[at] = true;
        }
    }
    let mut taken = taken.into_iter();
    layers.retain(|_| taken.next() == Some(true));
    Ok(layers)
}
