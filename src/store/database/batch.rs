use std::cell::RefCell;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::rows::{codebook_sum, shape_text};
use super::schema::PAGE_SIZE;
use crate::detect::Lattice;
use crate::error::Result;
use crate::store::database::{
    Blobs, CommitRow, Digest, GapRow, GroupRow, KeyframeRow, LayerRow, NewCommit, SettingsRow,
    StateRow, Tip, View, digest_of,
};

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
    /// Bytes of a page of the file.
    pub(crate) const PAGE_BYTES: u64 = PAGE_SIZE as u64;

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
    pub(crate) fn put_commit(&self, new: NewCommit, states: &[StateRow]) -> Result<()> {
        let mut tip = self.tip.borrow_mut();
        let states = StateRow::encode(states);
        let commit = CommitRow::after(&tip, new, digest_of(&states));
        self.execute(
            "INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                commit.seq,
                commit.step,
                commit.time,
                commit.notes,
                commit.metadata,
                commit.members.count(),
                commit.members.bytes(),
                commit.digest,
                commit.before,
                commit.chain,
                states
            ],
        )?;
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
                self.execute("DELETE FROM commits WHERE seq = ?", [commit.seq])?;
                tip.commits -= 1;
                gone = Some(commit.chain);
                continue;
            }
            match gone.take() {
                Some(before) if first.is_some() => {
                    let before = commit.before.unwrap_or(before);
                    self.execute(
                        "UPDATE commits SET before = ? WHERE seq = ?",
                        params![before, commit.seq],
                    )?;
                }
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

    pub(crate) fn put_gap(&self, gap: &GapRow) -> Result<()> {
        self.execute(
            "INSERT INTO gaps VALUES (?, ?, ?, ?, ?)",
            params![
                gap.layer,
                gap.first,
                gap.last,
                gap.changes.map(|changes| changes as i64),
                gap.sum()
            ],
        )?;
        self.tip.borrow_mut().gaps += 1;
        Ok(())
    }

    pub(crate) fn drop_gap(&self, gap: &GapRow) -> Result<()> {
        self.execute(
            "DELETE FROM gaps WHERE layer = ? AND first = ?",
            params![gap.layer, gap.first],
        )?;
        self.tip.borrow_mut().gaps -= 1;
        Ok(())
    }

    pub(crate) fn put_settings(&self, settings: &SettingsRow) -> Result<()> {
        put_settings(self.connection(), settings).map_err(self.failed())
    }

    /// Drops the newest layer, of which nothing else is left.
    pub(crate) fn drop_layer(&self, id: u32) -> Result<()> {
        self.execute("DELETE FROM layers WHERE id = ?", [id])?;
        self.tip.borrow_mut().layers = id;
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

/// The tip and the settings of an empty store.
pub(super) fn put_first_rows(connection: &Connection) -> rusqlite::Result<()> {
    let settings = SettingsRow {
        tags: "{}".to_owned(),
        retention: "{}".to_owned(),
    };
    put_settings(connection, &settings)?;
    let tip = Tip {
        generation: 0,
        first_seq: 1,
        seq: 0,
        anchor: [0; 16],
        chain: [0; 16],
        commits: 0,
        gaps: 0,
        layers: 0,
        next_blob: 1,
    };
    put_tip(connection, &tip)
}

fn put_settings(connection: &Connection, settings: &SettingsRow) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO settings VALUES (0, ?, ?, ?)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![settings.tags, settings.retention, settings.sum()])?;
    Ok(())
}

fn put_tip(connection: &Connection, tip: &Tip) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO tip VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![
        tip.generation,
        tip.first_seq,
        tip.seq,
        tip.anchor,
        tip.chain,
        tip.commits as i64,
        tip.gaps as i64,
        tip.layers,
        tip.next_blob,
        tip.sum()
    ])?;
    Ok(())
}
