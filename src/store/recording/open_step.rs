use std::collections::BTreeMap;

use super::contents::{Contribution, StepContents};
use crate::error::Result;
use crate::grids::Layer;

/// The step that is open, of all layers that something has been accumulated for.
pub(crate) struct OpenStep {
    pub(crate) step: usize,
    /// By id. Each is zeros and one step.
    pub(super) layers: BTreeMap<u32, Layer>,
}

impl OpenStep {
    /// Forgets what was accumulated for one layer, or for all, and says whether there was any.
    pub(crate) fn drop_layers(&mut self, only: Option<u32>) -> bool {
        let before = self.layers.len();
        self.layers
            .retain(|id, _| only.is_some_and(|only| only != *id));
        self.layers.len() < before
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Whether something has been accumulated for a layer.
    pub(super) fn has(&self, id: u32) -> bool {
        self.layers.contains_key(&id)
    }

    /// What commits it.
    pub(super) fn contents(&self) -> Result<StepContents> {
        let changes = self.layers.values().map(|layer| {
            let delta = layer.get_delta_layer(self.step)?;
            Ok(Contribution::Changes(layer.name().to_owned(), None, delta))
        });
        let changes = changes.collect::<Result<_>>()?;
        Ok(StepContents::of(Some(self.step), changes))
    }
}
