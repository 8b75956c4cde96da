//! `tvdb export`: layers become OpenVDB volumes.

mod exact;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use globset::Glob;
use serde_json::json;
use temporal_vdb::{LayerInfo, StoreOptions, TemporalStore};

use crate::args::at::no_step_yet;
use crate::args::times::Times;
use crate::screen::failure::wrong_usage;
use crate::screen::numbers::{bytes, counted};
use crate::screen::output;
use crate::screen::progress::Progress;

/// Write layers as OpenVDB volumes
///
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

    /// All weights and changes, so that they can be imported
    #[arg(long)]
    exact: bool,

    /// The folder to write to; it is made if it is missing
    ///
    /// Files of the same layers in it are replaced.
    #[arg(short, long = "out", value_name = "DIR", verbatim_doc_comment)]
    out: PathBuf,

    #[command(flatten)]
    times: Times,
}

/// A file that was written.
struct Volume {
    layer: String,
    path: PathBuf,
    /// The first and the last step in it.
    steps: (usize, usize),
    bytes: u64,
}

/// Writes the volumes and says which.
///
/// # Errors
///
/// If there are no such layers or steps, or if a file cannot be written.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    if !options.exact {
        return Err(wrong_usage(
            anyhow!("say what to write"),
            "--exact writes files that `tvdb import` reads",
        ));
    }
    let store = TemporalStore::open_read_only(&options.store, StoreOptions::default()).await?;
    let layers = selected(&store, options).await?;
    let times = options.times.find(&store, &options.store).await?;
    prepare(&options.out)?;

    let progress = Progress::new(layers.len() as u64);
    let mut volumes = Vec::new();
    let mut left_out = Vec::new();
    for layer in &layers {
        // A layer that came after these steps has nothing in them.
        if layer.matrix.is_none() || layer.oldest > *times.end() {
            left_out.push(layer.name.as_str());
            continue;
        }
        progress.doing(layer.name.clone());
        let exported = exact::write(&store, options, layer, &times).await;
        volumes.push(exported.with_context(|| format!("cannot export layer '{}'", layer.name))?);
        progress.advance();
    }
    drop(progress);
    output::print(&if json {
        to_json(&volumes, &left_out)
    } else {
        to_text(&volumes, &left_out)
    })
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

/// Makes the folder where it is missing.
fn prepare(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

fn to_text(volumes: &[Volume], left_out: &[&str]) -> String {
    let mut text = String::new();
    for volume in volumes {
        let (first, last) = volume.steps;
        let steps = if first == last {
            format!("step {first}")
        } else {
            format!("steps {first} to {last}")
        };
        text += &format!(
            "{} -> {} ({steps}, {})\n",
            volume.layer,
            volume.path.display(),
            bytes(volume.bytes)
        );
    }
    let all: u64 = volumes.iter().map(|volume| volume.bytes).sum();
    text += &format!(
        "{}, {}\n",
        counted(volumes.len() as u64, "layer"),
        bytes(all)
    );
    if !left_out.is_empty() {
        text += &format!(
            "left out, since they are no matrices or came later: {}\n",
            left_out.join(", ")
        );
    }
    text
}

fn to_json(volumes: &[Volume], left_out: &[&str]) -> String {
    let volume = |volume: &Volume| {
        json!({
            "layer": volume.layer,
            "file": volume.path.to_string_lossy(),
            "first": volume.steps.0,
            "last": volume.steps.1,
            "bytes": volume.bytes,
        })
    };
    let volumes: Vec<_> = volumes.iter().map(volume).collect();
    format!(
        "{:#}\n",
        json!({ "volumes": volumes, "left_out": left_out })
    )
}
