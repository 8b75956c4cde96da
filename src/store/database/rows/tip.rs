use crate::error::{Error, Result};
use crate::store::database::backend::{Cell, Key, Row};
use crate::store::database::cells::Cells;
use crate::store::database::digest::{Digest, Sum};

/// The one row that every transaction rewrites: what a reader may count on being there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    /// Counts transactions: what was read under the same number is the same.
    pub(crate) generation: i64,
    /// The oldest commit that is kept, and the newest one; the newest is one less in an empty store.
    pub(crate) first_seq: i64,
    pub(crate) seq: i64,
    /// The chain before the oldest commit.
    pub(crate) anchor: Digest,
    /// The chain after the newest commit.
    pub(crate) chain: Digest,
    /// How many commits are kept, and how many gaps there are.
    pub(crate) commits: u64,
    pub(crate) gaps: u64,
    pub(crate) layers: u32,
    /// The id of the next blob. Ids are not used again.
    pub(crate) next_blob: u64,
}

impl Tip {
    /// Of a store without anything.
    pub(crate) fn first() -> Self {
        Tip {
            generation: 0,
            first_seq: 1,
            seq: 0,
            anchor: [0; 16],
            chain: [0; 16],
            commits: 0,
            gaps: 0,
            layers: 0,
            next_blob: 1,
        }
    }

    pub(crate) fn key() -> Key {
        Key::of(0)
    }

    pub(crate) fn to_row(&self) -> Row {
        vec![
            self.generation.into(),
            self.first_seq.into(),
            self.seq.into(),
            Cell::bytes(self.anchor),
            Cell::bytes(self.chain),
            Cell::count(self.commits),
            Cell::count(self.gaps),
            self.layers.into(),
            Cell::count(self.next_blob),
            self.sum().into(),
        ]
    }

    pub(crate) fn from_row(row: Row) -> Result<Self> {
        let mut cells = Cells::new(row);
        let tip = Tip {
            generation: cells.number()?,
            first_seq: cells.number()?,
            seq: cells.number()?,
            anchor: cells.digest()?,
            chain: cells.digest()?,
            commits: cells.number()?,
            gaps: cells.number()?,
            layers: cells.number()?,
            next_blob: cells.number()?,
        };
        cells.check_sum(|| "its tip".to_owned(), tip.sum())?;
        if tip.first_seq < 1 || tip.seq < tip.first_seq - 1 || tip.next_blob < 1 {
            return Err(Error::damaged("its tip names commits that cannot be"));
        }
        Ok(tip)
    }

    fn sum(&self) -> i64 {
        Sum::of("tip")
            .number(self.generation)
            .number(self.first_seq)
            .number(self.seq)
            .bytes(&self.anchor)
            .bytes(&self.chain)
            .count(self.commits)
            .count(self.gaps)
            .number(self.layers)
            .count(self.next_blob)
            .sum()
    }
}
