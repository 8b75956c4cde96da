use std::cell::RefCell;
use std::ops::Deref;
use std::path::Path;

use rusqlite::{Connection, params};

use super::rows::{codebook_sum, shape_text};
use super::{
    Blobs, CommitRow, Digest, GroupRow, KeyframeRow, LayerRow, StateRow, Tip, View, digest_of,
};
use crate::Result;
use crate::lattice::Lattice;

/// A transaction that writes. What it has put it can also read.
pub(crate) struct Batch<'c> {
    view: View<'c>,
    tip: RefCell<Tip>,
}

impl<'c> Deref for Batch<'c> {
    type Target = View<'c>;

    fn deref(&self) -> &View<'c> {
        &self.view
    }
}

impl<'c> Batch<'c> {
    pub(super) fn new(connection: &'c Connection, path: &'c Path) -> Result<Self> {
        let view = View::new(connection, path);
        let tip = RefCell::new(view.tip()?);
        Ok(Batch { view, tip })
    }

    /// Writes the tip that all that has been put leads to.
    pub(super) fn finish(&self) -> Result<()> {
        let mut tip = self.tip.borrow_mut();
        tip.generation += 1;
        put_tip(self.connection(), &tip).map_err(self.failed())
    }

    /// Appends a commit and chains it to the one before.
    pub(crate) fn put_commit(
        &self,
        mut commit: CommitRow,
        states: &[StateRow],
    ) -> Result<CommitRow> {
        let mut tip = self.tip.borrow_mut();
        let states = StateRow::encode(states);
        commit.seq = tip.seq + 1;
        commit.digest = digest_of(&states);
        let chain = commit.chain(&tip.chain);
        self.execute(
            "INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                commit.seq,
                commit.step,
                commit.time,
                commit.notes,
                commit.metadata,
                commit.members.count(),
                commit.members.bytes(),
                commit.digest,
                chain,
                states
            ],
        )?;
        tip.seq = commit.seq;
        tip.chain = chain;
        Ok(commit)
    }

    /// Drops the commits before `first`, whose own chain begins after `anchor`.
    pub(crate) fn drop_commits_before(&self, first: i64, anchor: Digest) -> Result<()> {
        self.execute("DELETE FROM commits WHERE seq < ?", [first])?;
        let mut tip = self.tip.borrow_mut();
        tip.first_seq = first;
        tip.anchor = anchor;
        Ok(())
    }

    /// Adds a layer or replaces it.
    pub(crate) fn put_layer(&self, layer: &LayerRow) -> Result<()> {
        let (rows, cols) = layer.matrix.unwrap_or((0, 0));
        self.execute(
            "INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                layer.id,
                layer.name,
                layer.dtype.name(),
                shape_text(&layer.shape),
                rows,
                cols,
                layer.created,
                layer.oldest,
                layer.base,
                layer.sum()
            ],
        )?;
        let mut tip = self.tip.borrow_mut();
        tip.layers = tip.layers.max(layer.id + 1);
        Ok(())
    }

    /// Stores a blob and gives its id, which follows the one before it.
    pub(crate) fn put_blob(&self, data: &[u8]) -> Result<i64> {
        let mut tip = self.tip.borrow_mut();
        let id = tip.next_blob;
        self.execute("INSERT INTO blobs VALUES (?, ?)", params![id, data])?;
        tip.next_blob = id + 1;
        Ok(id)
    }

    pub(crate) fn put_group(&self, group: &GroupRow) -> Result<()> {
        self.execute(
            "INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                group.layer,
                group.first,
                group.last,
                group.steps as i64,
                group.level,
                group.blobs.per_run as i64,
                group.blobs.first,
                group.blobs.bytes as i64,
                group.changes as i64,
                group.codebook,
                group.lattice.map(Lattice::bits),
                group.blobs.manifest(),
                group.sum()
            ],
        )
    }

    /// Drops a group with its blobs, and its codebook if no other group has it.
    pub(crate) fn drop_group(&self, group: &GroupRow) -> Result<()> {
        self.execute(
            "DELETE FROM groups WHERE layer = ? AND first = ?",
            params![group.layer, group.first],
        )?;
        self.drop_blobs(&group.blobs)?;
        match group.codebook {
            Some(id) if !self.has_groups_with(id)? => {
                self.execute("DELETE FROM blobs WHERE id = ?", [id])
            }
            _ => Ok(()),
        }
    }

    /// Stores a codebook and gives its id.
    pub(crate) fn put_codebook(&self, data: &[u8]) -> Result<i64> {
        let id = self.tip.borrow().next_blob;
        self.put_blob(&[&codebook_sum(id, data), data].concat())
    }

    pub(crate) fn put_keyframe(&self, keyframe: &KeyframeRow) -> Result<()> {
        self.execute(
            "INSERT INTO keyframes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                keyframe.layer,
                keyframe.step,
                keyframe.anchor,
                keyframe.blobs.per_run as i64,
                keyframe.blobs.first,
                keyframe.blobs.bytes as i64,
                keyframe.blobs.manifest(),
                keyframe.sum()
            ],
        )
    }

    /// Drops a keyframe with its blobs.
    pub(crate) fn drop_keyframe(&self, keyframe: &KeyframeRow) -> Result<()> {
        self.execute(
            "DELETE FROM keyframes WHERE layer = ? AND step = ?",
            params![keyframe.layer, keyframe.step],
        )?;
        self.drop_blobs(&keyframe.blobs)
    }

    fn drop_blobs(&self, blobs: &Blobs) -> Result<()> {
        let ids = blobs.ids();
        self.execute(
            "DELETE FROM blobs WHERE id >= ? AND id < ?",
            [ids.start, ids.end],
        )
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<()> {
        let mut statement = self
            .connection()
            .prepare_cached(sql)
            .map_err(self.failed())?;
        statement.execute(parameters).map_err(self.failed())?;
        Ok(())
    }
}

/// The tip of an empty store.
pub(super) fn put_first_tip(connection: &Connection) -> rusqlite::Result<()> {
    let tip = Tip {
        generation: 0,
        first_seq: 1,
        seq: 0,
        anchor: [0; 16],
        chain: [0; 16],
        layers: 0,
        next_blob: 1,
    };
    put_tip(connection, &tip)
}

fn put_tip(connection: &Connection, tip: &Tip) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO tip VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![
        tip.generation,
        tip.first_seq,
        tip.seq,
        tip.anchor,
        tip.chain,
        tip.layers,
        tip.next_blob,
        tip.sum()
    ])?;
    Ok(())
}
