use std::path::Path;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Row};

use super::rows::{check_sum, codebook_sum, parse_shape};
use crate::detect::Lattice;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::store::database::{
    Blobs, CommitRow, Digest, GapRow, GroupRow, KeyframeRow, LayerRow, Members, SettingsRow,
    StateRow, Tip, digest_of,
};

/// One consistent state of a store: what is read through it belongs together. Every row is
/// checked against its checksum.
pub(crate) struct View<'c> {
    connection: &'c Connection,
    path: &'c Path,
}

impl<'c> View<'c> {
    pub(super) fn new(connection: &'c Connection, path: &'c Path) -> Self {
        View { connection, path }
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> Error + Copy + use<'_, 'c> {
        |error| Error::sqlite(self.path, error)
    }

    pub(crate) fn tip(&self) -> Result<Tip> {
        let sql = "SELECT generation, first_seq, seq, anchor, chain, commits, gaps, layers, next_blob, \
                   sum FROM tip WHERE id = 0";
        let mut query = self.connection.prepare_cached(sql).map_err(self.failed())?;
        let mut rows = query.query([]).map_err(self.failed())?;
        let row = rows
            .next()
            .map_err(self.failed())?
            .ok_or_else(|| Error::damaged("its tip is missing"))?;
        let row = Columns(row);
        let tip = Tip {
            generation: row.get(0)?,
            first_seq: row.get(1)?,
            seq: row.get(2)?,
            anchor: row.digest(3)?,
            chain: row.digest(4)?,
            commits: row.number(5)?,
            gaps: row.number(6)?,
            layers: row.number(7)?,
            next_blob: row.get(8)?,
        };
        check_sum(|| "its tip".to_owned(), tip.sum(), row.get(9)?)?;
        if tip.first_seq < 1 || tip.seq < tip.first_seq - 1 || tip.next_blob < 1 {
            return Err(Error::damaged("its tip names commits that cannot be"));
        }
        Ok(tip)
    }

    /// All layers, by id.
    pub(crate) fn layers(&self) -> Result<Vec<LayerRow>> {
        let sql = "SELECT id, name, dtype, shape, rows, cols, created, oldest, base, sum FROM layers ORDER BY id";
        self.collect(sql, [], |row| {
            let name: String = row.get(1)?;
            let damaged = || Error::damaged(format!("layer '{name}' has no shape or type"));
            let (rows, cols): (i32, i32) = (row.number(4)?, row.number(5)?);
            let layer = LayerRow {
                id: row.number(0)?,
                dtype: Dtype::from_name(&row.get::<String>(2)?).ok_or_else(damaged)?,
                shape: parse_shape(&row.get::<String>(3)?).ok_or_else(damaged)?,
                matrix: (rows != 0 || cols != 0).then_some((rows, cols)),
                created: row.number(6)?,
                oldest: row.number(7)?,
                base: row.get(8)?,
                name: name.clone(),
            };
            check_sum(|| format!("layer '{name}'"), layer.sum(), row.get(9)?)?;
            if !layer.is_possible() {
                return Err(Error::damaged(format!(
                    "layer '{name}' has a shape or steps that cannot be"
                )));
            }
            Ok(layer)
        })
    }

    /// The commits after `seq`, in order.
    pub(crate) fn commits_after(&self, seq: i64) -> Result<Vec<CommitRow>> {
        let sql = "SELECT seq, step, time, notes, metadata, layers, members, digest, before, chain \
                   FROM commits WHERE seq > ? ORDER BY seq";
        self.collect(sql, [seq], |row| {
            let seq = row.get(0)?;
            let members: Option<Vec<u8>> = row.get(6)?;
            let members = Members::from_row(row.number(5)?, members.as_deref());
            Ok(CommitRow {
                seq,
                step: row.number(1)?,
                time: row.get(2)?,
                notes: row.get(3)?,
                metadata: row.get(4)?,
                members: members
                    .ok_or_else(|| Error::damaged(format!("commit {seq} names no layers")))?,
                digest: row.digest(7)?,
                before: match row.get::<Option<Vec<u8>>>(8)? {
                    None => None,
                    Some(_) => Some(row.digest(8)?),
                },
                chain: row.digest(9)?,
            })
        })
    }

    /// The gaps of a layer, in the order of the commits.
    pub(crate) fn gaps(&self, layer: u32) -> Result<Vec<GapRow>> {
        let sql = "SELECT first, last, changes, sum FROM gaps WHERE layer = ? ORDER BY first";
        self.collect(sql, [layer], |row| {
            let changes: Option<i64> = row.get(2)?;
            let gap = GapRow {
                layer,
                first: row.get(0)?,
                last: row.get(1)?,
                changes: changes.map(|_| row.number(2)).transpose()?,
            };
            let what = || format!("the gap of layer {layer} at commit {}", gap.first);
            check_sum(what, gap.sum(), row.get(3)?)?;
            Ok(gap)
        })
    }

    /// How many gaps there are; for those who check that none is missing.
    pub(crate) fn gap_count(&self) -> Result<u64> {
        let count: Option<i64> = self.one("SELECT count(*) FROM gaps WHERE layer >= ?", 0)?;
        Ok(count.unwrap_or_default() as u64)
    }

    pub(crate) fn settings(&self) -> Result<SettingsRow> {
        let sql = "SELECT tags, retention, sum FROM settings WHERE id = ?";
        let mut rows = self.collect(sql, [0], |row| {
            let settings = SettingsRow {
                tags: row.get(0)?,
                retention: row.get(1)?,
            };
            check_sum(|| "its settings".to_owned(), settings.sum(), row.get(2)?)?;
            Ok(settings)
        })?;
        rows.pop()
            .ok_or_else(|| Error::damaged("its settings are missing"))
    }

    /// Pages of the file that are in use.
    pub(crate) fn pages_in_use(&self) -> Result<u64> {
        let pragma = |name: &str| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .map_err(self.failed())
        };
        Ok((pragma("page_count")? - pragma("freelist_count")?).max(0) as u64)
    }

