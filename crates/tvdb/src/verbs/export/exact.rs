//! Layers in the exact form.

use std::ops::RangeInclusive;

use anyhow::{Context, Result};
use temporal_vdb::{LayerInfo, StorageOptions, TemporalStore};

use super::{Options, Volume};
use crate::files::layer_file::layer_file;
use crate::files::target::refuse_store;

const HINT: &str = "name a folder of its own: -o volumes";

/// Writes the steps of a layer in a range of times, which it has one of.
pub(super) async fn write(
    store: &TemporalStore,
    options: &Options,
    layer: &LayerInfo,
    times: &RangeInclusive<usize>,
) -> Result<Volume> {
    let path = layer_file(&options.out, &layer.name, "vdb");
    refuse_store(&options.store, &path, HINT)?;
    let begin = (*times.start()).max(layer.oldest);
    let end = (*times.end()).min(layer.latest).max(begin);
    let stored = store.layer(&layer.name).await?;
    let grid = stored.grid(begin..=end, StorageOptions::default()).await?;
    let steps = temporal_vdb::TemporalLayer::steps(&grid).await?;
    let oldest = temporal_vdb::TemporalLayer::oldest(&grid).await?;
    grid.export_vdb(&path).await?;
    let bytes = std::fs::metadata(&path)
        .with_context(|| format!("cannot see the size of {}", path.display()))?
        .len();
    Ok(Volume {
        layer: layer.name.clone(),
        path,
        steps: (oldest, steps.last().copied().unwrap_or(oldest)),
        bytes,
    })
}
