//! Which steps stay, as it was set.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use temporal_vdb::{LayerInfo, Retention, TemporalLayer, TemporalStore};

/// The policies of a store.
pub(crate) struct Policies {
    /// Of all layers but those that have another one.
    pub(crate) common: Retention,
    /// Of those.
    pub(crate) own: BTreeMap<String, Retention>,
}

impl Policies {
    pub(crate) async fn of<'a>(
        store: &TemporalStore,
        layers: impl Iterator<Item = &'a LayerInfo>,
    ) -> Result<Self> {
        let common = store.retention().await?;
        let mut own = BTreeMap::new();
        // What is kept whole has no policy of its own.
        for info in layers.filter(|info| info.matrix.is_some()) {
            let policy = store.layer(&info.name).await?.retention().await?;
            if policy != common {
                own.insert(info.name.clone(), policy);
            }
        }
        Ok(Policies { common, own })
    }

    /// The policy of a layer.
    pub(crate) fn of_layer(&self, name: &str) -> &Retention {
        self.own.get(name).unwrap_or(&self.common)
    }

    /// Whether all steps of all layers stay.
    pub(crate) fn keep_all(&self) -> bool {
        self.common == Retention::KeepAll && self.own.is_empty()
    }

    pub(crate) fn to_json(&self) -> Value {
        let own = self.own.iter();
        let own: BTreeMap<_, _> = own
            .map(|(name, policy)| (name, policy.to_string()))
            .collect();
        json!({ "common": self.common.to_string(), "layers": own })
    }
}
