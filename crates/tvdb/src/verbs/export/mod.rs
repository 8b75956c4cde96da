//! `tvdb export`: layers as `.vdb` files.

mod picture;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use globset::Glob;
use temporal_vdb::{StoreOptions, StoredLayer, TemporalStore};

use crate::args::at::no_step_yet;
use crate::args::times::Times;
use crate::verbs::activity::no_weights;

/// Write layers as a volume to look at, .vdb
///
/// It has three fog volumes: rise and fall, how far weights
/// went up and down, and density, both together, which every
/// viewer shows. Rows lie along x, columns along y, time is
/// upward; several layers lie side by side.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// The layers: names, or patterns as fc*; all where none
    /// is given
    #[arg(value_name = "LAYER")]
    layers: Vec<String>,

    /// The volume to write, .vdb; an older one is replaced
    #[arg(short, long = "out", value_name = "OUT")]
    out: PathBuf,

    #[command(flatten)]
    times: Times,

    #[command(flatten)]
    picture: picture::Options,
}

/// Writes what was asked for.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let store = TemporalStore::open_read_only(&options.store, StoreOptions::default()).await?;
    let layers = options.find_layers(&store).await?;
    let times = options.times.find(&store, &options.store).await?;
    let from = (&store, options.store.as_path());
    picture::run(&options.picture, from, &layers, times, &options.out, json).await
}

impl Options {
    /// The layers that are meant, in the order of the store; a name that is one is no pattern.
    async fn find_layers(&self, store: &TemporalStore) -> Result<Vec<StoredLayer>> {
        let infos = store.layers().await?;
        if infos.is_empty() {
            return Err(no_step_yet(&self.store));
        }
        let mut meant = vec![self.layers.is_empty(); infos.len()];
        for wanted in &self.layers {
            let exact = infos.iter().position(|info| info.name == *wanted);
            if let Some(at) = exact {
                store.layer(wanted).await?; // which refuses one that is kept whole
                meant[at] = true;
                continue;
            }
            let matcher = Glob::new(wanted)?.compile_matcher();
            let mut found = false;
            for (meant, info) in meant.iter_mut().zip(&infos) {
                let matches = matcher.is_match(&info.name) && info.matrix.is_some();
                *meant |= matches;
                found |= matches;
            }
            if !found {
                store.layer(wanted).await?; // which names those that are like it
            }
        }
        let mut layers = Vec::new();
        for (info, meant) in infos.iter().zip(meant) {
            if meant && info.matrix.is_some() {
                layers.push(store.layer(&info.name).await?);
            }
        }
        match layers.is_empty() {
            true => Err(no_weights()),
            false => Ok(layers),
        }
    }
}