    /// What a commit says of its layers, in the order of its members.
    pub(crate) fn states(&self, commit: &CommitRow) -> Result<Vec<StateRow>> {
        let damaged = || {
            Error::damaged(format!(
                "the states of commit {} do not match its digest",
                commit.seq
            ))
        };
        let bytes: Option<Vec<u8>> =
            self.one("SELECT states FROM commits WHERE seq = ?", commit.seq)?;
        let bytes = bytes.ok_or_else(damaged)?;
        let states = StateRow::decode(&bytes);
        if digest_of(&bytes) == commit.digest && states.len() == commit.members.count() as usize {
            Ok(states)
        } else {
            Err(damaged())
        }
    }

    /// The groups of a layer, in the order of time.
    pub(crate) fn groups(&self, layer: u32) -> Result<Vec<GroupRow>> {
        let sql = "SELECT first, last, steps, level, per_run, blob, bytes, changes, codebook, lattice, \
                   manifest, sum FROM groups \
                   WHERE layer = ? ORDER BY first";
        self.collect(sql, [layer], |row| {
            let manifest: Vec<u8> = row.get(10)?;
            let lattice: Option<u32> = row.get(9)?;
            let group = GroupRow {
                layer,
                first: row.number(0)?,
                last: row.number(1)?,
                steps: row.number(2)?,
                level: row.number(3)?,
                changes: row.number(7)?,
                codebook: row.get(8)?,
                lattice: lattice.and_then(Lattice::from_bits),
                blobs: Blobs {
                    per_run: row.number(4)?,
                    first: row.get(5)?,
                    bytes: row.number(6)?,
                    sums: Blobs::sums_of(&manifest),
                },
            };
            let what = || format!("steps {} to {} of layer {layer}", group.first, group.last);
            if lattice.is_some() && group.lattice.is_none() {
                return Err(Error::damaged(format!(
                    "{} have a lattice that is none",
                    what()
                )));
            }
            check_sum(what, group.sum(), row.get(11)?)?;
            Ok(group)
        })
    }

