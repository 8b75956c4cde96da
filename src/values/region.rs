use std::ops::Range;

use super::tiling::TileRect;
use crate::error::{Error, Result};

/// A rectangle of weights: a range of rows by a range of columns.
// The layout is shared with `temporal_vdb::Region` in C++; see `grids/ffi.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Region {
    row_begin: i32,
    row_end: i32,
    col_begin: i32,
    col_end: i32,
}

impl Region {
    /// The weights of `rows` x `cols`, ends exclusive. Checked against a layer when it is used.
    pub fn new(rows: Range<i32>, cols: Range<i32>) -> Self {
        Region {
            row_begin: rows.start,
            row_end: rows.end,
            col_begin: cols.start,
            col_end: cols.end,
        }
    }

    /// The rows, end exclusive.
    pub fn rows(&self) -> Range<i32> {
        self.row_begin..self.row_end
    }

    /// The columns, end exclusive.
    pub fn cols(&self) -> Range<i32> {
        self.col_begin..self.col_end
    }

    /// Fills in what a tile has inside the region; both are row-major.
    pub(crate) fn fill_from_tile<T, U>(
        &self,
        tile: TileRect,
        from: &[T],
        to: &mut [U],
        value: impl Fn(&T) -> U,
    ) {
        let (rows, cols) = (self.rows(), self.cols());
        let width = (cols.end - cols.start) as usize;
        let first = tile.col.max(cols.start as usize);
        let last = (tile.col + tile.width).min(cols.end as usize);
        let bottom = (tile.row + tile.height).min(rows.end as usize);
        for row in tile.row.max(rows.start as usize)..bottom {
            let from = &from[(row - tile.row) * tile.width..][first - tile.col..last - tile.col];
            let at = (row - rows.start as usize) * width + first - cols.start as usize;
            for (to, from) in to[at..].iter_mut().zip(from) {
                *to = value(from);
            }
        }
    }

    /// Rows and columns, where the region lies inside a layer of `shape` and is not empty.
    pub(crate) fn shape_within(&self, shape: (i32, i32)) -> Result<(i32, i32)> {
        let inside = |range: Range<i32>, size| {
            0 <= range.start && range.start < range.end && range.end <= size
        };
        if inside(self.rows(), shape.0) && inside(self.cols(), shape.1) {
            Ok((self.row_end - self.row_begin, self.col_end - self.col_begin))
        } else {
            Err(Error::InvalidRegion {
                rows: self.rows(),
                cols: self.cols(),
                shape,
            })
        }
    }
}
