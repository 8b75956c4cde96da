//! States of regions as values.

use super::reader::Reader;
use crate::coding::{Element, TileSet};
use crate::error::Result;
use crate::host::vec_with_room;
use crate::values::{Region, dense_len};

/// The values of a region after the step at a place.
pub(super) fn dense_region<E: Element>(
    reader: &Reader,
    at: usize,
    region: Region,
    shape: (i32, i32),
) -> Result<Vec<f32>> {
    let (tiling, dtype) = (reader.layer.row.tiling(), reader.layer.row.dtype);
    let set = TileSet::new(&tiling, tiling.tiles_of(&region));
    let bits = reader.state::<E>(at, &set)?;
    let mut values = vec_with_room(dense_len(shape))?;
    values.resize(dense_len(shape), 0.0);
    for (index, &tile) in set.tiles().iter().enumerate() {
        let bits = &bits[set.span(index)];
        region.fill_from_tile(tiling.rect(tile), bits, &mut values, |bits| {
            dtype.widen(bits.to_u32())
        });
    }
    Ok(values)
}
