//! Sealing the journal, with what follows from it: keyframes, merging, and looking after the database.

use super::job::Job;
use super::upkeep::Upkeep;
use crate::coding::SLAB_STEPS;
use crate::error::Result;
use crate::host::freed_memory;
use crate::store::database::Care;
use crate::store::index::LayerIndex;
use crate::store::recording::Heads;

/// Unsealed steps from which on recording waits for sealing.
const BACKLOG: usize = 8 * SLAB_STEPS;

/// Changes that are merged in one transaction, about.
const TRANSACTION_CHANGES: u64 = 4 << 20;

impl Upkeep {
    /// Seals whole slabs, makes keyframes that are due, and merges what merges well.
    pub(super) fn maintain(&self) -> Result<()> {
        self.maintain_with(false, false)
    }

    fn maintain_with(&self, short: bool, eager: bool) -> Result<()> {
        let _alone = self.maintenance_turn();
        let layers = self.sources.read(|_, index| {
            let matrices = index.layers.iter().filter(|row| row.matrix.is_some());
            Ok(matrices.map(|row| row.id).collect::<Vec<_>>())
        })?;
        loop {
            let slab = |layer: &LayerIndex| self.merge_rules().next_slab(layer, short, eager);
            let slabs = self.jobs(&layers, |layer| slab(layer).into_iter().collect())?;
            if slabs.is_empty() {
                break;
            }
            if self.merge_all(&slabs)? {
                self.count_sealed(&slabs)?;
                for job in &slabs {
                    self.make_keyframe(job.layer)?;
                }
            }
        }
        if eager {
            // One pass does all there is to do.
            self.retain_exactly()?;
            self.merge_all(&self.jobs(&layers, |layer| self.merge_rules().every_merge(layer))?)?;
            return Ok(());
        }

        loop {
            let next =
                |layer: &LayerIndex| self.merge_rules().next_merge(layer).into_iter().collect();
            let merges = self.jobs(&layers, next)?;
            if merges.is_empty() {
                return Ok(());
            }
            self.merge_all(&merges)?;
        }
    }

    /// What is to be merged, of each layer.
    fn jobs(&self, layers: &[u32], of_layer: impl Fn(&LayerIndex) -> Vec<Job>) -> Result<Vec<Job>> {
        self.sources.read(|snapshot, index| {
            let mut jobs = Vec::new();
            for &id in layers {
                jobs.extend(of_layer(&*index.layer(snapshot, id)?));
            }
            Ok(jobs)
        })
    }

    /// Merges in few transactions; `false` where the store has moved on and something was not done.
    fn merge_all(&self, jobs: &[Job]) -> Result<bool> {
        let mut done = true;
        let mut rest = jobs;
        while !rest.is_empty() {
            let mut changes = 0;
            let within = rest.iter().take_while(|job| {
                changes += job.changes;
                changes <= TRANSACTION_CHANGES
            });
            let (now, later) = rest.split_at(within.count().max(1));
            done &= self.merge(now)?;
            self.sources.database().maintain(Care::Passing)?;
            rest = later;
        }
        Ok(done)
    }

    fn count_sealed(&self, slabs: &[Job]) -> Result<()> {
        if let Some(heads) = self.recorder.heads_slot()?.as_mut() {
            for job in slabs {
                let head = &mut heads.layers[job.layer as usize];
                head.unsealed = head.unsealed.saturating_sub(job.steps.len());
            }
        }
        Ok(())
    }

    /// Waits where sealing has fallen far behind. Called without the turn.
    pub(crate) fn wait_for_sealing(&self) -> Result<()> {
        let behind = |heads: &Heads| heads.layers.iter().any(|head| head.unsealed >= BACKLOG);
        if self.recorder.peek_at_heads(behind)? == Some(true) {
            self.maintain()?;
        }
        Ok(())
    }

    pub(crate) fn seal(&self) -> Result<()> {
        self.sources.database().check_writable()?;
        self.maintain_with(true, false)
    }

    pub(crate) fn compact(&self) -> Result<()> {
        self.sources.database().check_writable()?;
        self.maintain_with(true, true)?;
        self.sources.database().maintain(Care::Thorough)
    }

    pub(crate) fn settle(&self) -> Result<()> {
        self.sources.database().check_writable()?;
        self.maintain()?;
        freed_memory::release();
        self.sources.database().maintain(Care::Thorough)
    }
}
