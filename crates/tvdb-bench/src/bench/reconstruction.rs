//! The state at the last step out of all changes: by the store, and by the alternatives.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use temporal_vdb::{StoreOptions, TemporalStore};

use super::measure::{Timings, timed};
use super::measured_layer::{CHANGES_AT_ONCE, MeasuredLayer};
use crate::Listener;

/// Seconds for the state at the last step, summed over all layers; `None` where it was not tried.
pub struct Reconstruction {
    /// The store, without a latest state at hand.
    pub history: f64,
    /// A FloatGrid of all steps, by the native kernels.
    pub grid: Option<f64>,
    /// Arrays of (row, column, delta) for each step, added into a dense matrix.
    pub coo: f64,
    /// A hash map for each step, added up in one.
    pub hashmap: Option<f64>,
    /// A FloatGrid of all steps, walked voxel by voxel.
    pub voxel: Option<f64>,
    /// Why those that are `None` are, by the name that the JSON has for them.
    pub skipped: BTreeMap<&'static str, String>,
}

impl Reconstruction {
    /// Measures a store that no one has open for writing.
    pub(super) async fn measure(
        path: &Path,
        options: StoreOptions,
        listener: &dyn Listener,
    ) -> Result<Self> {
        let store = TemporalStore::open_read_only(path, options).await?;
        let stats = store.stats().await?;
        let mut all = Reconstruction {
            history: measure_last_state(&store, stats.latest.unwrap_or(0)).await?,
            grid: Some(0.0),
            coo: 0.0,
            hashmap: Some(0.0),
            voxel: Some(0.0),
            skipped: BTreeMap::new(),
        };
        // Hash maps and voxels would take many minutes and gigabytes.
        if stats.changes > CHANGES_AT_ONCE {
            let reason = format!("more than {CHANGES_AT_ONCE} changes");
            (all.hashmap, all.voxel) = (None, None);
            all.skipped.insert("hashmap", reason.clone());
            all.skipped.insert("voxel", reason);
        }
        let layers = stats
            .layers
            .iter()
            .filter(|layer| layer.info.matrix.is_some());
        let count = layers.clone().count();
        for (index, layer) in layers.enumerate() {
            listener.doing(&format!("adding up {} of {count}", index + 1));
            let layer = MeasuredLayer::new(&store, layer, options).await?;
            all.add(&layer).await?;
        }
        Ok(all)
    }

    /// Adds what one layer takes.
    async fn add(&mut self, layer: &MeasuredLayer) -> Result<()> {
        let (seconds, whole) = layer.coo().await?;
        self.coo += seconds;
        // Where the changes are too many to be in memory at once, these are left out already.
        if let Some(steps) = whole {
            if let Some(sum) = &mut self.hashmap {
                *sum += layer.hashmap(&steps).await?;
            }
            if let Some(sum) = &mut self.voxel {
                match layer.voxel(&steps).await? {
                    Some(seconds) => *sum += seconds,
                    None => {
                        self.voxel = None;
                        self.skipped.insert("voxel", too_large(layer.name()));
                    }
                }
            }
        }
        if let Some(sum) = &mut self.grid {
            match layer.grid().await? {
                Some(seconds) => *sum += seconds,
                None => {
                    self.grid = None;
                    self.skipped.insert("grid", too_large(layer.name()));
                }
            }
        }
        Ok(())
    }
}

fn too_large(layer: &str) -> String {
    format!("grids of layer '{layer}' take too much memory")
}

/// The last step from the store, warmed by one that is not counted.
pub(super) async fn measure_last_state(store: &TemporalStore, last: usize) -> Result<f64> {
    drop(store.weights_at(last).await?);
    let mut timings = Timings::default();
    while timings.wants_more() {
        let (weights, seconds) = timed(store.weights_at(last)).await?;
        drop(weights);
        timings.push(seconds);
    }
    Ok(timings.median())
}
