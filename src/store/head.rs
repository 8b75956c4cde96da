use bytes::Bytes;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::database::{Digest, LayerRow};
use super::reader::CHUNK_TILES;
use crate::Result;
use crate::history::{Element, Tiling};
use crate::sparse_weights::vec_with_room;

/// The latest state of every layer, and what a new step has to come after.
pub(crate) struct Heads {
    /// By id of the layer.
    pub(crate) layers: Vec<LayerHead>,
    /// The newest commit's step; `None` in a store without commits.
    pub(crate) latest: Option<i32>,
    /// Metadata of the newest checkpoint, as JSON.
    pub(crate) metadata: String,
}

/// The latest state of one layer.
pub(crate) struct LayerHead {
    pub(crate) row: LayerRow,
    /// The newest step; the base's label where there is none.
    pub(crate) latest: i32,
    /// Steps that are not sealed.
    pub(crate) unsealed: usize,
    pub(crate) state: HeadState,
}

pub(crate) enum HeadState {
    Two(Matrix<u16>),
    Four(Matrix<u32>),
    Whole(Bytes),
}

/// A state in tile order.
pub(crate) struct Matrix<E> {
    pub(crate) bits: Vec<E>,
    /// Of each tile.
    pub(crate) digests: Vec<Digest>,
}

/// An element of a width that heads have.
pub(crate) trait HeadElement: Element {
    fn into_state(matrix: Matrix<Self>) -> HeadState;
}

impl HeadElement for u16 {
    fn into_state(matrix: Matrix<Self>) -> HeadState {
        HeadState::Two(matrix)
    }
}

impl HeadElement for u32 {
    fn into_state(matrix: Matrix<Self>) -> HeadState {
        HeadState::Four(matrix)
    }
}

impl LayerHead {
    /// The tensor's bytes as a checkpoint holds them.
    pub(crate) fn to_bytes(&self, pool: &ThreadPool) -> Result<Bytes> {
        let (tiling, len) = (self.row.tiling(), self.row.raw_bytes());
        match &self.state {
            HeadState::Two(matrix) => row_major(&tiling, &matrix.bits, len, pool),
            HeadState::Four(matrix) => row_major(&tiling, &matrix.bits, len, pool),
            HeadState::Whole(bytes) => Ok(bytes.clone()),
        }
    }
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

/// A state in tile order as a row-major array of little-endian elements, `len` bytes of it.
pub(crate) fn row_major<E: Element>(
    tiling: &Tiling,
    bits: &[E],
    len: usize,
    pool: &ThreadPool,
) -> Result<Bytes> {
    let (_, cols) = tiling.shape();
    let mut out = vec_with_room(tiling.len())?;
    out.resize(tiling.len(), E::default());
    let band = crate::history::TILE * cols as usize;
    let across = tiling.across();
    pool.install(|| {
        out.par_chunks_mut(band)
            .enumerate()
            .for_each(|(band, rows)| {
                for tile in band * across..(band + 1) * across {
                    let rect = tiling.rect(tile);
                    let from = bits[tiling.span(tile..tile + 1)].chunks_exact(rect.width);
                    for (row, from) in rows.chunks_exact_mut(cols as usize).zip(from) {
                        row[rect.col..rect.col + rect.width].copy_from_slice(from);
                    }
                }
            });
    });
    #[cfg(target_endian = "big")]
    compile_error!("elements are little-endian here as in the files");
    let bytes = Bytes::from_owner(Elements(out));
    Ok(bytes.slice(..len))
}

/// Elements as the bytes they are.
struct Elements<E>(Vec<E>);

impl<E: Element> AsRef<[u8]> for Elements<E> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

/// The chunks of tiles of a layer, each with its part of a state in tile order.
pub(crate) fn chunks_mut<'a, E>(
    tiling: &Tiling,
    mut bits: &'a mut [E],
) -> Vec<(std::ops::Range<usize>, &'a mut [E])> {
    let mut chunks = Vec::new();
    for chunk in tiling.runs(CHUNK_TILES) {
        let (part, rest) = bits.split_at_mut(tiling.span(chunk.clone()).len());
        bits = rest;
        chunks.push((chunk, part));
    }
    chunks
}
