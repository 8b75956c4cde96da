//! First states of layers, keyframes, and tensors that are kept whole.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;

use super::blob_writer::BlobWriter;
use super::commit::Update;
use super::core::Store;
use super::database::{Batch, Digest, KeyframeRow, LayerRow, StateRow, digest_of};
use super::entry::{BaseState, not_a_matrix};
use super::head::{HeadElement, HeadState, LayerHead, Matrix, chunks_mut, gather_tile, row_major};
use super::reader::{CHUNK_TILES, WHOLE_PIECE, layer_digest};
use crate::coding::{encode_bytes, encode_plane};
use crate::error::{Error, Result};
use crate::host::vec_with_room;
use crate::values::{Tensor, Tiling};

/// Chunks of tiles that are encoded before they are written: bounds what is in memory.
const BATCH_CHUNKS: usize = 16;

impl Store {
    /// Writes a layer with its base as a keyframe.
    pub(crate) fn write_base(
        &self,
        batch: &Batch,
        row: LayerRow,
        state: BaseState,
    ) -> Result<(Update, StateRow)> {
        batch.put_layer(&row)?;
        for keyframe in batch.keyframes(row.id)? {
            batch.drop_keyframe(&keyframe)?; // the base that this one replaces
        }
        if row.matrix.is_none() {
            let BaseState::Tensor(tensor) = state else {
                return Err(not_a_matrix(&row));
            };
            let state = self.put_whole(batch, row.id, row.oldest, &tensor.data)?;
            return Ok((
                Update::Replace(row, HeadState::Whole(copied(&tensor))),
                state,
            ));
        }
        if row.dtype.size() == 2 {
            self.write_matrix::<u16>(batch, row, &state)
        } else {
            self.write_matrix::<u32>(batch, row, &state)
        }
    }

    fn write_matrix<E: HeadElement>(
        &self,
        batch: &Batch,
        row: LayerRow,
        state: &BaseState,
    ) -> Result<(Update, StateRow)> {
        let tiling = row.tiling();
        let mut bits = vec_with_room(tiling.len())?;
        bits.resize(tiling.len(), E::default());
        match state {
            BaseState::Sparse(weights) => {
                for ((r, c), &value) in weights.iter() {
                    let (tile, place) = tiling.place(r as usize, c as usize);
                    check_inside_tensor(&row, r, c)?;
                    let narrow = row.dtype.narrow(value).ok_or(Error::OffLattice {
                        row: r,
                        col: c,
                        value,
                        dtype: row.dtype,
                    })?;
                    bits[tiling.offset(tile) + usize::from(place)] = E::from_u32(narrow);
                }
            }
            BaseState::Tensor(tensor) => self.pool().install(|| {
                chunks_mut(&tiling, &mut bits)
                    .into_par_iter()
                    .for_each(|(chunk, mut part)| {
                        let mut gathered = Vec::new();
                        for tile in chunk {
                            gather_tile(&tiling, tile, &tensor.data, &mut gathered);
                            let (own, rest) = part.split_at_mut(gathered.len());
                            own.copy_from_slice(&gathered);
                            part = rest;
                        }
                    });
            }),
        }
        let (keyframe, digests) = self.put_keyframe(batch, &row, row.oldest, &bits, None)?;
        batch.put_keyframe(&keyframe)?;
        let state = StateRow {
            changes: 0,
            digest: layer_digest(&digests),
        };
        let bits = Arc::new(row_major(&tiling, &bits, self.pool())?);
        Ok((
            Update::Replace(row, E::into_state(Matrix { bits, digests })),
            state,
        ))
    }

