//! Dropping the newest steps.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::job::Job;
use super::merge::Merged;
use super::upkeep::Upkeep;
use super::used_commits::UsedCommits;
use crate::error::{Error, Result};
use crate::store::database::{GapRow, LayerRow, Transaction};
use crate::store::index::{Index, LayerIndex, LayerKey, PlacedGroup, Settings};

impl Upkeep {
    /// Drops the steps of all layers after time `t`, or those of one, and says how many steps there
    /// were.
    pub(crate) fn rollback(&self, only: Option<&LayerKey>, t: usize) -> Result<usize> {
        let _alone = self.maintenance_turn();
        let _turn = self.recorder.write_turn()?;
        let mut open = self.recorder.open_step();
        let mut dropped = self.recorder.write(|transaction| {
            let index = self.sources.index_of(transaction)?;
            index.check(only)?;
            let settings = Settings::load(transaction)?;
            let began_later = |row: &LayerRow| only.is_none() && row.created as usize > t;
            let kept = match only {
                Some(_) => index.layers.len(),
                None => index.layers.partition_point(|row| !began_later(row)),
            };
            if only.is_none() {
                check_later_layers(&index.layers, kept, t)?;
            }
            let mut dropped = BTreeSet::new();
            let mut used = UsedCommits::default();
            let mut cuts = Vec::new();
            for row in index.layers.iter() {
                let layer = index.layer(transaction, row.id)?;
                let stays = if only.is_some_and(|key| key.id != row.id) {
                    layer.steps.len()
                } else if began_later(row) {
                    0
                } else {
                    layer.as_of(t)? + 1
                };
                if let Some((&place, &tag)) = settings.pinned(&layer.steps).range(stays..).next() {
                    return Err(Error::Pinned {
                        step: layer.steps[place] as usize,
                        tag: tag.to_owned(),
                    });
                }
                dropped.extend(layer.steps[stays..].iter().copied());
                used.add(&layer, 0..stays);
                cuts.push((layer, stays));
            }
            if kept == 0 && !index.layers.is_empty() {
                let oldest = index.layers.iter().map(|row| row.created).min();
                return Err(Error::Pruned {
                    step: t,
                    oldest: oldest.unwrap_or(0) as usize,
                });
            }
            let newest = used.newest();
            for (layer, stays) in cuts.iter().rev() {
                self.cut_after(transaction, &index, layer, *stays)?;
                put_gaps_after(transaction, layer, *stays, newest)?;
            }
            used.drop_others(transaction, &index, kept as u32)?;
            let mut remaining = settings.clone();
            for row in &index.layers[kept..] {
                remaining.of_layers.remove(&row.name);
            }
            if remaining != settings {
                remaining.save(transaction)?;
            }
            Ok(dropped)
        })?;
        // What was accumulated for a layer that is as it was goes on.
        if let Some(step) = open.as_mut().filter(|open| open.step > t) {
            let lost = step.drop_layers(only.map(|key| key.id));
            if lost {
                dropped.insert(step.step as i32);
            }
            if step.is_empty() {
                *open = None;
            }
        }
        // Read again when they are asked for.
        *self.recorder.heads_slot()? = None;
        Ok(dropped.len())
    }

    /// Writes a layer without the steps from a place on; all of it goes where that is its first.
    fn cut_after(
        &self,
        transaction: &Transaction,
        index: &Index,
        layer: &Arc<LayerIndex>,
        stays: usize,
    ) -> Result<()> {
        if stays == layer.steps.len() {
            return Ok(());
        }
        let is_cut = |group: &&PlacedGroup| group.steps.start < stays && stays < group.steps.end;
        let rest = match layer.groups.iter().find(is_cut) {
            None => None,
            Some(group) => {
                let steps = group.steps.start..stays;
                let mut changes = 0;
                for at in steps.clone() {
                    let state = layer.state(&index.commits, transaction, at)?;
                    changes += state.map_or(0, |state| state.changes);
                }
                let job = Job {
                    layer: layer.row.id,
                    stays: steps.clone().collect(),
                    steps,
                    codec: self.merge_rules().codec_for(layer, changes),
                    changes,
                    compacts: group.row.level > 1,
                };
                Some(self.merged(transaction, index, &[job])?)
            }
        };
        for frame in &layer.keyframes {
            let place = layer.steps.partition_point(|step| *step < frame.step);
            if place >= stays {
                transaction.drop_keyframe(frame)?;
            }
        }
        for group in layer
            .groups
            .iter()
            .filter(|group| group.steps.start >= stays)
        {
            transaction.drop_group(&group.row)?;
        }
        if let Some(merged) = rest {
            Merged::put(&merged, transaction)?;
        }
        if stays == 0 {
            transaction.drop_layer(layer.row.id)?;
        }
        Ok(())
    }
}

/// Layers have their numbers in the order in which they came, so only the newest ones can go.
fn check_later_layers(layers: &[Arc<LayerRow>], kept: usize, t: usize) -> Result<()> {
    let began_later = |row: &&Arc<LayerRow>| row.created as usize > t;
    let (earlier, later) = layers.split_at(kept);
    match earlier.iter().find(began_later) {
        None if later.iter().all(|row| began_later(&row)) => Ok(()),
        _ => {
            let row = layers.iter().find(began_later);
            Err(Error::LayerBeganLater {
                name: row.map(|row| row.name.clone()).unwrap_or_default(),
                created: row.map_or(0, |row| row.created as usize),
                step: t,
            })
        }
    }
}

/// Commits that stay for other layers are no steps of this one; and numbers of commits that go will
/// be used again.
fn put_gaps_after(
    transaction: &Transaction,
    layer: &LayerIndex,
    stays: usize,
    newest: i64,
) -> Result<()> {
    let last = match stays {
        0 => i64::MIN,
        stays => layer.seq(stays - 1),
    };
    let is_cut = stays < layer.steps.len();
    for gap in &layer.gaps {
        let kept = if is_cut && gap.first > last {
            None
        } else {
            (gap.first <= newest).then_some(GapRow {
                last: gap.last.min(newest),
                ..*gap
            })
        };
        if kept.as_ref() != Some(gap) {
            transaction.drop_gap(gap)?;
            kept.iter().try_for_each(|gap| transaction.put_gap(gap))?;
        }
    }
    if is_cut && stays > 0 && newest > last {
        transaction.put_gap(&GapRow {
            layer: layer.row.id,
            first: last + 1,
            last: newest,
            changes: None,
        })?;
    }
    Ok(())
}
