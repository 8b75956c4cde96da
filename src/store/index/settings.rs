use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::host::nearest;
use crate::store::database::{SettingsRow, Snapshot, Transaction};
use crate::values::Retention;

/// What was set for a store: names of steps, and which steps stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) tags: BTreeMap<String, usize>,
    /// Of all layers but those that have their own.
    pub(crate) retention: Retention,
    pub(crate) of_layers: BTreeMap<String, Retention>,
}

/// Keys of the policies' JSON object.
const STORE: &str = "store";
const LAYERS: &str = "layers";

impl Settings {
    pub(crate) fn load(snapshot: &Snapshot) -> Result<Self> {
        let row = snapshot.settings()?;
        Settings::parse(&row).ok_or_else(|| Error::damaged("its settings cannot be read"))
    }

    fn parse(row: &SettingsRow) -> Option<Self> {
        let mut retention: Map<String, Value> = serde_json::from_str(&row.retention).ok()?;
        let policy = |value: &Value| value.as_str()?.parse().ok();
        let of_layers = match retention.remove(LAYERS) {
            None => BTreeMap::new(),
            Some(Value::Object(layers)) => layers
                .iter()
                .map(|(name, value)| Some((name.clone(), policy(value)?)))
                .collect::<Option<_>>()?,
            Some(_) => return None,
        };
        Some(Settings {
            tags: serde_json::from_str(&row.tags).ok()?,
            retention: match retention.get(STORE) {
                None => Retention::KeepAll,
                Some(value) => policy(value)?,
            },
            of_layers,
        })
    }

    pub(crate) fn save(&self, transaction: &Transaction) -> Result<()> {
        let tags: Map<_, _> = self
            .tags
            .iter()
            .map(|(name, step)| (name.clone(), Value::from(*step)))
            .collect();
        let mut retention = Map::new();
        let text = |policy: &Retention| Value::from(policy.to_string());
        if self.retention != Retention::KeepAll {
            retention.insert(STORE.to_owned(), text(&self.retention));
        }
        if !self.of_layers.is_empty() {
            let layers = self.of_layers.iter();
            let layers: Map<_, _> = layers
                .map(|(name, policy)| (name.clone(), text(policy)))
                .collect();
            retention.insert(LAYERS.to_owned(), Value::Object(layers));
        }
        transaction.put_settings(&SettingsRow {
            tags: Value::Object(tags).to_string(),
            retention: Value::Object(retention).to_string(),
        })
    }

    /// The policy of a layer.
    pub(crate) fn retention_of(&self, name: &str) -> &Retention {
        self.of_layers.get(name).unwrap_or(&self.retention)
    }

    /// The places of a layer's steps that answer for tags.
    pub(crate) fn pinned(&self, steps: &[i32]) -> BTreeMap<usize, &str> {
        let place = |tagged: usize| {
            let after = steps.partition_point(|step| *step as usize <= tagged);
            after.checked_sub(1)
        };
        let tags = self.tags.iter();
        tags.filter_map(|(name, step)| Some((place(*step)?, name.as_str())))
            .collect()
    }

    /// The places of a layer's steps that a policy keeps.
    pub(crate) fn retained(&self, steps: &[i32], retention: &Retention) -> Vec<usize> {
        let pinned: BTreeSet<i32> = self
            .pinned(steps)
            .into_keys()
            .map(|place| steps[place])
            .collect();
        retention.retained(steps, |step| pinned.contains(&step))
    }

    /// Whether so many of a layer's steps would go by its policy that it pays to apply it; any at
    /// all where `exactly`.
    pub(crate) fn is_due(&self, name: &str, steps: &[i32], exactly: bool) -> bool {
        let retention = self.retention_of(name);
        if *retention == Retention::KeepAll {
            return false;
        }
        let least = if exactly { 1 } else { retention.batch() };
        steps.len() > least && steps.len() - self.retained(steps, retention).len() >= least
    }

    /// Where a tag is.
    pub(crate) fn find_tag(&self, name: &str) -> Result<usize> {
        self.tags
            .get(name)
            .copied()
            .ok_or_else(|| Error::NoSuchTag {
                name: name.to_owned(),
                nearest: nearest(name, self.tags.keys()),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_settings_is_refused() {
        let row = |tags: &str, retention: &str| SettingsRow {
            tags: tags.to_owned(),
            retention: retention.to_owned(),
        };
        assert_eq!(Settings::parse(&row("{}", "{}")), Some(Settings::default()));
        for (tags, retention) in [
            ("", "{}"),
            ("{}", "[]"),
            (r#"{"a":-1}"#, "{}"),
            ("{}", r#"{"store":"last 0"}"#),
            ("{}", r#"{"store":3}"#),
            ("{}", r#"{"layers":"all"}"#),
            ("{}", r#"{"layers":{"w":"some"}}"#),
        ] {
            assert_eq!(
                Settings::parse(&row(tags, retention)),
                None,
                "{tags} {retention}"
            );
        }
    }
}
