//! Dropping steps: the state before the oldest one that stays becomes the base, and what steps
//! between others changed becomes part of the next one that stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cut::{Cut, NewGroups};
use super::upkeep::Upkeep;
use super::used_commits::UsedCommits;
use crate::error::{Error, Result};
use crate::store::database::{LayerRow, Snapshot, Transaction};
use crate::store::index::{Index, LayerIndex, LayerKey, Settings};
use crate::store::recording::{Heads, LayerHead};
use crate::values::{Pruned, Retention};

/// Whose steps may go.
enum Layers<'a> {
    All,
    One(&'a LayerKey),
    Numbered(&'a [u32]),
}

impl Layers<'_> {
    fn of(&self, snapshot: &Snapshot, index: &Index) -> Result<Vec<Arc<LayerIndex>>> {
        let numbered = |ids: &mut dyn Iterator<Item = u32>| -> Result<_> {
            ids.map(|id| index.layer(snapshot, id)).collect()
        };
        match self {
            Layers::All => numbered(&mut (0..index.tip.layers)),
            Layers::One(key) => Ok(vec![index.layer_of(snapshot, key)?]),
            Layers::Numbered(ids) => numbered(&mut ids.iter().copied()),
        }
    }
}

impl Upkeep {
    /// Keeps the newest `keep_last` steps of a layer. The state before them becomes the base.
    pub(crate) fn prune_history(&self, key: &LayerKey, keep_last: usize) -> Result<()> {
        let _alone = self.maintenance_turn();
        let last_ones = |settings: &Settings, layer: &LayerIndex| {
            let base = layer
                .steps
                .len()
                .saturating_sub(keep_last.saturating_add(1));
            match settings.pinned(&layer.steps).first_key_value() {
                Some((&place, &tag)) if place < base => Err(Error::Pinned {
                    step: layer.steps[place] as usize,
                    tag: tag.to_owned(),
                }),
                _ => Ok((base..layer.steps.len()).collect()),
            }
        };
        self.prune_in_turn(&Layers::One(key), last_ones, false)
            .map(|_| ())
    }

    /// Applies a policy to one layer or to all; where `dry`, only says what that would do.
    pub(crate) fn prune(
        &self,
        only: Option<&LayerKey>,
        retention: &Retention,
        dry: bool,
    ) -> Result<Pruned> {
        retention.check()?;
        let _alone = self.maintenance_turn();
        let by_policy = |settings: &Settings, layer: &LayerIndex| {
            Ok(settings.retained(&layer.steps, retention))
        };
        self.prune_in_turn(&only.map_or(Layers::All, Layers::One), by_policy, dry)
    }

    /// Applies the policies that were set, where so many steps would go that it pays. Called when a
    /// step has been stored, which it is even if this fails: the next one tries again.
    pub(crate) fn retain_after_step(&self) -> Result<()> {
        let due = |heads: &Heads| -> Vec<u32> {
            let is_due =
                |head: &&LayerHead| heads.settings.is_due(&head.row.name, &head.steps, false);
            let layers = heads.layers.iter().filter(is_due);
            layers.map(|head| head.row.id).collect()
        };
        let due = self.recorder.peek_at_heads(due)?.unwrap_or_default();
        if due.is_empty() {
            return Ok(());
        }
        let _alone = self.maintenance_turn();
        self.retain(&due)
    }

    /// Applies the policies that were set to the last step. For whoever has the right to maintain.
    pub(super) fn retain_exactly(&self) -> Result<()> {
        let due = self.sources.read(|snapshot, index| {
            let settings = Settings::load(snapshot)?;
            let mut due = Vec::new();
            for row in index.layers.iter() {
                let layer = index.layer(snapshot, row.id)?;
                if settings.is_due(&row.name, &layer.steps, true) {
                    due.push(row.id);
                }
            }
            Ok(due)
        })?;
        if due.is_empty() {
            return Ok(());
        }
        self.retain(&due)
    }

