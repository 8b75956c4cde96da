//! How the heads follow a step that has been committed.

use std::sync::Arc;

use bytes::Bytes;

use super::heads::{HeadElement, Heads, LayerHead, TileUpdate, TileUpdates};
use crate::coding::{Coder, SLAB_STEPS};
use crate::detect::Lattice;
use crate::store::database::LayerRow;
use crate::store::reading::{LayerState, Matrix};
use crate::values::TILE;

/// How a head changes once the step is committed.
pub(crate) enum Update {
    /// The changes of its tiles, and what their codes count steps of, as in a group.
    Tiles(Vec<TileUpdates>, Option<Lattice>),
    /// A first state, of a new layer too.
    Replace(LayerRow, LayerState),
    /// The content of a tensor that is kept whole.
    Whole(Bytes),
}

impl Heads {
    /// Brings them to a step that has been written. Says whether there is enough to seal; `None` where
    /// the updates do not fit, and the heads have to be read again.
    pub(super) fn follow(
        &mut self,
        step: i32,
        updates: Vec<(u32, Update)>,
        metadata: String,
    ) -> Option<bool> {
        let mut seal = false;
        self.latest = self.latest.max(Some(step));
        if !metadata.is_empty() {
            self.metadata = metadata; // of a step of all layers, so the newest
        }
        for (id, update) in updates {
            let known = self.layers.get_mut(id as usize);
            match (update, known) {
                (Update::Tiles(tiles, lattice), Some(head)) => {
                    head.latest = step;
                    head.steps.push(step);
                    head.unsealed += 1;
                    head.lattice = lattice.or(head.lattice);
                    seal |= head.unsealed >= SLAB_STEPS;
                    let coder = Coder {
                        dtype: head.row.dtype,
                        lattice,
                    };
                    for tiles in tiles {
                        apply_tiles(head, coder, tiles)?;
                    }
                }
                (Update::Whole(bytes), Some(head)) => {
                    head.latest = step;
                    head.steps.push(step);
                    head.state = LayerState::Whole(bytes);
                }
                (Update::Replace(row, state), Some(head)) => {
                    head.latest = step;
                    head.row = row;
                    head.state = state;
                }
                (Update::Replace(row, state), None) => {
                    self.layers.push(LayerHead {
                        row,
                        latest: step,
                        steps: vec![step],
                        unsealed: 0,
                        lattice: None,
                        state,
                    });
                }
                (Update::Tiles(..) | Update::Whole(_), None) => return None,
            }
        }
        Some(seal)
    }
}

fn apply_tiles(head: &mut LayerHead, coder: Coder, tiles: TileUpdates) -> Option<()> {
    let LayerHead { row, state, .. } = head;
    match (state, tiles) {
        (LayerState::Two(matrix), TileUpdates::Two(tiles)) => apply_to(row, coder, matrix, tiles),
        (LayerState::Four(matrix), TileUpdates::Four(tiles)) => apply_to(row, coder, matrix, tiles),
        _ => return None,
    }
    Some(())
}

fn apply_to<E: HeadElement>(
    row: &LayerRow,
    coder: Coder,
    matrix: &mut Matrix<E>,
    tiles: Vec<TileUpdate<E>>,
) {
    let tiling = row.tiling();
    let cols = tiling.shape().1 as usize;
    let bits = Arc::make_mut(&mut matrix.bits);
    for TileUpdate {
        tile,
        changes,
        digest,
    } in tiles
    {
        let rect = tiling.rect(tile);
        let bits = &mut bits[rect.row * cols + rect.col..];
        let mut raws = changes.raws.iter();
        for (&place, &code) in changes.positions.iter().zip(&changes.codes) {
            let place = usize::from(place);
            let at = if rect.width == TILE {
                place / TILE * cols + place % TILE // a shift, where the other is a division
            } else {
                place / rect.width * cols + place % rect.width
            };
            let weight = &mut bits[at];
            // Encoding has made sure that there is a result.
            let after = if code != E::default() {
                coder.step(weight.to_ordered(), code).map(E::to_plain)
            } else if let Some(raw) = raws.next() {
                coder.after(*weight, raw)
            } else {
                continue;
            };
            *weight = after.unwrap_or(*weight);
        }
        matrix.digests[tile] = digest;
    }
}
