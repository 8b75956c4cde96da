//! A layer is read and written in chunks of tiles: which these are, how a state is cut into them, and
//! how those that are fetched wait for each other.

use std::ops::Range;
use std::sync::{Condvar, Mutex, PoisonError};

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::coding::Element;
use crate::error::Result;
use crate::host::vec_with_room;
use crate::values::{TILE, Tiling};

/// Tiles whose states make one blob of a keyframe, and that one task works on at a time. Runs of
/// groups are powers of two of tiles, so that each lies in one such chunk or has whole ones.
pub(crate) const CHUNK_TILES: usize = 4;

/// Chunks for each thread whose blobs have been fetched and that wait to be worked on: bounds what
/// is in memory.
const WAITING: usize = 4;

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

/// How many chunks may wait at a time.
pub(crate) struct Room {
    waiting: Mutex<usize>,
    left: Condvar,
    limit: usize,
}

/// One of those that wait or are worked on.
pub(crate) struct Inside<'r>(&'r Room);

impl Room {
    pub(crate) fn new(pool: &ThreadPool) -> Self {
        Room {
            waiting: Mutex::new(0),
            left: Condvar::new(),
            limit: WAITING * pool.current_num_threads(),
        }
    }

    pub(crate) fn enter(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |waiting: &mut usize| *waiting >= self.limit;
        let waiting = self.left.wait_while(waiting, full);
        *waiting.unwrap_or_else(PoisonError::into_inner) += 1;
    }

    pub(crate) fn inside(&self) -> Inside<'_> {
        Inside(self)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.left.notify_one();
    }
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