    fn retain(&self, ids: &[u32]) -> Result<()> {
        let by_policy = |settings: &Settings, layer: &LayerIndex| {
            let retention = settings.retention_of(&layer.row.name);
            Ok(settings.retained(&layer.steps, retention))
        };
        self.prune_in_turn(&Layers::Numbered(ids), by_policy, false)
            .map(|_| ())
    }

    /// Drops the steps of some layers whose places are not among those that `choose` gives. Whoever
    /// merges groups or makes keyframes counts on the steps that it has seen, so the caller has the
    /// right to do that.
    fn prune_in_turn(
        &self,
        layers: &Layers,
        choose: impl Fn(&Settings, &LayerIndex) -> Result<Vec<usize>>,
        dry: bool,
    ) -> Result<Pruned> {
        let turn = self.recorder.write_turn()?;
        let (mut ids, mut new_groups) = (Vec::new(), NewGroups::new());
        let work = |transaction: &Transaction| {
            let index = self.sources.index_of(transaction)?;
            let settings = Settings::load(transaction)?;
            let mut cuts = Vec::new();
            for layer in layers.of(transaction, &index)? {
                let stays = choose(&settings, &layer)?;
                ids.push(layer.row.id);
                cuts.push(Cut { layer, stays });
            }
            let before = transaction.used_bytes()?;
            let (mut gone, mut left) = (BTreeSet::new(), BTreeSet::new());
            let mut used = UsedCommits::default();
            for row in index.layers.iter() {
                let Some(cut) = cuts.iter().find(|cut| cut.layer.row.id == row.id) else {
                    let layer = index.layer(transaction, row.id)?;
                    used.add(&layer, 0..layer.steps.len());
                    continue;
                };
                let steps = &cut.layer.steps;
                gone.extend(steps.iter().copied());
                left.extend(cut.stays.iter().map(|place| steps[*place]));
                used.add(&cut.layer, cut.stays.iter().copied());
            }
            let cut_short = cuts
                .iter()
                .filter(|cut| cut.stays.len() < cut.layer.steps.len());
            for cut in cut_short.clone() {
                new_groups.extend(self.cut(transaction, &index, cut)?);
            }
            if cut_short.count() > 0 {
                used.drop_others(transaction, &index, index.tip.layers)?;
            }
            let after = transaction.used_bytes()?;
            let oldest = cuts.iter().map(|cut| cut.layer.steps[cut.stays[0]]).min();
            Ok(Pruned {
                steps: gone.difference(&left).map(|step| *step as usize).collect(),
                oldest: oldest.unwrap_or(0) as usize,
                freed_bytes: before.saturating_sub(after),
            })
        };
        if dry {
            return self.sources.database().try_out(work);
        }
        let pruned = self.recorder.write(work)?;
        self.refresh_heads(&ids)?;
        drop(turn);
        for (id, step) in new_groups {
            // What stays is safe, and read more slowly without.
            let _ = self.make_keyframe_at(id, step);
        }
        Ok(pruned)
    }

    /// Brings what the heads say of some layers' histories up to date. Their states are as before.
    fn refresh_heads(&self, ids: &[u32]) -> Result<()> {
        let mut kept = self.recorder.heads_slot()?;
        let Some(heads) = kept.as_mut() else {
            return Ok(());
        };
        let refreshed = self.sources.read(|snapshot, index| {
            for head in heads
                .layers
                .iter_mut()
                .filter(|head| ids.contains(&head.row.id))
            {
                let layer = index.layer(snapshot, head.row.id)?;
                head.unsealed = layer.steps.len() - layer.unsealed();
                head.row = LayerRow::clone(&layer.row);
                head.steps.clone_from(&layer.steps);
            }
            Ok(())
        });
        if refreshed.is_err() {
            *kept = None; // to be read again
        }
        Ok(())
    }
}
