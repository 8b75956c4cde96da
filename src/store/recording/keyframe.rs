//! Whole states of a layer on their way into the database.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::blob_writer::BlobWriter;
use crate::coding::{Element, encode_plane};
use crate::error::Result;
use crate::store::database::{BlobOwner, Digest, KeyframeRow, LayerRow, Transaction, digest_of};
use crate::store::reading::CHUNK_TILES;

/// Chunks of tiles that are encoded before they are written: bounds what is in memory.
const BATCH_CHUNKS: usize = 16;

/// Writes the blobs of a state, in tile order, as a keyframe that is coded upon no other, and gives
/// its row and the digests of the tiles.
pub(crate) fn put_keyframe<E: Element>(
    pool: &ThreadPool,
    transaction: &Transaction,
    row: &LayerRow,
    step: i32,
    bits: &[E],
) -> Result<(KeyframeRow, Vec<Digest>)> {
    let tiling = row.tiling();
    let chunks: Vec<Range<usize>> = tiling.runs(CHUNK_TILES).collect();
    let mut writer = KeyframeWriter::new(row.id, step, None, CHUNK_TILES);
    let mut digests = Vec::new();
    for group in chunks.chunks(BATCH_CHUNKS) {
        let encode = |chunk: &Range<usize>| {
            let tiles = chunk.clone().map(|tile| tiling.span(tile..tile + 1));
            let digests: Vec<Digest> = tiles
                .map(|span| digest_of(bytemuck::cast_slice(&bits[span])))
                .collect();
            (
                encode_plane(&bits[tiling.span(chunk.clone())], None),
                digests,
            )
        };
        let encoded: Vec<_> = pool.install(|| group.par_iter().map(encode).collect());
        for (blob, own) in encoded {
            writer.put(transaction, &blob)?;
            digests.extend(own);
        }
    }
    Ok((writer.finish(), digests))
}

/// Puts the blobs of one keyframe, one after the other.
pub(super) struct KeyframeWriter {
    layer: u32,
    step: i32,
    anchor: Option<i32>,
    blobs: BlobWriter,
}

impl KeyframeWriter {
    pub(super) fn new(layer: u32, step: i32, anchor: Option<i32>, per_run: usize) -> Self {
        KeyframeWriter {
            layer,
            step,
            anchor,
            blobs: BlobWriter::new(BlobOwner::Keyframe { layer, step }, per_run),
        }
    }

    pub(super) fn put(&mut self, transaction: &Transaction, blob: &[u8]) -> Result<()> {
        self.blobs.put(transaction, blob)
    }

    /// The row that names the blobs.
    pub(super) fn finish(self) -> KeyframeRow {
        KeyframeRow {
            layer: self.layer,
            step: self.step,
            anchor: self.anchor,
            blobs: self.blobs.finish(),
        }
    }
}

/// A keyframe whose blobs have not been written yet.
pub(crate) struct EncodedKeyframe {
    layer: u32,
    pub(crate) step: i32,
    /// The keyframe that it holds differences from.
    pub(crate) anchor: Option<i32>,
    blobs: Vec<Vec<u8>>,
}

impl EncodedKeyframe {
    /// A state, in tile order, whole, or as differences from an anchor where that is much smaller.
    pub(crate) fn new<E: Element>(
        pool: &ThreadPool,
        row: &LayerRow,
        step: i32,
        state: &[E],
        anchor: Option<(i32, &[E])>,
    ) -> Self {
        let tiling = row.tiling();
        let encode = |anchor: Option<&[E]>| -> Vec<Vec<u8>> {
            let chunks: Vec<Range<usize>> = tiling.runs(CHUNK_TILES).collect();
            let one = |chunk: &Range<usize>| {
                let span = tiling.span(chunk.clone());
                encode_plane(&state[span.clone()], anchor.map(|anchor| &anchor[span]))
            };
            pool.install(|| chunks.par_iter().map(one).collect())
        };
        let size = |blobs: &[Vec<u8>]| blobs.iter().map(Vec::len).sum::<usize>();
        let made = |anchor, blobs| EncodedKeyframe {
            layer: row.id,
            step,
            anchor,
            blobs,
        };
        let full = encode(None);
        if let Some((anchor, bits)) = anchor {
            let differences = encode(Some(bits));
            if size(&differences) * 4 < size(&full) * 3 {
                return made(Some(anchor), differences);
            }
        }
        made(None, full)
    }

    /// Writes the blobs, and gives the row that names them.
    pub(crate) fn put(&self, transaction: &Transaction) -> Result<KeyframeRow> {
        let mut writer = KeyframeWriter::new(self.layer, self.step, self.anchor, CHUNK_TILES);
        for blob in &self.blobs {
            writer.put(transaction, blob)?;
        }
        Ok(writer.finish())
    }
}
