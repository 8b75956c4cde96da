//! First states of layers, and tensors that are kept whole.

use std::sync::Arc;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::heads::LayerHead;
use super::keyframe::{KeyframeWriter, put_keyframe};
use super::resolve::BaseState;
use super::updates::Update;
use crate::coding::{WHOLE_PIECE, by_width, encode_bytes, gather_tile};
use crate::error::{Error, Result};
use crate::host::vec_with_room;
use crate::store::database::{LayerRow, StateRow, Transaction, digest_of, layer_digest};
use crate::store::reading::{LayerState, Matrix, StateElement, chunks_mut, copied, row_major};
use crate::values::Tensor;

/// Writes a layer with its base as a keyframe.
pub(super) fn write_base(
    pool: &ThreadPool,
    transaction: &Transaction,
    row: LayerRow,
    state: BaseState,
) -> Result<(Update, StateRow)> {
    transaction.put_layer(&row)?;
    for keyframe in transaction.keyframes(row.id)? {
        transaction.drop_keyframe(&keyframe)?; // the base that this one replaces
    }
    if row.matrix.is_none() {
        let BaseState::Tensor(tensor) = state else {
            return Err(row.not_a_matrix());
        };
        let state = put_whole(transaction, row.id, row.oldest, &tensor.data)?;
        return Ok((
            Update::Replace(row, LayerState::Whole(copied(&tensor))),
            state,
        ));
    }
    by_width!(row.dtype, E => write_matrix::<E>(pool, transaction, row, &state))
}

fn write_matrix<E: StateElement>(
    pool: &ThreadPool,
    transaction: &Transaction,
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
                row.check_inside((r, c))?;
                let narrow = row.dtype.narrow(value).ok_or(Error::OffLattice {
                    row: r,
                    col: c,
                    value,
                    dtype: row.dtype,
                })?;
                bits[tiling.offset(tile) + usize::from(place)] = E::from_u32(narrow);
            }
        }
        BaseState::Tensor(tensor) => pool.install(|| {
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
    let (keyframe, digests) = put_keyframe(pool, transaction, &row, row.oldest, &bits)?;
    transaction.put_keyframe(&keyframe)?;
    let state = StateRow {
        changes: 0,
        digest: layer_digest(&digests),
    };
    let bits = Arc::new(row_major(&tiling, &bits, pool)?);
    Ok((
        Update::Replace(row, E::into_state(Matrix { bits, digests })),
        state,
    ))
}

/// Writes the content of a tensor that is kept whole, if it is another than before.
pub(super) fn write_whole(
    transaction: &Transaction,
    head: &LayerHead,
    step: i32,
    tensor: &Tensor,
) -> Result<StateRow> {
    let LayerState::Whole(before) = &head.state else {
        return Err(head.row.not_a_matrix());
    };
    if *before == tensor.data {
        return Ok(StateRow {
            changes: 0,
            digest: digest_of(before),
        });
    }
    put_whole(transaction, head.row.id, step, &tensor.data)
}

/// Writes the content of a tensor that is kept whole.
pub(crate) fn put_whole(
    transaction: &Transaction,
    id: u32,
    step: i32,
    content: &[u8],
) -> Result<StateRow> {
    let mut writer = KeyframeWriter::new(id, step, None, 1);
    for piece in content.chunks(WHOLE_PIECE) {
        writer.put(transaction, &encode_bytes(piece))?;
    }
    transaction.put_keyframe(&writer.finish())?;
    Ok(StateRow {
        changes: 0,
        digest: digest_of(content),
    })
}
