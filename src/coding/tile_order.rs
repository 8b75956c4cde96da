//! Tiles of row-major states and tensors.

use super::Element;
use crate::values::Tiling;

/// The weights of a tile out of a row-major state.
pub(crate) fn copy_tile<E: Element>(tiling: &Tiling, tile: usize, bits: &[E], out: &mut Vec<E>) {
    let (rect, cols) = (tiling.rect(tile), tiling.shape().1 as usize);
    out.clear();
    for row in rect.row..rect.row + rect.height {
        out.extend_from_slice(&bits[row * cols + rect.col..][..rect.width]);
    }
}

/// Whether a tile of a row-major state is the same in a row-major array of little-endian elements.
pub(crate) fn same_tile<E: Element>(tiling: &Tiling, tile: usize, bits: &[E], data: &[u8]) -> bool {
    let (rect, cols) = (tiling.rect(tile), tiling.shape().1 as usize);
    (rect.row..rect.row + rect.height).all(|row| {
        let begin = row * cols + rect.col;
        let own: &[u8] = bytemuck::cast_slice(&bits[begin..begin + rect.width]);
        let begin = (begin * E::BYTES).min(data.len());
        let end = (begin + own.len()).min(data.len());
        // What lies behind the array's end is +0.0 on both sides.
        data[begin..end] == own[..end - begin]
    })
}

/// The weights of a tile out of a row-major array of little-endian elements; what lies behind the
/// array's end, in the short last row of a vector, is +0.0.
pub(crate) fn gather_tile<E: Element>(
    tiling: &Tiling,
    tile: usize,
    data: &[u8],
    bits: &mut Vec<E>,
) {
    let rect = tiling.rect(tile);
    let cols = tiling.shape().1 as usize;
    bits.clear();
    for row in rect.row..rect.row + rect.height {
        let begin = ((row * cols + rect.col) * E::BYTES).min(data.len());
        let end = (begin + rect.width * E::BYTES).min(data.len());
        bits.extend(data[begin..end].chunks_exact(E::BYTES).map(E::read_le));
        bits.resize((row - rect.row + 1) * rect.width, E::default());
    }
}
