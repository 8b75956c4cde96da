//! Names of steps, and policies, as they are set.

use super::recorder::Recorder;
use crate::error::{Error, Result};
use crate::store::database::Snapshot;
use crate::store::index::{Index, LayerKey, Settings};
use crate::values::{Retention, check_tag};

impl Recorder {
    /// Names a step that some layer has. Asked of a layer, that must be there.
    pub(crate) fn tag(&self, key: Option<&LayerKey>, name: &str, t: usize) -> Result<()> {
        check_tag(name)?;
        self.change_settings(|snapshot, index, settings| {
            index.check(key)?;
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

    /// Takes a tag away and says where it was. Asked of a layer, that must be there.
    pub(crate) fn untag(&self, key: Option<&LayerKey>, name: &str) -> Result<usize> {
        self.change_settings(|_, index, settings| {
            index.check(key)?;
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
        self.change_settings(|_, index, settings| {
            index.check(only)?;
            match only {
                Some(key) => {
                    settings.of_layers.insert(key.name.clone(), retention);
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
        if let Some(heads) = self.heads_slot()?.as_mut() {
            heads.settings = settings;
        }
        Ok(result)
    }
}
