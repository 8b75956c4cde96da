//! From blobs to states: what can be done without the store, on any thread.

use std::ops::Range;
use std::sync::Arc;

use crate::coding::dense::{Codebook, DenseBlock};
use crate::coding::{Block, Coder, Damage, Element, TileSet, decode_plane, fast};
use crate::error::{Error, Result};
use crate::store::database::{GroupRow, KeyframeRow};
use crate::store::index::{Group, LayerIndex};
use crate::values::Tiling;

/// What has to be added up for a state, or looked through: some steps of a group.
pub(crate) struct Part<'a> {
    pub(crate) group: &'a Group,
    /// Of a group in the dense coding.
    pub(crate) codebook: Option<Arc<Codebook>>,
    /// Steps of its blocks.
    pub(crate) steps: Range<usize>,
}

/// The blobs of one chunk of tiles.
pub(crate) struct Fetched {
    pub(crate) chunk: Range<usize>,
    pub(crate) frames: Vec<Arc<[u8]>>,
    /// For each part its runs inside the chunk; empty for a part whose runs are wider.
    pub(crate) runs: Vec<Vec<(usize, Arc<[u8]>)>>,
}

/// The blocks of parts whose runs are wider than a chunk, by part and run.
pub(crate) type Wide<E> = Vec<Vec<Option<Block<E>>>>;

/// Decodes what belongs to one layer.
#[derive(Clone, Copy)]
pub(crate) struct Decoder<'a> {
    pub(crate) layer: &'a LayerIndex,
}

impl Decoder<'_> {
    pub(crate) fn tiling(self) -> Tiling {
        self.layer.row.tiling()
    }

    /// Of the changes of a group.
    pub(crate) fn coder(self, group: &GroupRow) -> Coder {
        Coder {
            dtype: self.layer.row.dtype,
            lattice: group.lattice,
        }
    }

    pub(crate) fn decode_frames<E: Element>(
        self,
        frames: &[&KeyframeRow],
        fetched: &Fetched,
        set: &TileSet,
        bits: &mut [E],
    ) -> Result<()> {
        if frames.is_empty() {
            return Ok(()); // zeros
        }
        let tiling = self.tiling();
        let span = tiling.span(fetched.chunk.clone());
        let mut whole = Vec::new();
        let all = bits.len() == span.len();
        let target = if all {
            &mut *bits
        } else {
            whole.resize(span.len(), E::default());
            &mut whole[..]
        };
        for (frame, blob) in frames.iter().zip(&fetched.frames) {
            decode_plane(blob, frame.anchor.is_some(), target)
                .map_err(|damage| self.damaged_frame(frame, damage))?;
        }
        if !all {
            let inside = set.within(&fetched.chunk);
            let begin = set.span(inside.start).start;
            for index in inside {
                let (to, from) = (
                    set.span(index),
                    tiling.offset(set.tiles()[index]) - span.start,
                );
                bits[to.start - begin..to.end - begin]
                    .copy_from_slice(&whole[from..from + to.len()]);
            }
        }
        Ok(())
    }

    /// A block of a group, at least as far as the part's last step; `None` for an empty blob, which
    /// says that nothing changed. In the dense coding its run is one tile, whose ordered bits before
    /// the group are `before`.
    pub(crate) fn decode<E: Element>(
        self,
        part: &Part,
        run: Range<usize>,
        blob: &[u8],
        before: &[E],
    ) -> Result<Option<Block<E>>> {
        if blob.is_empty() {
            return Ok(None);
        }
        let (row, tiling) = (&part.group.row, self.tiling());
        let block = match &part.codebook {
            None => fast::decode(blob, &tiling, run, row.steps),
            Some(codebook) => {
                let tile = DenseBlock {
                    coder: self.coder(row),
                    width: tiling.rect(run.start).width,
                    before,
                    steps: row.steps,
                };
                tile.decode(blob, codebook, part.steps.end)
            }
        };
        block.map(Some).map_err(|damage| self.damaged(row, damage))
    }

    pub(crate) fn damaged(self, row: &GroupRow, Damage(what): Damage) -> Error {
        Error::damaged(format!(
            "steps {} to {} of layer '{}': {what}",
            row.first, row.last, self.layer.row.name
        ))
    }

    pub(crate) fn damaged_frame(self, row: &KeyframeRow, Damage(what): Damage) -> Error {
        Error::damaged(format!(
            "the keyframe of layer '{}' at step {}: {what}",
            self.layer.row.name, row.step
        ))
    }
}

/// A run of tiles by its number.
pub(crate) fn run_of(tiling: &Tiling, per_run: usize, run: usize) -> Range<usize> {
    run * per_run..tiling.count().min((run + 1) * per_run)
}
