//! One layer, by its name.

use std::path::Path;

use anyhow::Result;
use temporal_vdb::{Error, LayerInfo, StoredLayer, TemporalStore};

use crate::args::at::no_step_yet;
use crate::args::axes::Axes;

/// A layer that is a matrix over time.
pub(crate) struct WeightLayer {
    pub(crate) info: LayerInfo,
    pub(crate) axes: Axes,
    pub(crate) stored: StoredLayer,
}

impl WeightLayer {
    /// # Errors
    ///
    /// If there is no such layer, or if it is kept whole.
    pub(crate) async fn find(store: &TemporalStore, path: &Path, name: &str) -> Result<Self> {
        let layers = store.layers().await?;
        if layers.is_empty() {
            return Err(no_step_yet(path));
        }
        let stored = store.layer(name).await?;
        let info = layers.into_iter().find(|info| info.name == name);
        // It is missing where another process has added it just now.
        let found = info.and_then(|info| Some((Axes::of(&info)?, info)));
        let (axes, info) = found.ok_or_else(|| Error::NoSuchLayer {
            name: name.to_owned(),
            nearest: Vec::new(),
        })?;
        Ok(WeightLayer { info, axes, stored })
    }
}
