use std::ops::Range;
use std::sync::Arc;

use rayon::Scope;

use super::database::Digest;
use super::decoder::Fetched;
use super::head::{HeadElement, HeadState, Matrix};
use super::plan::{Gathered, Plan, Room, in_order};
use super::reader::{CHUNK_TILES, Reader};
use crate::coding::{Element, TileSet};
use crate::error::Result;
use crate::host::vec_with_room;
use crate::values::{TILE, Tiling};

/// The state of one whole layer while it is made, beside those of others.
pub(crate) enum State<'a> {
    Two(Making<'a, u16>),
    Four(Making<'a, u32>),
    Whole(Vec<u8>),
}

pub(crate) struct Making<'a, E> {
    at: usize,
    plan: Plan<'a, E>,
    /// Row-major.
    bits: Vec<E>,
    digests: Gathered<Vec<Digest>>,
}

impl<'a> State<'a> {
    /// Makes room for the state after the step at a place.
    pub(crate) fn begin(reader: &Reader<'a>, at: usize) -> Result<Self> {
        Ok(
            match (reader.layer.row.matrix, reader.layer.row.dtype.size()) {
                (None, _) => State::Whole(reader.whole(at)?),
                (Some(_), 2) => State::Two(Making::begin(reader, at)?),
                _ => State::Four(Making::begin(reader, at)?),
            },
        )
    }

    /// Fetches what it is made of and has other threads make it.
    pub(crate) fn spawn<'s>(
        &'s mut self,
        reader: &Reader<'a>,
        scope: &Scope<'s>,
        room: &'s Room,
    ) -> Result<()>
    where
        'a: 's,
    {
        match self {
            State::Two(making) => making.spawn(reader, scope, room),
            State::Four(making) => making.spawn(reader, scope, room),
            State::Whole(_) => Ok(()),
        }
    }

    /// Checks what has been made.
    pub(crate) fn finish(self, reader: &Reader<'a>) -> Result<HeadState> {
        match self {
            State::Two(making) => making.finish(reader),
            State::Four(making) => making.finish(reader),
            State::Whole(bytes) => Ok(HeadState::Whole(bytes.into())),
        }
    }
}

impl<'a, E: HeadElement> Making<'a, E> {
    fn begin(reader: &Reader<'a>, at: usize) -> Result<Self> {
        let tiling = reader.layer.row.tiling();
        let plan = reader.plan(at, TileSet::all(&tiling))?;
        let mut bits = vec_with_room(tiling.len())?;
        bits.resize(tiling.len(), E::default());
        Ok(Making {
            at,
            plan,
            bits,
            digests: Gathered::default(),
        })
    }

    fn spawn<'s>(&'s mut self, reader: &Reader<'a>, scope: &Scope<'s>, room: &'s Room) -> Result<()>
    where
        'a: 's,
    {
        let chunks = rows_of_chunks(&reader.layer.row.tiling(), &mut self.bits);
        reader.spawn(scope, room, &self.plan, chunks, &place::<E>, &self.digests)
    }

    fn finish(self, reader: &Reader<'a>) -> Result<HeadState> {
        let digests: Vec<Digest> = in_order(self.digests)?
            .into_iter()
            .flat_map(|(_, digests)| digests)
            .collect();
        reader.check_digest(self.at, &self.plan, &digests)?;
        Ok(E::into_state(Matrix {
            bits: Arc::new(self.bits),
            digests,
        }))
    }
}

/// Puts a chunk where it belongs.
fn place<E: Element>(
    plan: &Plan<E>,
    fetched: &Fetched,
    bits: &mut [E],
    rows: Vec<&mut [E]>,
) -> Result<Vec<Digest>> {
    copy_rows(bits, rows);
    Ok(plan.tile_digests(fetched, bits))
}

/// Copies a chunk in tile order to the rows of its tiles.
pub(super) fn copy_rows<E: Element>(mut bits: &[E], rows: Vec<&mut [E]>) {
    for row in rows {
        let (own, others) = bits.split_at(row.len());
        row.copy_from_slice(own);
        bits = others;
    }
}

/// Cuts a row-major state into the rows of its tiles: of each chunk tile by tile, row by row.
pub(super) fn rows_of_chunks<'b, E>(
    tiling: &Tiling,
    bits: &'b mut [E],
) -> Vec<(Range<usize>, Vec<&'b mut [E]>)> {
    let cols = tiling.shape().1 as usize;
    let mut tiles: Vec<Vec<&mut [E]>> = Vec::with_capacity(tiling.count());
    for band in bits.chunks_mut(TILE * cols) {
        let first = tiles.len();
        tiles.resize_with(first + tiling.across(), || Vec::with_capacity(TILE));
        for row in band.chunks_mut(cols) {
            for (tile, part) in tiles[first..].iter_mut().zip(row.chunks_mut(TILE)) {
                tile.push(part);
            }
        }
    }
    let mut tiles = tiles.into_iter();
    let chunk = |chunk: Range<usize>| {
        let rows = tiles.by_ref().take(chunk.len()).flatten().collect();
        (chunk, rows)
    };
    tiling.runs(CHUNK_TILES).map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_tiles_are_those_of_the_layer() {
        let tiling = Tiling::new((300, 530));
        let mut bits: Vec<u32> = (0..300 * 530).collect();
        for (chunk, rows) in rows_of_chunks(&tiling, &mut bits) {
            let mut rows = rows.into_iter();
            for tile in chunk {
                let rect = tiling.rect(tile);
                for row in rect.row..rect.row + rect.height {
                    let own = rows.next().unwrap();
                    assert_eq!(
                        (own[0], own.len()),
                        ((row * 530 + rect.col) as u32, rect.width)
                    );
                }
            }
            assert!(rows.next().is_none());
        }
    }
}
