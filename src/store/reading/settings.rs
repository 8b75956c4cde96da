//! Tags and policies, as they are.

use std::collections::BTreeMap;

use super::sources::Sources;
use crate::error::Result;
use crate::store::index::{LayerKey, Settings};
use crate::values::Retention;

impl Sources {
    /// The tags, and the steps they are at. Asked of a layer, that must be there.
    pub(crate) fn tags(&self, key: Option<&LayerKey>) -> Result<BTreeMap<String, usize>> {
        self.read(|snapshot, index| {
            index.check(key)?;
            Ok(Settings::load(snapshot)?.tags)
        })
    }

    /// The step that a tag is at.
    pub(crate) fn tagged(&self, name: &str) -> Result<usize> {
        self.read(|snapshot, _| Settings::load(snapshot)?.find_tag(name))
    }

    /// The policy of a layer, or the one of those that have none of their own.
    pub(crate) fn retention(&self, only: Option<&LayerKey>) -> Result<Retention> {
        self.read(|snapshot, index| {
            index.check(only)?;
            let settings = Settings::load(snapshot)?;
            Ok(match only {
                Some(key) => settings.retention_of(&key.name).clone(),
                None => settings.retention,
            })
        })
    }
}
