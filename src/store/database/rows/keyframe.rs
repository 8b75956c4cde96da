use super::{BlobOwner, Blobs};
use crate::error::Result;
use crate::store::database::backend::{Cell, Key, Row};
use crate::store::database::cells::{Cells, cannot_hold};
use crate::store::database::digest::Sum;

/// A full state of a layer, or a tensor that is kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyframeRow {
    pub(crate) layer: u32,
    pub(crate) step: i32,
    /// The keyframe that this one holds differences from.
    pub(crate) anchor: Option<i32>,
    pub(crate) blobs: Blobs,
}

impl KeyframeRow {
    pub(crate) fn key(&self) -> Key {
        Key::pair(self.layer.into(), self.step as u64)
    }

    pub(crate) fn to_row(&self) -> Row {
        vec![
            Cell::optional(self.anchor),
            Cell::count(self.blobs.per_run as u64),
            Cell::count(self.blobs.first),
            Cell::count(self.blobs.bytes),
            Cell::bytes(self.blobs.manifest()),
            self.sum().into(),
        ]
    }

    pub(crate) fn from_row(layer: u32, key: &Key, row: Row) -> Result<Self> {
        let mut cells = Cells::new(row);
        let keyframe = KeyframeRow {
            layer,
            step: key.ids()[1].try_into().map_err(|_| cannot_hold())?,
            anchor: cells.optional_number()?,
            blobs: Blobs {
                per_run: cells.number()?,
                first: cells.number()?,
                bytes: cells.number()?,
                sums: Blobs::sums_of(&cells.bytes()?),
            },
        };
        let what = || format!("the keyframe of layer {layer} at step {}", keyframe.step);
        cells.check_sum(what, keyframe.sum())?;
        Ok(keyframe)
    }

    fn sum(&self) -> i64 {
        Sum::of("keyframes")
            .number(self.layer)
            .number(self.step)
            .number(self.anchor.unwrap_or(-1))
            .count(self.blobs.per_run as u64)
            .count(self.blobs.first)
            .count(self.blobs.bytes)
            .bytes(&self.blobs.manifest())
            .sum()
    }

    /// As whose its blobs are known.
    pub(crate) fn owner(&self) -> BlobOwner {
        BlobOwner::Keyframe {
            layer: self.layer,
            step: self.step,
        }
    }
}
