//! States of regions as values.

use super::reader::Reader;
use crate::history::{Element, TileSet, Tiling};
use crate::sparse_weights::{dense_len, vec_with_room};
use crate::{Region, Result};

/// The values of a region after the step at a place.
pub(super) fn dense_region<E: Element>(
    reader: &Reader,
    at: usize,
    region: Region,
    shape: (i32, i32),
) -> Result<Vec<f32>> {
    let (tiling, dtype) = (reader.layer.row.tiling(), reader.layer.row.dtype);
    let set = TileSet::new(&tiling, tiles_of(&tiling, &region));
    let bits = reader.state::<E>(at, &set)?;
    let mut values = vec_with_room(dense_len(shape))?;
    values.resize(dense_len(shape), 0.0);
    let (rows, cols) = (region.rows(), region.cols());
    for (index, &tile) in set.tiles().iter().enumerate() {
        let rect = tiling.rect(tile);
        let bits = &bits[set.span(index)];
        let first = rect.col.max(cols.start as usize);
        let last = (rect.col + rect.width).min(cols.end as usize);
        for row in
            rect.row.max(rows.start as usize)..(rect.row + rect.height).min(rows.end as usize)
        {
            let from = &bits[(row - rect.row) * rect.width..][first - rect.col..last - rect.col];
            let to = (row - rows.start as usize) * shape.1 as usize + first - cols.start as usize;
            for (value, bits) in values[to..].iter_mut().zip(from) {
                *value = dtype.widen(bits.to_u32());
            }
        }
    }
    Ok(values)
}

/// The tiles that a region touches, ascending.
fn tiles_of(tiling: &Tiling, region: &Region) -> Vec<usize> {
    let tile = |row: i32, col: i32| tiling.place(row as usize, col as usize).0;
    let (rows, cols) = (region.rows(), region.cols());
    let first = tile(rows.start, cols.start);
    let across = tile(rows.start, cols.end - 1) - first;
    let down = (tile(rows.end - 1, cols.start) - first) / tiling.across();
    (0..=down)
        .flat_map(|row| (0..=across).map(move |col| (row, col)))
        .map(|(row, col)| first + row * tiling.across() + col)
        .collect()
}
