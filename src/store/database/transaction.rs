use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use super::backend::{Batch, Key, Table};
use super::digest::{Digest, digest_of};
use super::rows::{
    Blobs, CommitRow, GapRow, GroupRow, KeyframeRow, LayerRow, NewCommit, SettingsRow, StateRow,
    Tip,
};
use super::snapshot::{Snapshot, codebook_sum};
use crate::error::Result;

/// Rows that are written together. What it has put it can also read.
pub(crate) struct Transaction<'b> {
    batch: &'b dyn Batch,
    snapshot: Snapshot<'b>,
    tip: RefCell<Tip>,
    /// How many groups are coded with each codebook, once that has been asked.
    coded: RefCell<Option<HashMap<u64, usize>>>,
}

impl<'b> Deref for Transaction<'b> {
    type Target = Snapshot<'b>;

    fn deref(&self) -> &Snapshot<'b> {
        &self.snapshot
    }
}

impl<'b> Transaction<'b> {
    pub(super) fn new(batch: &'b dyn Batch) -> Result<Self> {
        let snapshot = Snapshot::new(batch);
        let tip = RefCell::new(snapshot.tip()?);
        Ok(Transaction {
            batch,
            snapshot,
            tip,
            coded: RefCell::default(),
        })
    }

    /// Writes the tip that all that has been put leads to.
    pub(super) fn finish(&self) -> Result<()> {
        let mut tip = self.tip.borrow_mut();
        tip.generation += 1;
        self.batch.put(Table::Tip, &Tip::key(), tip.to_row())
    }

    /// Appends a commit and chains it to the one before.
    pub(crate) fn put_commit(&self, new: NewCommit, states: &[StateRow]) -> Result<()> {
        let mut tip = self.tip.borrow_mut();
        let states = StateRow::encode(states);
        let commit = CommitRow::after(&tip, new, digest_of(&states));
        let key = CommitRow::key(commit.seq);
        self.batch
            .add(Table::Commits, &key, commit.to_row(states))?;
        tip.seq = commit.seq;
        tip.chain = commit.chain;
        tip.commits += 1;
        Ok(())
    }

    /// Drops the commits of which `stays` says no. `commits` are all there are, in their order.
    pub(crate) fn drop_commits(
        &self,
        commits: &[Arc<CommitRow>],
        stays: impl Fn(&CommitRow) -> bool,
    ) -> Result<()> {
        let mut tip = self.tip.borrow_mut();
        let mut first = None;
        let (mut seq, mut chain) = (tip.first_seq - 1, tip.anchor);
        // The chain before the commits that go now.
        let mut gone: Option<Digest> = None;
        for commit in commits {
            if !stays(commit) {
                self.delete(Table::Commits, CommitRow::key(commit.seq))?;
                tip.commits -= 1;
                gone = Some(commit.chain);
                continue;
            }
            match gone.take() {
                Some(before) if first.is_some() => self.begin_anew(commit, before)?,
                Some(before) => {
                    tip.first_seq = commit.seq;
                    tip.anchor = commit.before.unwrap_or(before);
                }
                None => {}
            }
            first.get_or_insert(commit.seq);
            (seq, chain) = (commit.seq, commit.chain);
        }
        tip.seq = seq;
        tip.chain = chain;
        Ok(())
    }

    /// Has a commit say which chain it is upon, since the commits before it have gone.
    fn begin_anew(&self, commit: &CommitRow, before: Digest) -> Result<()> {
        let row = self.whole_commit(commit.seq)?;
        let commit = CommitRow {
            before: Some(commit.before.unwrap_or(before)),
            ..commit.clone()
        };
        // Its states stay as they are, whatever they are: whoever reads them checks them.
        let row = commit.to_row(CommitRow::encoded_states(row)?);
        self.batch
            .put(Table::Commits, &CommitRow::key(commit.seq), row)
    }

    pub(crate) fn put_gap(&self, gap: &GapRow) -> Result<()> {
        self.batch.add(Table::Gaps, &gap.key(), gap.to_row())?;
        self.tip.borrow_mut().gaps += 1;
        Ok(())
    }

    pub(crate) fn drop_gap(&self, gap: &GapRow) -> Result<()> {
        self.delete(Table::Gaps, gap.key())?;
        self.tip.borrow_mut().gaps -= 1;
        Ok(())
    }

    pub(crate) fn put_settings(&self, settings: &SettingsRow) -> Result<()> {
        self.batch
            .put(Table::Settings, &SettingsRow::key(), settings.to_row())
    }

    /// Drops the newest layer, of which nothing else is left.
    pub(crate) fn drop_layer(&self, id: u32) -> Result<()> {
        self.delete(Table::Layers, Key::of(id.into()))?;
        self.tip.borrow_mut().layers = id;
        Ok(())
    }

