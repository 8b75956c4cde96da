use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::commit::{TileUpdate, TileUpdates};
use super::database::{Digest, LayerRow};
use super::reader::CHUNK_TILES;
use super::settings::Settings;
use crate::coding::Element;
use crate::detect::Lattice;
use crate::error::{Error, Result};
use crate::host::vec_with_room;
use crate::values::{TILE, Tiling};

/// The latest state of every layer, and what a new step has to come after.
pub(crate) struct Heads {
    /// By id of the layer.
    pub(crate) layers: Vec<LayerHead>,
    /// The newest commit's step; `None` in a store without commits.
    pub(crate) latest: Option<i32>,
    /// Metadata of the newest checkpoint, as JSON.
    pub(crate) metadata: String,
    pub(super) settings: Settings,
}

impl Heads {
    pub(crate) fn layer(&self, id: u32) -> Result<&LayerHead> {
        self.layers.get(id as usize).ok_or(Error::Poisoned)
    }
}

/// The latest state of one layer.
pub(crate) struct LayerHead {
    pub(crate) row: LayerRow,
    /// The newest step; the base's label where there is none.
    pub(crate) latest: i32,
    /// The base's label and all steps after it.
    pub(super) steps: Vec<i32>,
    /// Steps that are not sealed.
    pub(crate) unsealed: usize,
    /// Of the newest group that has one.
    pub(crate) lattice: Option<Lattice>,
    pub(crate) state: HeadState,
}

pub(crate) enum HeadState {
    Two(Matrix<u16>),
    Four(Matrix<u32>),
    Whole(Bytes),
}

/// A state, row-major.
pub(crate) struct Matrix<E> {
    /// Whoever asked for the latest state may still share it; it is copied then before it changes.
    pub(crate) bits: Arc<Vec<E>>,
    /// Of each tile.
    pub(crate) digests: Vec<Digest>,
}

/// An element of a width that heads have.
pub(crate) trait HeadElement: Element {
    fn into_state(matrix: Matrix<Self>) -> HeadState;
    fn into_updates(tiles: Vec<TileUpdate<Self>>) -> TileUpdates;
}

impl HeadElement for u16 {
    fn into_state(matrix: Matrix<Self>) -> HeadState {
        HeadState::Two(matrix)
    }

    fn into_updates(tiles: Vec<TileUpdate<Self>>) -> TileUpdates {
        TileUpdates::Two(tiles)
    }
}

impl HeadElement for u32 {
    fn into_state(matrix: Matrix<Self>) -> HeadState {
        HeadState::Four(matrix)
    }

    fn into_updates(tiles: Vec<TileUpdate<Self>>) -> TileUpdates {
        TileUpdates::Four(tiles)
    }
}

impl HeadState {
    /// The tensor's bytes as a checkpoint holds them. They are shared, not copied.
    pub(crate) fn to_bytes(&self, row: &LayerRow) -> Bytes {
        match self {
            HeadState::Two(matrix) => bytes_of(&matrix.bits, row.raw_bytes()),
            HeadState::Four(matrix) => bytes_of(&matrix.bits, row.raw_bytes()),
            HeadState::Whole(bytes) => bytes.clone(),
        }
    }
}

/// Elements as the bytes they are, `len` of them.
fn bytes_of<E: Element>(bits: &Arc<Vec<E>>, len: usize) -> Bytes {
    struct Shared<E>(Arc<Vec<E>>);

    impl<E: Element> AsRef<[u8]> for Shared<E> {
        fn as_ref(&self) -> &[u8] {
            bytemuck::cast_slice(&self.0)
        }
    }

    #[cfg(target_endian = "big")]
    compile_error!("elements are little-endian here as in the files");
    Bytes::from_owner(Shared(Arc::clone(bits))).slice(..len)
}

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

/// A state in tile order as a row-major one.
pub(crate) fn row_major<E: Element>(
    tiling: &Tiling,
    bits: &[E],
    pool: &ThreadPool,
) -> Result<Vec<E>> {
    let cols = tiling.shape().1 as usize;
    let mut out = vec_with_room(tiling.len())?;
    out.resize(tiling.len(), E::default());
    let across = tiling.across();
    pool.install(|| {
        out.par_chunks_mut(TILE * cols)
            .enumerate()
            .for_each(|(band, rows)| {
                for tile in band * across..(band + 1) * across {
                    let rect = tiling.rect(tile);
                    let from = bits[tiling.span(tile..tile + 1)].chunks_exact(rect.width);
                    for (row, from) in rows.chunks_exact_mut(cols).zip(from) {
                        row[rect.col..rect.col + rect.width].copy_from_slice(from);
                    }
                }
            });
    });
    Ok(out)
}

/// The chunks of tiles of a layer, each with its part of a state in tile order.
pub(crate) fn chunks_mut<'a, E>(
    tiling: &Tiling,
    mut bits: &'a mut [E],
) -> Vec<(Range<usize>, &'a mut [E])> {
    let mut chunks = Vec::new();
    for chunk in tiling.runs(CHUNK_TILES) {
        let (part, rest) = bits.split_at_mut(tiling.span(chunk.clone()).len());
        bits = rest;
        chunks.push((chunk, part));
    }
    chunks
}
