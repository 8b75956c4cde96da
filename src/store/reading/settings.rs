//! Tags and policies, as they are.

use std::collections::BTreeMap;

use super::sources::Sources;
use crate::error::Result;
use crate::store::index::{LayerKey, Settings};
use crate::values::Retention;

impl Sources {
    /// The tags, and the steps they are at.
    pub(crate) fn tags(&self) -> Result<BTreeMap<String, usize>> {
        self.read(|snapshot, _| Ok(Settings::load(snapshot)?.tags))
    }

    /// The step that a tag is at.
    pub(crate) fn tagged(&self, name: &str) -> Result<usize> {
        self.read(|snapshot, _| Settings::load(snapshot)?.find_tag(name))
    }

    /// The policy of a layer, or the one of those that have none of their own.
    pub(crate) fn retention(&self, only: Option<&LayerKey>) -> Result<Retention> {
        self.read(|snapshot, index| {
            let settings = Settings::load(snapshot)?;
            Ok(match only {
                Some(key) => settings
                    .retention_of(&index.layer_of(snapshot, key)?.row.name)
                    .clone(),
                None => settings.retention,
            })
        })
    }
}
