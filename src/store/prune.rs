use super::core::{Store, by_width};
use super::database::{Batch, Digest, LayerRow};
use super::index::Index;
use super::job::Job;
use crate::Result;
use crate::history::TileSet;

impl Store {
    /// Keeps the newest `keep_last` steps of a layer. The state before them becomes the base.
    ///
    /// Groups of older steps alone are dropped; one that holds some of the kept ones stays, and its
    /// older steps are hidden.
    pub(crate) fn prune_history(&self, id: u32, keep_last: usize) -> Result<()> {
        // Whoever merges groups or makes keyframes counts on the steps that it has seen.
        let _alone = self.maintenance_turn();
        let _turn = self.write_turn()?;
        let pruned = self.database().write(self.options().durability, |batch| {
            let index = self.index_of(batch)?;
            let layer = index.layer(batch, id)?;
            let Some(at) = layer
                .steps
                .len()
                .checked_sub(keep_last + 1)
                .filter(|at| *at > 0)
            else {
                return Ok(None);
            };
            let oldest = layer.steps[at];
            let row = LayerRow {
                oldest,
                base: true,
                ..LayerRow::clone(&layer.row)
            };
            let reader = self.file_reader(batch, &index, &layer);
            let keyframe = by_width!(row.dtype, E => {
                let state = reader.state::<E>(at, &TileSet::all(&row.tiling()))?;
                self.put_keyframe(batch, &row, oldest, &state, None)?.0
            });
            // A dense group is coded upon the state before it, which goes.
            let cut = layer.groups.iter().find(|group| {
                group.row.codebook.is_some() && group.row.first <= oldest && oldest < group.row.last
            });
            let rest = match cut {
                Some(group) => {
                    let steps = at + 1..group.steps.end;
                    let mut changes = 0;
                    for at in steps.clone() {
                        let state = layer.state(&index, batch, at)?;
                        changes += state.map_or(0, |state| state.changes);
                    }
                    let job = Job {
                        layer: id,
                        steps,
                        codec: self.codec_for(&layer, changes),
                        changes,
                        compacts: true,
                    };
                    Some(self.merged(batch, &index, &[job])?)
                }
                None => None,
            };
            for frame in layer.keyframes.iter().filter(|frame| frame.step <= oldest) {
                batch.drop_keyframe(frame)?;
            }
            batch.put_keyframe(&keyframe)?;
            // What was coded against an older keyframe has lost it.
            let orphans = layer.keyframes.iter().filter(|frame| {
                frame.step > oldest && frame.anchor.is_some_and(|anchor| anchor <= oldest)
            });
            for frame in orphans {
                batch.drop_keyframe(frame)?;
            }
            for group in layer.groups.iter().filter(|group| group.row.last <= oldest) {
                batch.drop_group(&group.row)?;
            }
            for merged in rest.iter().flatten() {
                merged.put(batch)?;
            }
            batch.put_layer(&row)?;
            self.drop_commits(batch, &index, &row, layer.seq(at))?;
            Ok(Some(row))
        })?;
        if let (Some(row), Some(heads)) = (pruned, self.heads_mut()?.as_mut()) {
            let head = &mut heads.layers[id as usize];
            head.unsealed = head.unsealed.min(keep_last);
            head.row = row;
        }
        Ok(())
    }

    /// Drops the commits that no layer needs any more: those before every layer's base.
    fn drop_commits(
        &self,
        batch: &Batch,
        index: &Index,
        pruned: &LayerRow,
        seq: i64,
    ) -> Result<()> {
        let mut first = seq;
        for row in index.layers.iter().filter(|row| row.id != pruned.id) {
            let layer = index.layer(batch, row.id)?;
            first = first.min(match (layer.seq(0), layer.steps.len()) {
                (0, 1) => continue, // nothing has been committed for it
                (0, _) => layer.seq(1),
                (seq, _) => seq,
            });
        }
        // The metadata of the oldest state may be that of an older checkpoint.
        let commits = index.commits_in_order();
        let with_metadata = commits
            .iter()
            .rfind(|commit| commit.seq <= first && !commit.metadata.is_empty());
        first = with_metadata.map_or(first, |commit| commit.seq);
        let mut chain: Digest = index.tip.anchor;
        for commit in commits.iter().take_while(|commit| commit.seq < first) {
            chain = commit.chain(&chain);
        }
        if first > index.tip.first_seq {
            batch.drop_commits_before(first, chain)?;
        }
        Ok(())
    }
}
