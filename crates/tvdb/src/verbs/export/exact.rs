//! Layers in the exact form, a file each.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use temporal_vdb::{LayerInfo, StorageOptions, TemporalLayer, TemporalStore};

use super::Options;
use crate::files::layer_file::layer_file;
use crate::files::target::refuse_store;
use crate::screen::numbers::{bytes, counted};
use crate::screen::output;
use crate::screen::progress::Progress;
use crate::verbs::activity::no_weights;

const HINT: &str = "name a folder of its own: -o volumes";

/// A file that was written.
struct Written {
    layer: String,
    path: PathBuf,
    /// The first and the last step in it.
    steps: (usize, usize),
    bytes: u64,
}

/// Writes the layers that are matrices, and have one of the steps.
pub(super) async fn run(
    store: &TemporalStore,
    options: &Options,
    layers: &[LayerInfo],
    times: &RangeInclusive<usize>,
    json: bool,
) -> Result<()> {
    let has_some = |layer: &LayerInfo| layer.matrix.is_some() && layer.oldest <= *times.end();
    if !layers.iter().any(has_some) {
        return Err(no_weights());
    }
    prepare(&options.out)?;
    let progress = Progress::new(layers.len() as u64);
    let mut written = Vec::new();
    let mut left_out = Vec::new();
    for layer in layers {
        // A layer that came after these steps has nothing in them.
        if !has_some(layer) {
            left_out.push(layer.name.as_str());
            continue;
        }
        progress.doing(layer.name.clone());
        let own = write(store, options, layer, times).await;
        written.push(own.with_context(|| format!("cannot export layer '{}'", layer.name))?);
        progress.advance();
    }
    drop(progress);
    output::print(&match json {
        true => to_json(&written, &left_out),
        false => to_text(&written, &left_out),
    })
}

/// Writes the steps of a layer in a range of times, which it has one of.
async fn write(
    store: &TemporalStore,
    options: &Options,
    layer: &LayerInfo,
    times: &RangeInclusive<usize>,
) -> Result<Written> {
    let path = layer_file(&options.out, &layer.name, "vdb");
    refuse_store(&options.store, &path, HINT)?;
    let begin = (*times.start()).max(layer.oldest);
    let end = (*times.end()).min(layer.latest).max(begin);
    let stored = store.layer(&layer.name).await?;
    let grid = stored.grid(begin..=end, StorageOptions::default()).await?;
    let (oldest, steps) = (grid.oldest().await?, grid.steps().await?);
    grid.export_vdb(&path).await?;
    let bytes = std::fs::metadata(&path)
        .with_context(|| format!("cannot see the size of {}", path.display()))?
        .len();
    Ok(Written {
        layer: layer.name.clone(),
        path,
        steps: (oldest, steps.last().copied().unwrap_or(oldest)),
        bytes,
    })
}

/// Makes the folder where it is missing.
fn prepare(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

fn to_text(written: &[Written], left_out: &[&str]) -> String {
    let mut text = String::new();
    for file in written {
        let (first, last) = file.steps;
        let steps = if first == last {
            format!("step {first}")
        } else {
            format!("steps {first} to {last}")
        };
        text += &format!(
            "{} -> {} ({steps}, {})\n",
            file.layer,
            file.path.display(),
            bytes(file.bytes)
        );
    }
    let all: u64 = written.iter().map(|file| file.bytes).sum();
    text += &format!(
        "{}, {}\n",
        counted(written.len() as u64, "layer"),
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

fn to_json(written: &[Written], left_out: &[&str]) -> String {
    let file = |file: &Written| {
        json!({
            "layer": file.layer,
            "file": file.path.to_string_lossy(),
            "first": file.steps.0,
            "last": file.steps.1,
            "bytes": file.bytes,
        })
    };
    let written: Vec<_> = written.iter().map(file).collect();
    format!(
        "{:#}\n",
        json!({ "volumes": written, "left_out": left_out })
    )
}
