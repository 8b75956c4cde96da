//! Names of steps, and policies, as they are set.

use super::recorder::Recorder;
use crate::error::{Error, Result};
use crate::store::database::Snapshot;
use crate::store::index::{Index, LayerKey, Settings};
use crate::values::{Retention, check_tag};

impl Recorder {
    /// Names a step that some layer has.
    pub(crate) fn tag(&self, name: &str, t: usize) -> Result<()> {
        check_tag(name)?;
        self.change_settings(|snapshot, index, settings| {
            if let Some(&step) = settings.tags.get(name) {
                return Err(Error::TagExists {
                    name: name.to_owned(),
                    step,
                });
            }
            index.find_step(snapshot, t)?;
            settings.tags.insert(name.to_owned(), t);
            Ok(())
        })
    }

    /// Takes a tag away and says where it was.
    pub(crate) fn untag(&self, name: &str) -> Result<usize> {
        self.change_settings(|_, _, settings| {
            let step = settings.find_tag(name)?;
            settings.tags.remove(name);
            Ok(step)
        })
    }

    /// Sets the policy of all layers, those that had their own included, or of one.
    pub(crate) fn set_retention(
        &self,
        only: Option<&LayerKey>,
        retention: Retention,
    ) -> Result<()> {
        retention.check()?;
        self.change_settings(|snapshot, index, settings| {
            match only {
                Some(key) => {
                    let name = index.layer_of(snapshot, key)?.row.name.clone();
                    settings.of_layers.insert(name, retention);
                }
                None => {
                    settings.of_layers.clear();
                    settings.retention = retention;
                }
            }
            Ok(())
        })
    }

    fn change_settings<T>(
        &self,
        change: impl FnOnce(&Snapshot, &Index, &mut Settings) -> Result<T>,
    ) -> Result<T> {
        let _turn = self.write_turn()?;
        let (settings, result) = self.write(|transaction| {
            let index = self.sources.index_of(transaction)?;
            let mut settings = Settings::load(transaction)?;
            let result = change(transaction, &index, &mut settings)?;
            settings.save(transaction)?;
            Ok((settings, result))
        })?;
        if let Some(heads) = self.heads_if_loaded()?.as_mut() {
            heads.settings = settings;
        }
        Ok(result)
    }
}