    /// The keyframes of a layer, in the order of time.
    pub(crate) fn keyframes(&self, layer: u32) -> Result<Vec<KeyframeRow>> {
        let sql = "SELECT step, anchor, per_run, blob, bytes, manifest, sum FROM keyframes \
                   WHERE layer = ? ORDER BY step";
        self.collect(sql, [layer], |row| {
            let manifest: Vec<u8> = row.get(5)?;
            let keyframe = KeyframeRow {
                layer,
                step: row.number(0)?,
                anchor: row.get(1)?,
                blobs: Blobs {
                    per_run: row.number(2)?,
                    first: row.get(3)?,
                    bytes: row.number(4)?,
                    sums: Blobs::sums_of(&manifest),
                },
            };
            let what = || format!("the keyframe of layer {layer} at step {}", keyframe.step);
            check_sum(what, keyframe.sum(), row.get(6)?)?;
            Ok(keyframe)
        })
    }

    /// A blob as it is in the file, if it is there; its owner's manifest says what it must be.
    pub(crate) fn blob(&self, id: i64) -> Result<Option<Vec<u8>>> {
        self.one("SELECT data FROM blobs WHERE id = ?", id)
    }

    /// A codebook, as it was stored.
    pub(crate) fn codebook(&self, id: i64) -> Result<Vec<u8>> {
        let damaged = || Error::damaged(format!("codebook {id} is missing or changed"));
        let blob = self.blob(id)?.ok_or_else(damaged)?;
        let (sum, data) = blob.split_first_chunk().ok_or_else(damaged)?;
        if *sum == codebook_sum(id, data) {
            Ok(data.to_vec())
        } else {
            Err(damaged())
        }
    }

    /// Whether any group is coded with a codebook.
    pub(super) fn has_groups_with(&self, codebook: i64) -> Result<bool> {
        let sql = "SELECT 1 FROM groups WHERE codebook = ? LIMIT 1";
        Ok(self.one::<i64>(sql, codebook)?.is_some())
    }

    /// Blobs whose ids are in use; for those who check that none is left over.
    pub(crate) fn blob_count(&self) -> Result<u64> {
        let count: Option<i64> = self.one("SELECT count(*) FROM blobs WHERE id >= ?", i64::MIN)?;
        Ok(count.unwrap_or_default() as u64)
    }

    /// What SQLite itself finds wrong with the file.
    pub(super) fn check_structure(&self) -> Result<()> {
        let check = self
            .connection
            .query_row("PRAGMA integrity_check(1)", [], |row| {
                row.get::<_, String>(0)
            });
        match check.map_err(self.failed())?.as_str() {
            "ok" => Ok(()),
            found => Err(Error::damaged(format!("SQLite finds: {}", found.trim()))),
        }
    }

    fn one<T: FromSql>(&self, sql: &str, key: i64) -> Result<Option<T>> {
        let mut query = self.connection.prepare_cached(sql).map_err(self.failed())?;
        let mut rows = query.query([key]).map_err(self.failed())?;
        let row = rows.next().map_err(self.failed())?;
        row.map(|row| Columns(row).get(0)).transpose()
    }

    fn collect<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        make: impl Fn(&Columns) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut query = self.connection.prepare_cached(sql).map_err(self.failed())?;
        let mut rows = query.query(parameters).map_err(self.failed())?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(self.failed())? {
            found.push(make(&Columns(row))?);
        }
        Ok(found)
    }
}

/// A row whose columns may hold anything.
struct Columns<'r>(&'r Row<'r>);

impl Columns<'_> {
    fn get<T: FromSql>(&self, column: usize) -> Result<T> {
        self.0
            .get(column)
            .map_err(|_| Error::damaged("a column holds what it cannot hold"))
    }

    fn number<T: TryFrom<i64>>(&self, column: usize) -> Result<T> {
        let wide: i64 = self.get(column)?;
        wide.try_into()
            .map_err(|_| Error::damaged(format!("a column holds {wide}, which it cannot hold")))
    }

    fn digest(&self, column: usize) -> Result<Digest> {
        let bytes: Vec<u8> = self.get(column)?;
        bytes
            .try_into()
            .map_err(|_| Error::damaged("a digest does not have 16 bytes"))
    }
}
