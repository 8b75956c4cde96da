use crate::error::Result;
use crate::store::database::backend::{Cell, Key, Row};
use crate::store::database::cells::{Cells, cannot_hold};
use crate::store::database::digest::Sum;

/// Consecutive commits that are no steps of a layer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GapRow {
    pub(crate) layer: u32,
    /// First and last of the commits.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Where what they changed was merged into the layer's next step: how many weights that step
    /// changed with it. `None` where they were rolled back.
    pub(crate) changes: Option<u64>,
}

impl GapRow {
    pub(crate) fn key(&self) -> Key {
        Key::pair(self.layer.into(), self.first as u64)
    }

    pub(crate) fn to_row(self) -> Row {
        let changes = self.changes.map(Cell::count);
        vec![
            self.last.into(),
            changes.unwrap_or(Cell::Null),
            self.sum().into(),
        ]
    }

    pub(crate) fn from_row(layer: u32, key: &Key, row: Row) -> Result<Self> {
        let mut cells = Cells::new(row);
        let gap = GapRow {
            layer,
            first: key.ids()[1].try_into().map_err(|_| cannot_hold())?,
            last: cells.number()?,
            changes: cells.optional_number()?,
        };
        let what = || format!("the gap of layer {layer} at commit {}", gap.first);
        cells.check_sum(what, gap.sum())?;
        Ok(gap)
    }

    fn sum(&self) -> i64 {
        Sum::of("gaps")
            .number(self.layer)
            .number(self.first)
            .number(self.last)
            .number(self.changes.map_or(-1, |changes| changes as i64))
            .sum()
    }
}
