//! Changes of steps as deltas and exact marks.

use std::ops::Range;

use super::reader::Reader;
use super::walk::Seen;
use crate::coding::{Coder, TileSet, by_width};
use crate::error::Result;
use crate::values::{Delta, Voxel};

/// What one step changed in one chunk of tiles: (tile, place, value).
#[derive(Default)]
struct SliceChanges {
    deltas: Vec<(usize, u16, f32)>,
    marks: Vec<(usize, u16, f32)>,
}

/// The changes of a range of a layer's steps.
pub(super) fn deltas(reader: &Reader, steps: Range<usize>) -> Result<Vec<(usize, Delta)>> {
    let row = &reader.layer.row;
    let shape = row.matrix_shape()?;
    let (tiling, coder) = (row.tiling(), Coder::plain(row.dtype));
    let mut slices: Vec<(Vec<Voxel>, Vec<Voxel>)> =
        steps.clone().map(|_| Default::default()).collect();
    let voxel = |(tile, place, value): (usize, u16, f32)| {
        let (row, col) = tiling.rect(tile).weight(place);
        Voxel { row, col, value }
    };
    let first = steps.start;
    by_width!(row.dtype, E => reader.changes::<E, Vec<SliceChanges>>(
        steps.clone(),
        &TileSet::all(&tiling),
        |gathered, Seen { at, tile, place, before, after, raw }| {
            if gathered.is_empty() {
                gathered.resize_with(steps.len(), SliceChanges::default);
            }
            let change = raw.unwrap_or_else(|| coder.derived(before, after));
            let slice = &mut gathered[at - first];
            if change.delta != 0.0 {
                slice.deltas.push((tile, place, change.delta));
            }
            slice.marks.extend(change.mark.map(|mark| (tile, place, mark)));
        },
        |gathered| {
            for ((deltas, marks), slice) in slices.iter_mut().zip(gathered) {
                deltas.extend(slice.deltas.into_iter().map(voxel));
                marks.extend(slice.marks.into_iter().map(voxel));
            }
        },
    )?);
    let delta = |(at, (mut deltas, mut marks)): (usize, (Vec<Voxel>, Vec<Voxel>))| {
        deltas.sort_unstable_by_key(Voxel::key);
        marks.sort_unstable_by_key(Voxel::key);
        (
            reader.layer.steps[at] as usize,
            Delta::from_checked(shape, deltas, marks),
        )
    };
    Ok(steps.zip(slices).map(delta).collect())
}
