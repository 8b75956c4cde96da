use super::{BlobOwner, Blobs};
use crate::detect::Lattice;
use crate::error::{Error, Result};
use crate::store::database::backend::{Cell, Key, Row};
use crate::store::database::cells::{Cells, cannot_hold};
use crate::store::database::digest::Sum;

/// What some consecutive steps changed in a layer. Level 0 is the journal: one step. Sealing makes
/// slabs of eight, level 1; compaction makes longer groups of those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupRow {
    pub(crate) layer: u32,
    /// First and last of its steps.
    pub(crate) first: i32,
    pub(crate) last: i32,
    /// How many steps it has, those without changes included.
    pub(crate) steps: usize,
    pub(crate) level: u32,
    pub(crate) changes: u64,
    /// The blob of the codebook that its blobs are coded with, densely; `None` for the fast coding.
    pub(crate) codebook: Option<u64>,
    /// What its codes count steps of; `None` for units in the last place.
    pub(crate) lattice: Option<Lattice>,
    pub(crate) blobs: Blobs,
}

impl GroupRow {
    pub(crate) fn key(&self) -> Key {
        Key::pair(self.layer.into(), self.first as u64)
    }

    pub(crate) fn to_row(&self) -> Row {
        vec![
            self.last.into(),
            Cell::count(self.steps as u64),
            self.level.into(),
            Cell::count(self.blobs.per_run as u64),
            Cell::count(self.blobs.first),
            Cell::count(self.blobs.bytes),
            Cell::count(self.changes),
            self.codebook.map_or(Cell::Null, Cell::count),
            Cell::optional(self.lattice.map(Lattice::bits)),
            Cell::bytes(self.blobs.manifest()),
            self.sum().into(),
        ]
    }

    pub(crate) fn from_row(key: &Key, row: Row) -> Result<Self> {
        let [layer, first] = key.ids();
        let mut cells = Cells::new(row);
        let last = cells.number()?;
        let steps = cells.number()?;
        let level = cells.number()?;
        let per_run = cells.number()?;
        let blob = cells.number()?;
        let bytes = cells.number()?;
        let changes = cells.number()?;
        let codebook = cells.optional_number()?;
        let lattice: Option<u32> = cells.optional_number()?;
        let group = GroupRow {
            layer: layer.try_into().map_err(|_| cannot_hold())?,
            first: first.try_into().map_err(|_| cannot_hold())?,
            last,
            steps,
            level,
            changes,
            codebook,
            lattice: lattice.and_then(Lattice::from_bits),
            blobs: Blobs {
                per_run,
                first: blob,
                bytes,
                sums: Blobs::sums_of(&cells.bytes()?),
            },
        };
        let what = || {
            let GroupRow { first, last, .. } = group;
            format!("steps {first} to {last} of layer {layer}")
        };
        if lattice.is_some() && group.lattice.is_none() {
            let what = what();
            return Err(Error::damaged(format!(
                "{what} have a lattice that is none"
            )));
        }
        cells.check_sum(what, group.sum())?;
        Ok(group)
    }

    fn sum(&self) -> i64 {
        Sum::of("groups")
            .number(self.layer)
            .number(self.first)
            .number(self.last)
            .count(self.steps as u64)
            .number(self.level)
            .count(self.blobs.per_run as u64)
            .count(self.blobs.first)
            .count(self.blobs.bytes)
            .count(self.changes)
            .number(self.codebook.map_or(-1, |codebook| codebook as i64))
            .number(self.lattice.map_or(-1, |lattice| i64::from(lattice.bits())))
            .bytes(&self.blobs.manifest())
            .sum()
    }

    /// As whose its blobs are known.
    pub(crate) fn owner(&self) -> BlobOwner {
        BlobOwner::Group {
            layer: self.layer,
            first: self.first,
            last: self.last,
        }
    }
}