    /// Writes the blobs of a state as a keyframe, whole or as differences from an anchor, and gives
    /// its row and the digests of the tiles.
    pub(crate) fn put_keyframe<E: HeadElement>(
        &self,
        batch: &Batch,
        row: &LayerRow,
        step: i32,
        bits: &[E],
        anchor: Option<(i32, &[E])>,
    ) -> Result<(KeyframeRow, Vec<Digest>)> {
        let tiling = row.tiling();
        let chunks: Vec<Range<usize>> = tiling.runs(CHUNK_TILES).collect();
        let mut blobs = BlobWriter::new(CHUNK_TILES);
        let mut digests = Vec::new();
        for group in chunks.chunks(BATCH_CHUNKS) {
            let encode = |chunk: &Range<usize>| {
                let span = tiling.span(chunk.clone());
                let anchor = anchor.map(|(_, anchor)| &anchor[span.clone()]);
                let digests: Vec<Digest> = chunk
                    .clone()
                    .map(|tile| digest_of(bytemuck::cast_slice(&bits[tiling.span(tile..tile + 1)])))
                    .collect();
                (encode_plane(&bits[span], anchor), digests)
            };
            let encoded: Vec<_> = self
                .pool()
                .install(|| group.par_iter().map(encode).collect());
            for (blob, own) in encoded {
                blobs.put(batch, &blob, |run, data| {
                    KeyframeRow::blob_sum(row.id, step, run, data)
                })?;
                digests.extend(own);
            }
        }
        let keyframe = KeyframeRow {
            layer: row.id,
            step,
            anchor: anchor.map(|(step, _)| step),
            blobs: blobs.finish(),
        };
        Ok((keyframe, digests))
    }

    pub(crate) fn write_whole(
        &self,
        batch: &Batch,
        head: &LayerHead,
        step: i32,
        tensor: &Tensor,
    ) -> Result<StateRow> {
        let HeadState::Whole(before) = &head.state else {
            return Err(not_a_matrix(&head.row));
        };
        if *before == tensor.data {
            return Ok(StateRow {
                changes: 0,
                digest: digest_of(before),
            });
        }
        self.put_whole(batch, head.row.id, step, &tensor.data)
    }

    /// Writes the content of a tensor that is kept whole.
    pub(crate) fn put_whole(
        &self,
        batch: &Batch,
        id: u32,
        step: i32,
        content: &[u8],
    ) -> Result<StateRow> {
        let mut blobs = BlobWriter::new(1);
        for piece in content.chunks(WHOLE_PIECE) {
            blobs.put(batch, &encode_bytes(piece), |run, data| {
                KeyframeRow::blob_sum(id, step, run, data)
            })?;
        }
        batch.put_keyframe(&KeyframeRow {
            layer: id,
            step,
            anchor: None,
            blobs: blobs.finish(),
        })?;
        Ok(StateRow {
            changes: 0,
            digest: digest_of(content),
        })
    }
}

/// A tensor's bytes on their own: those of a checkpoint may be a slice of a whole file.
pub(crate) fn copied(tensor: &Tensor) -> Bytes {
    Bytes::copy_from_slice(&tensor.data)
}

/// The short last row of a vector has no weights behind its end.
fn check_inside_tensor(layer: &LayerRow, row: i32, col: i32) -> Result<()> {
    let shape = layer.tiling().shape();
    if row as usize * shape.1 as usize + (col as usize) < layer.elements() {
        Ok(())
    } else {
        Err(Error::OutOfShape { row, col, shape })
    }
}

pub(crate) fn zeros(row: &LayerRow) -> Result<HeadState> {
    fn of<E: HeadElement>(tiling: &Tiling) -> Result<HeadState> {
        let mut bits = vec_with_room(tiling.len())?;
        bits.resize(tiling.len(), E::default());
        // A tile of zeros is so in any order.
        let digest = |tile| digest_of(bytemuck::cast_slice(&bits[tiling.span(tile..tile + 1)]));
        let digests = (0..tiling.count()).map(digest).collect();
        Ok(E::into_state(Matrix {
            bits: Arc::new(bits),
            digests,
        }))
    }
    if row.dtype.size() == 2 {
        of::<u16>(&row.tiling())
    } else {
        of::<u32>(&row.tiling())
    }
}
