//! How a state comes about, chunk by chunk.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::chunks::CHUNK_TILES;
use super::decoder::{Decoder, Fetched, Part, Wide, run_of};
use crate::coding::{Block, Damage, Element, TileSet, apply};
use crate::error::Result;
use crate::store::database::{Digest, KeyframeRow, digest_of};

/// What is done with a tile of a part's block: the part, the block, the tile's place in the block's
/// run, the tile, and its ordered bits.
pub(crate) trait TileWork<E>:
    FnMut(&Part, &Block<E>, usize, usize, &mut [E]) -> std::result::Result<(), Damage>
{
}

impl<E, F> TileWork<E> for F where
    F: FnMut(&Part, &Block<E>, usize, usize, &mut [E]) -> std::result::Result<(), Damage>
{
}

/// How a state comes about: keyframes, each upon the one before, then parts of groups; and what is
/// looked through after it.
pub(crate) struct Plan<'a, E> {
    pub(crate) decoder: Decoder<'a>,
    pub(crate) set: TileSet,
    pub(crate) frames: Vec<&'a KeyframeRow>,
    pub(crate) parts: Vec<Part<'a>>,
    /// How many of the parts lead to the state.
    pub(crate) leading: usize,
    /// Whether it is for states at all.
    pub(crate) with_states: bool,
    pub(crate) wide: Wide<E>,
}

/// What the chunks of a plan gave, by their place among them.
pub(crate) type Gathered<T> = Mutex<Vec<(usize, Result<T>)>>;

impl<'a, E: Element> Plan<'a, E> {
    /// Of parts that are to be looked through without any state.
    pub(crate) fn of_blocks(decoder: Decoder<'a>, set: TileSet) -> Self {
        Plan {
            decoder,
            set,
            frames: Vec::new(),
            parts: Vec::new(),
            leading: 0,
            with_states: false,
            wide: Vec::new(),
        }
    }

    /// The digests of a chunk's tiles, where the plan is for a whole layer.
    pub(crate) fn tile_digests(&self, fetched: &Fetched, bits: &[E]) -> Vec<Digest> {
        if self.set.tiles().len() < self.decoder.tiling().count() {
            return Vec::new();
        }
        let inside = self.set.within(&fetched.chunk);
        let begin = self.set.span(inside.start).start;
        let digest = |index| {
            let span = self.set.span(index);
            digest_of(bytemuck::cast_slice(
                &bits[span.start - begin..span.end - begin],
            ))
        };
        inside.map(digest).collect()
    }

    /// The chunks that hold tiles of the set.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Range<usize>> {
        let runs = self.decoder.tiling().runs(CHUNK_TILES);
        runs.filter(|chunk| !self.set.within(chunk).is_empty())
    }

    /// Weights of the set in a chunk.
    pub(crate) fn chunk_len(&self, chunk: &Range<usize>) -> usize {
        self.set
            .within(chunk)
            .map(|index| self.set.span(index).len())
            .sum()
    }

    /// Brings the zeros of a chunk to its plain bits.
    pub(crate) fn make(&self, fetched: &Fetched, bits: &mut [E]) -> Result<()> {
        self.decoder
            .decode_frames(&self.frames, fetched, &self.set, bits)?;
        if self.leading > 0 {
            bits.iter_mut().for_each(|bits| *bits = bits.to_ordered());
            self.each_tile(
                0..self.leading,
                fetched,
                bits,
                |part, block, index, _, ordered| {
                    let coder = self.decoder.coder(&part.group.row);
                    apply(block, index, &part.steps, coder, ordered)
                },
            )?;
            bits.iter_mut().for_each(|bits| *bits = bits.to_plain());
        }
        Ok(())
    }

    /// Calls `work` for each tile of a chunk and each of some parts, in the order of time, with the
    /// tile's block and ordered bits.
    pub(crate) fn each_tile(
        &self,
        parts: Range<usize>,
        fetched: &Fetched,
        bits: &mut [E],
        mut work: impl TileWork<E>,
    ) -> Result<()> {
        let (decoder, tiling) = (self.decoder, self.decoder.tiling());
        let begin = self.set.span(self.set.within(&fetched.chunk).start).start;
        for at in parts {
            let part = &self.parts[at];
            let row = &part.group.row;
            let per_run = row.blobs.per_run;
            if per_run > CHUNK_TILES {
                let run = fetched.chunk.start / per_run;
                if let Some(block) = &self.wide[at][run] {
                    let run = run_of(&tiling, per_run, run);
                    self.on_block(at, block, (&run, fetched), bits, &mut work)?;
                }
            }
            for (run, blob) in &fetched.runs[at] {
                let run = run_of(&tiling, per_run, *run);
                let before = match &part.codebook {
                    None => &[],
                    Some(_) if part.steps.start > 0 => {
                        return Err(decoder.damaged(row, Damage("a keyframe lies among its steps")));
                    }
                    Some(_) => {
                        let span = self.set.span(self.set.within(&run).start);
                        &bits[span.start - begin..span.end - begin]
                    }
                };
                if let Some(block) = decoder.decode(part, run.clone(), blob, before)? {
                    self.on_block(at, &block, (&run, fetched), bits, &mut work)?;
                }
            }
        }
        Ok(())
    }

    /// The tiles of a block that are in the set and in the chunk.
    fn on_block(
        &self,
        at: usize,
        block: &Block<E>,
        (run, fetched): (&Range<usize>, &Fetched),
        bits: &mut [E],
        work: &mut impl TileWork<E>,
    ) -> Result<()> {
        let part = &self.parts[at];
        let begin = self.set.span(self.set.within(&fetched.chunk).start).start;
        let both = run.start.max(fetched.chunk.start)..run.end.min(fetched.chunk.end);
        for index in self.set.within(&both) {
            let (tile, span) = (self.set.tiles()[index], self.set.span(index));
            let ordered = &mut bits[span.start - begin..span.end - begin];
            work(part, block, tile - run.start, tile, ordered)
                .map_err(|damage| self.decoder.damaged(&part.group.row, damage))?;
        }
        Ok(())
    }
}

/// What was gathered, in the order of the chunks; of several failures the first chunk's.
pub(crate) fn in_order<T>(gathered: Gathered<T>) -> Result<Vec<(usize, T)>> {
    let mut gathered = gathered
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    gathered.sort_unstable_by_key(|(number, _)| *number);
    gathered
        .into_iter()
        .map(|(number, made)| Ok((number, made?)))
        .collect()
}
