use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::backend::{Key, Row, Table, View};
use super::digest::Sum;
use super::rows::{CommitRow, GapRow, GroupRow, KeyframeRow, LayerRow, SettingsRow, StateRow, Tip};
use crate::error::{Error, Result};

/// One consistent state of a store: what is read through it belongs together. Every row is checked
/// against its checksum.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot<'v> {
    view: &'v dyn View,
}

impl<'v> Snapshot<'v> {
    pub(super) fn new(view: &'v dyn View) -> Self {
        Snapshot { view }
    }

    pub(crate) fn tip(&self) -> Result<Tip> {
        let row = self.view.get(Table::Tip, &Tip::key())?;
        Tip::from_row(row.ok_or_else(|| Error::damaged("its tip is missing"))?)
    }

    /// All layers, by id.
    pub(crate) fn layers(&self) -> Result<Vec<LayerRow>> {
        self.collect(Table::Layers, Key::all(), LayerRow::from_row)
    }

    /// The commits from `seq` on, in order.
    pub(crate) fn commits_from(&self, seq: i64) -> Result<Vec<CommitRow>> {
        let first = CommitRow::key(seq.max(0));
        self.collect(
            Table::Commits,
            first..=*Key::all().end(),
            CommitRow::from_row,
        )
    }

    /// The gaps of a layer, in the order of the commits.
    pub(crate) fn gaps(&self, layer: u32) -> Result<Vec<GapRow>> {
        let gap = |key: &Key, row| GapRow::from_row(layer, key, row);
        self.collect(Table::Gaps, Key::all_of(layer.into()), gap)
    }

    /// How many gaps there are; for those who check that none is missing.
    pub(crate) fn gap_count(&self) -> Result<u64> {
        let all = self.collect(Table::Gaps, Key::all(), |_, _| Ok(()))?;
        Ok(all.len() as u64)
    }

    pub(crate) fn settings(&self) -> Result<SettingsRow> {
        let row = self.view.get(Table::Settings, &SettingsRow::key())?;
        SettingsRow::from_row(row.ok_or_else(|| Error::damaged("its settings are missing"))?)
    }

    /// Bytes that all there is takes.
    pub(crate) fn used_bytes(&self) -> Result<u64> {
        self.view.used_bytes()
    }

    /// What a commit says of its layers, in the order of its members.
    pub(crate) fn states(&self, commit: &CommitRow) -> Result<Vec<StateRow>> {
        commit.states_of(self.whole_commit(commit.seq)?)
    }

    /// The row of a commit, its states included.
    pub(super) fn whole_commit(&self, seq: i64) -> Result<Row> {
        let row = self.view.get(Table::Commits, &CommitRow::key(seq))?;
        row.ok_or_else(|| Error::damaged(format!("commit {seq} is missing")))
    }

    /// The groups of a layer, in the order of time.
    pub(crate) fn groups(&self, layer: u32) -> Result<Vec<GroupRow>> {
        self.collect(Table::Groups, Key::all_of(layer.into()), GroupRow::from_row)
    }

    /// The keyframes of a layer, in the order of time.
    pub(crate) fn keyframes(&self, layer: u32) -> Result<Vec<KeyframeRow>> {
        let keyframe = |key: &Key, row| KeyframeRow::from_row(layer, key, row);
        self.collect(Table::Keyframes, Key::all_of(layer.into()), keyframe)
    }

    /// A blob as it was stored, if it is there; its owner's manifest says what it must be.
    pub(crate) fn blob(&self, id: u64) -> Result<Option<Vec<u8>>> {
        let mut blobs = self.view.blobs(id..id.saturating_add(1))?;
        Ok(blobs.pop().flatten())
    }

    /// A codebook, as it was stored.
    pub(crate) fn codebook(&self, id: u64) -> Result<Vec<u8>> {
        let damaged = || Error::damaged(format!("codebook {id} is missing or changed"));
        let blob = self.blob(id)?.ok_or_else(damaged)?;
        let (sum, data) = blob.split_first_chunk().ok_or_else(damaged)?;
        if *sum == codebook_sum(id, data) {
            Ok(data.to_vec())
        } else {
            Err(damaged())
        }
    }

    pub(super) fn has_group(&self, key: &Key) -> Result<bool> {
        Ok(self.view.get(Table::Groups, key)?.is_some())
    }

    /// How many groups are coded with each codebook.
    pub(super) fn count_coded(&self) -> Result<HashMap<u64, usize>> {
        let mut coded = HashMap::new();
        let codebook = |key: &Key, row| Ok(GroupRow::from_row(key, row)?.codebook);
        for id in self
            .collect(Table::Groups, Key::all(), codebook)?
            .into_iter()
            .flatten()
        {
            *coded.entry(id).or_default() += 1;
        }
        Ok(coded)
    }

    /// How many blobs there are; for those who check that none is left over.
    pub(crate) fn blob_count(&self) -> Result<u64> {
        self.view.blob_count()
    }

    fn collect<T>(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
        make: impl Fn(&Key, Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.view.range(table, keys, &mut |key, row| {
            found.push(make(key, row)?);
            Ok(())
        })?;
        Ok(found)
    }
}

/// The checksum that a codebook begins with.
pub(super) fn codebook_sum(id: u64, data: &[u8]) -> [u8; 8] {
    let sum = Sum::of("codebook").count(id).bytes(data).sum();
    sum.to_le_bytes()
}
