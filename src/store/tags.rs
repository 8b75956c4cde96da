//! Names of steps, and policies, as they are set.

use std::collections::BTreeMap;

use super::core::Store;
use super::database::View;
use super::index::Index;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::values::{Retention, check_tag};

impl Store {
    /// Names a step that some layer has.
    pub(crate) fn tag(&self, name: &str, t: usize) -> Result<()> {
        check_tag(name)?;
        self.change_settings(|view, index, settings| {
            if let Some(&step) = settings.tags.get(name) {
                return Err(Error::TagExists {
                    name: name.to_owned(),
                    step,
                });
            }
            self.find_step(view, index, t)?;
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

    pub(crate) fn tags(&self) -> Result<BTreeMap<String, usize>> {
        self.read(|view, _| Ok(Settings::load(view)?.tags))
    }

    /// The step that a tag is at.
    pub(crate) fn tagged(&self, name: &str) -> Result<usize> {
        self.read(|view, _| Settings::load(view)?.find_tag(name))
    }

    /// Sets the policy of all layers, those that had their own included, or of one.
    pub(crate) fn set_retention(&self, only: Option<u32>, retention: Retention) -> Result<()> {
        retention.check()?;
        self.change_settings(|_, index, settings| {
            match only {
                Some(id) => {
                    let name = index.row(id)?.name.clone();
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

    /// The policy of a layer, or the one of those that have none of their own.
    pub(crate) fn retention(&self, only: Option<u32>) -> Result<Retention> {
        self.read(|view, index| {
            let settings = Settings::load(view)?;
            Ok(match only {
                Some(id) => settings.retention_of(&index.row(id)?.name).clone(),
                None => settings.retention,
            })
        })
    }

    fn change_settings<T>(
        &self,
        change: impl FnOnce(&View, &Index, &mut Settings) -> Result<T>,
    ) -> Result<T> {
        let _turn = self.write_turn()?;
        let (settings, result) = self.database().write(self.options().durability, |batch| {
            let index = self.index_of(batch)?;
            let mut settings = Settings::load(batch)?;
            let result = change(batch, &index, &mut settings)?;
            settings.save(batch)?;
            Ok((settings, result))
        })?;
        if let Some(heads) = self.heads_mut()?.as_mut() {
            heads.settings = settings;
        }
        Ok(result)
    }

    /// Whether any layer has a step, the bases' labels included.
    pub(super) fn find_step(&self, view: &View, index: &Index, t: usize) -> Result<()> {
        let (mut before, mut after, mut oldest) = (None, None, usize::MAX);
        for row in index.layers.iter() {
            let layer = index.layer(view, row.id)?;
            let next = layer.steps.partition_point(|step| (*step as usize) < t);
            let step = |place: usize| layer.steps.get(place).map(|step| *step as usize);
            if step(next) == Some(t) {
                return Ok(());
            }
            before = before.max(next.checked_sub(1).and_then(step));
            after = [after, step(next)].into_iter().flatten().min();
            oldest = oldest.min(layer.oldest());
        }
        Err(if t < oldest && oldest < usize::MAX {
            Error::Pruned { step: t, oldest }
        } else {
            Error::NoSuchStep {
                step: t,
                before,
                after,
            }
        })
    }
}