    /// Adds a layer or replaces it.
    pub(crate) fn put_layer(&self, layer: &LayerRow) -> Result<()> {
        self.batch
            .put(Table::Layers, &layer.key(), layer.to_row())?;
        let mut tip = self.tip.borrow_mut();
        tip.layers = tip.layers.max(layer.id + 1);
        Ok(())
    }

    /// Stores a blob and gives its id, which follows the one before it.
    pub(crate) fn put_blob(&self, data: &[u8]) -> Result<u64> {
        let mut tip = self.tip.borrow_mut();
        let id = tip.next_blob;
        self.batch.put_blob(id, data)?;
        tip.next_blob = id + 1;
        Ok(id)
    }

    pub(crate) fn put_group(&self, group: &GroupRow) -> Result<()> {
        self.batch
            .add(Table::Groups, &group.key(), group.to_row())?;
        let mut coded = self.coded.borrow_mut();
        if let (Some(id), Some(coded)) = (group.codebook, coded.as_mut()) {
            *coded.entry(id).or_default() += 1;
        }
        Ok(())
    }

    /// Drops a group with its blobs, and its codebook if no other group has it. One that has been dropped
    /// already stays so.
    pub(crate) fn drop_group(&self, group: &GroupRow) -> Result<()> {
        if !self.has_group(&group.key())? {
            return Ok(());
        }
        let is_last = match group.codebook {
            Some(id) => self.uncount(id)?,
            None => false,
        };
        self.delete(Table::Groups, group.key())?;
        self.drop_blobs(&group.blobs)?;
        match group.codebook {
            Some(id) if is_last => self.batch.delete_blobs(id..id.saturating_add(1)),
            _ => Ok(()),
        }
    }

    /// One group less has a codebook; whether it was the last one. All groups are looked through once
    /// in a transaction.
    fn uncount(&self, codebook: u64) -> Result<bool> {
        let mut coded = self.coded.borrow_mut();
        let coded = match &mut *coded {
            Some(coded) => coded,
            none => none.insert(self.count_coded()?),
        };
        let count = coded.entry(codebook).or_default();
        *count = count.saturating_sub(1);
        Ok(*count == 0)
    }

    /// Stores a codebook and gives its id.
    pub(crate) fn put_codebook(&self, data: &[u8]) -> Result<u64> {
        let id = self.tip.borrow().next_blob;
        self.put_blob(&[&codebook_sum(id, data), data].concat())
    }

    pub(crate) fn put_keyframe(&self, keyframe: &KeyframeRow) -> Result<()> {
        self.batch
            .add(Table::Keyframes, &keyframe.key(), keyframe.to_row())
    }

    /// Drops a keyframe with its blobs.
    pub(crate) fn drop_keyframe(&self, keyframe: &KeyframeRow) -> Result<()> {
        self.delete(Table::Keyframes, keyframe.key())?;
        self.drop_blobs(&keyframe.blobs)
    }

    fn drop_blobs(&self, blobs: &Blobs) -> Result<()> {
        self.batch.delete_blobs(blobs.ids())
    }

    fn delete(&self, table: Table, key: Key) -> Result<()> {
        self.batch.delete(table, key..=key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::backend::Backend;
    use super::super::memory::Memory;
    use super::super::rows::BlobOwner;
    use super::*;
    use crate::store::options::Durability;

    fn group(first: i32, codebook: u64) -> GroupRow {
        let owner = BlobOwner::Group {
            layer: 0,
            first,
            last: first,
        };
        GroupRow {
            layer: 0,
            first,
            last: first,
            steps: 1,
            level: 1,
            changes: 1,
            codebook: Some(codebook),
            lattice: None,
            blobs: Blobs {
                first: 100 + first as u64,
                sums: [owner.sum(0, b"")].into(),
                ..Blobs::none()
            },
        }
    }

    /// A group that is cut into several is dropped by each of them. It was counted each time, and a
    /// codebook went that others were coded with.
    #[test]
    fn a_codebook_goes_with_the_last_group_that_has_it() {
        let memory = Memory::new();
        let batch = memory.begin(Durability::Eventual).unwrap();
        let transaction = Transaction::new(&*batch).unwrap();
        let codebook = transaction.put_codebook(b"frequencies").unwrap();
        for first in 1..=3 {
            transaction.put_group(&group(first, codebook)).unwrap();
        }
        let is_there = || transaction.codebook(codebook).is_ok();
        for _ in 0..3 {
            transaction.drop_group(&group(1, codebook)).unwrap();
            assert!(is_there());
        }
        transaction.put_group(&group(4, codebook)).unwrap();
        transaction.drop_group(&group(2, codebook)).unwrap();
        transaction.drop_group(&group(3, codebook)).unwrap();
        assert!(is_there());
        transaction.drop_group(&group(4, codebook)).unwrap();
        assert!(!is_there());
    }
}
