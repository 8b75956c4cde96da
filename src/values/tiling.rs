use std::ops::Range;

use super::region::Region;

/// Rows and columns of a tile: those of one lower node of a grid.
pub(crate) const TILE: usize = 128;

/// How a layer is cut into tiles, numbered along the rows of tiles. Those at the right and lower
/// edge may be smaller.
///
/// In *tile order* the weights of a tile lie together, row by row, tile after tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tiling {
    rows: usize,
    cols: usize,
}

/// The weights of one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TileRect {
    pub(crate) row: usize,
    pub(crate) col: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl TileRect {
    pub(crate) fn len(&self) -> usize {
        self.height * self.width
    }

    /// Row and column, in the layer, of the weight at a place in the tile.
    pub(crate) fn weight(&self, place: u16) -> (i32, i32) {
        let place = usize::from(place);
        (
            (self.row + place / self.width) as i32,
            (self.col + place % self.width) as i32,
        )
    }
}

impl Tiling {
    pub(crate) fn new((rows, cols): (i32, i32)) -> Self {
        Tiling {
            rows: rows as usize,
            cols: cols as usize,
        }
    }

    pub(crate) fn shape(&self) -> (i32, i32) {
        (self.rows as i32, self.cols as i32)
    }

    /// Weights in the layer.
    pub(crate) fn len(&self) -> usize {
        self.rows * self.cols
    }

    /// Tiles side by side.
    pub(crate) fn across(&self) -> usize {
        self.cols.div_ceil(TILE)
    }

    /// Tiles in the layer.
    pub(crate) fn count(&self) -> usize {
        self.rows.div_ceil(TILE) * self.across()
    }

    pub(crate) fn rect(&self, tile: usize) -> TileRect {
        let (row, col) = (tile / self.across() * TILE, tile % self.across() * TILE);
        TileRect {
            row,
            col,
            height: TILE.min(self.rows - row),
            width: TILE.min(self.cols - col),
        }
    }

    /// Where a tile begins in tile order; `count()` gives the end.
    pub(crate) fn offset(&self, tile: usize) -> usize {
        if tile == self.count() {
            return self.len();
        }
        let rect = self.rect(tile);
        rect.row * self.cols + rect.height * rect.col
    }

    /// The weights of a run of tiles in tile order.
    pub(crate) fn span(&self, tiles: Range<usize>) -> Range<usize> {
        self.offset(tiles.start)..self.offset(tiles.end)
    }

    /// The tile of a weight inside the layer, and its place in it.
    pub(crate) fn place(&self, row: usize, col: usize) -> (usize, u16) {
        let tile = row / TILE * self.across() + col / TILE;
        let rect = self.rect(tile);
        (
            tile,
            ((row - rect.row) * rect.width + col - rect.col) as u16,
        )
    }

    /// The tiles that a region touches, ascending.
    pub(crate) fn tiles_of(&self, region: &Region) -> Vec<usize> {
        let tile = |row: i32, col: i32| self.place(row as usize, col as usize).0;
        let (rows, cols) = (region.rows(), region.cols());
        let first = tile(rows.start, cols.start);
        let across = tile(rows.start, cols.end - 1) - first;
        let down = (tile(rows.end - 1, cols.start) - first) / self.across();
        (0..=down)
            .flat_map(|row| (0..=across).map(move |col| (row, col)))
            .map(|(row, col)| first + row * self.across() + col)
            .collect()
    }

    /// The tiles cut into runs of `per_run`.
    pub(crate) fn runs(
        &self,
        per_run: usize,
    ) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let count = self.count();
        (0..count.div_ceil(per_run)).map(move |run| run * per_run..count.min((run + 1) * per_run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_layer_in_order() {
        for shape in [(1, 1), (128, 128), (129, 127), (300, 280), (3, 1000)] {
            let tiling = Tiling::new(shape);
            let mut end = 0;
            for tile in 0..tiling.count() {
                let rect = tiling.rect(tile);
                assert_eq!(tiling.offset(tile), end, "{shape:?} {tile}");
                assert_eq!(tiling.place(rect.row, rect.col), (tile, 0));
                let last = (rect.row + rect.height - 1, rect.col + rect.width - 1);
                assert_eq!(tiling.place(last.0, last.1), (tile, rect.len() as u16 - 1));
                end += rect.len();
            }
            assert_eq!(end, tiling.len());
            assert_eq!(tiling.offset(tiling.count()), end);
        }
    }
}
