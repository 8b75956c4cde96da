use std::ops::Range;
use std::sync::{Arc, PoisonError};

use rayon::prelude::*;
use rayon::{Scope, ThreadPool};

use super::cache::BlobCache;
use super::chunks::{CHUNK_TILES, Room};
use super::codebooks::Codebooks;
use super::decoder::{Decoder, Fetched, Part, Wide, run_of};
use super::plan::{Gathered, Plan, in_order};
use crate::coding::{Damage, Element, TileSet, WHOLE_PIECE, decode_bytes};
use crate::error::{Error, Result};
use crate::host::vec_with_room;
use crate::store::database::{
    BlobOwner, Blobs, Digest, GroupRow, KeyframeRow, Snapshot, digest_of, layer_digest,
};
use crate::store::index::{Group, Index, LayerIndex};
use crate::values::Tiling;

/// Answers questions about one layer in one consistent state of the store.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) snapshot: &'a Snapshot<'a>,
    pub(crate) index: &'a Index,
    pub(crate) layer: &'a LayerIndex,
    /// `None` for those who read everything once.
    pub(crate) cache: Option<&'a BlobCache>,
    pub(crate) codebooks: &'a Codebooks,
    pub(crate) pool: &'a ThreadPool,
}

impl<'a> Reader<'a> {
    pub(crate) fn decoder(&self) -> Decoder<'a> {
        Decoder { layer: self.layer }
    }

    pub(super) fn tiling(&self) -> Tiling {
        self.layer.row.tiling()
    }

    /// Plain bits of some tiles after the step at a place of the layer's steps. Of the whole layer
    /// they are checked against the digest of what was recorded.
    pub(crate) fn state<E: Element>(&self, at: usize, set: &TileSet) -> Result<Vec<E>> {
        Ok(self.state_and_digests(at, set)?.0)
    }

    /// The same, and the digest of each tile if they are all.
    pub(crate) fn state_and_digests<E: Element>(
        &self,
        at: usize,
        set: &TileSet,
    ) -> Result<(Vec<E>, Vec<Digest>)> {
        let plan = self.plan::<E>(at, set.clone())?;
        let mut state = vec_with_room(set.len())?;
        state.resize(set.len(), E::default());
        let parts = set.split(&mut state, plan.chunks());
        let digests = self.each_chunk(&plan, parts, |plan, fetched, bits, part| {
            part.copy_from_slice(bits);
            Ok(plan.tile_digests(fetched, bits))
        })?;
        let digests: Vec<Digest> = digests
            .into_iter()
            .flat_map(|(_, digests)| digests)
            .collect();
        self.check_digest(at, &plan, &digests)?;
        Ok((state, digests))
    }

    /// Whether the tiles of a whole layer are what was recorded.
    pub(crate) fn check_digest<E>(
        &self,
        at: usize,
        plan: &Plan<E>,
        tiles: &[Digest],
    ) -> Result<()> {
        if plan.set.tiles().len() < self.tiling().count() {
            return Ok(());
        }
        match self.layer.state(&self.index.commits, self.snapshot, at)? {
            Some(expected) if expected.digest != layer_digest(tiles) => {
                Err(Error::damaged(format!(
                    "layer '{}' at step {} is not what was recorded: its digest differs",
                    self.layer.row.name, self.layer.steps[at]
                )))
            }
            _ => Ok(()),
        }
    }

    /// The bytes of a tensor that is kept whole, after the step at a place.
    pub(crate) fn whole(&self, at: usize) -> Result<Vec<u8>> {
        let name = &self.layer.row.name;
        let (Some(keyframe), _) = self.layer.keyframe_before(at)? else {
            return Err(Error::damaged(format!("tensor '{name}' has no content")));
        };
        let mut bytes = vec_with_room(self.layer.row.raw_bytes())?;
        for run in 0..keyframe.blobs.sums.len() {
            let len = (self.layer.row.raw_bytes() - bytes.len()).min(WHOLE_PIECE);
            let mut piece = vec![0u8; len];
            let blob = self.keyframe_blob(keyframe, run)?;
            decode_bytes(&blob, &mut piece)
                .map_err(|damage| self.decoder().damaged_frame(keyframe, damage))?;
            bytes.extend(piece);
        }
        let expected = self.layer.state(&self.index.commits, self.snapshot, at)?;
        if bytes.len() != self.layer.row.raw_bytes()
            || expected.is_some_and(|expected| expected.digest != digest_of(&bytes))
        {
            return Err(Error::damaged(format!(
                "tensor '{name}' at step {} is not what was recorded: its digest differs",
                self.layer.steps[at]
            )));
        }
        Ok(bytes)
    }

    /// How the state of some tiles after the step at a place comes about.
    pub(crate) fn plan<E: Element>(&self, at: usize, set: TileSet) -> Result<Plan<'a, E>> {
        let (frame, from) = self.layer.keyframe_before(at)?;
        let mut frames = Vec::new();
        if let Some(frame) = frame {
            if let Some(anchor) = frame.anchor {
                let found = self
                    .layer
                    .keyframes
                    .iter()
                    .find(|keyframe| keyframe.step == anchor);
                let found =
                    found.filter(|anchor| anchor.anchor.is_none() && anchor.step < frame.step);
                let missing = || {
                    self.decoder()
                        .damaged_frame(frame, Damage("its anchor is missing"))
                };
                frames.push(found.ok_or_else(missing)?);
            }
            frames.push(frame);
        }
        let parts = self.parts(from + 1..at + 1)?;
        let wide = self.wide(&parts, &set)?;
        Ok(Plan {
            decoder: self.decoder(),
            set,
            frames,
            leading: parts.len(),
            with_states: true,
            parts,
            wide,
        })
    }

    /// What changed in a range of the layer's steps.
    pub(crate) fn parts(&self, steps: Range<usize>) -> Result<Vec<Part<'a>>> {
        let mut parts = Vec::new();
        for group in &self.layer.groups {
            let steps = group.part(&steps);
            if steps.is_empty() || group.row.changes == 0 {
                continue;
            }
            let codebook = group.row.codebook;
            parts.push(Part {
                group,
                codebook: codebook
                    .map(|id| self.codebooks.get(self.snapshot, id))
                    .transpose()?,
                steps,
            });
        }
        Ok(parts)
    }

    /// The first step to decode for the changes from one on: a dense group is decoded from its
    /// beginning.
    pub(super) fn decoded_from(&self, at: usize) -> usize {
        let dense = |group: &&Group| group.row.codebook.is_some() && group.steps.contains(&at);
        let group = self.layer.groups.iter().find(dense);
        group.map_or(at, |group| group.steps.start)
    }

    /// Makes the plan's state chunk by chunk, and calls `work` for each with its plain bits and
    /// what came with it. What that gave comes back in the order of the chunks.
    pub(super) fn each_chunk<E: Element, G: Send, T: Send>(
        &self,
        plan: &Plan<'a, E>,
        chunks: Vec<(Range<usize>, G)>,
        work: impl Fn(&Plan<E>, &Fetched, &mut [E], G) -> Result<T> + Sync,
    ) -> Result<Vec<(usize, T)>> {
        let gathered = Gathered::default();
        let room = Room::new(self.pool);
        self.pool
            .in_place_scope(|scope| self.spawn(scope, &room, plan, chunks, &work, &gathered))?;
        in_order(gathered)
    }

    /// Fetches the blobs of a plan's chunks, and has each worked on by another thread meanwhile.
    pub(crate) fn spawn<'s, E: Element, G: Send + 's, T: Send>(
        &self,
        scope: &Scope<'s>,
        room: &'s Room,
        plan: &'s Plan<'a, E>,
        chunks: Vec<(Range<usize>, G)>,
        work: &'s (impl Fn(&Plan<E>, &Fetched, &mut [E], G) -> Result<T> + Sync),
        gathered: &'s Gathered<T>,
    ) -> Result<()>
    where
        'a: 's,
    {
        for (chunk, own) in chunks {
            let number = chunk.start;
            // What failed, or was cancelled, needs no more chunks. Those before it are under way, so
            // that the first failure is always the same.
            let newest = gathered.lock().unwrap_or_else(PoisonError::into_inner);
            if newest.last().is_some_and(|(_, made)| made.is_err()) {
                break;
            }
            drop(newest);
            let fetched = self.fetch(&plan.frames, &plan.parts, chunk, &plan.set)?;
            room.enter();
            scope.spawn(move |_| {
                let _inside = room.inside();
                let made = E::with_zeros(plan.chunk_len(&fetched.chunk), |bits| {
                    plan.make(&fetched, bits)?;
                    work(plan, &fetched, bits, own)
                });
                gathered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((number, made));
            });
        }
        Ok(())
    }

    fn fetch(
        &self,
        frames: &[&KeyframeRow],
        parts: &[Part],
        chunk: Range<usize>,
        set: &TileSet,
    ) -> Result<Fetched> {
        let tiling = self.tiling();
        let number = chunk.start / CHUNK_TILES;
        let frames = frames
            .iter()
            .map(|frame| self.keyframe_blob(frame, number))
            .collect::<Result<_>>()?;
        let runs = parts.iter().map(|part| {
            let per_run = part.group.row.blobs.per_run;
            if per_run > CHUNK_TILES {
                return Ok(Vec::new());
            }
            (chunk.start / per_run..chunk.end.div_ceil(per_run))
                .filter(|run| !set.within(&run_of(&tiling, per_run, *run)).is_empty())
                .map(|run| Ok((run, self.block_blob(&part.group.row, run)?)))
                .collect::<Result<Vec<_>>>()
        });
        let runs = runs.collect::<Result<_>>()?;
        Ok(Fetched {
            chunk,
            frames,
            runs,
        })
    }

    pub(super) fn wide<E: Element>(&self, parts: &[Part], set: &TileSet) -> Result<Wide<E>> {
        let tiling = self.tiling();
        let mut fetched = Vec::new();
        let mut wide: Wide<E> = Vec::with_capacity(parts.len());
        for (i, part) in parts.iter().enumerate() {
            let row = &part.group.row;
            let per_run = row.blobs.per_run;
            let mut blocks = Vec::new();
            if per_run > CHUNK_TILES {
                for (number, run) in tiling.runs(per_run).enumerate() {
                    blocks.push(None);
                    if !set.within(&run).is_empty() {
                        fetched.push((i, number, run, self.block_blob(row, number)?));
                    }
                }
            }
            wide.push(blocks);
        }
        let decoder = self.decoder();
        let decode = |(i, number, run, blob): (usize, usize, Range<usize>, Arc<[u8]>)| {
            Ok((i, number, decoder.decode(&parts[i], run, &blob, &[])?))
        };
        let decoded = self.pool.install(|| {
            fetched
                .into_par_iter()
                .map(decode)
                .collect::<Result<Vec<_>>>()
        })?;
        for (i, number, block) in decoded {
            wide[i][number] = block;
        }
        Ok(wide)
    }

    pub(crate) fn block_blob(&self, row: &GroupRow, run: usize) -> Result<Arc<[u8]>> {
        let damaged = |damage| self.decoder().damaged(row, damage);
        self.blob(&row.blobs, row.owner(), run, damaged)
    }

    pub(crate) fn keyframe_blob(&self, row: &KeyframeRow, run: usize) -> Result<Arc<[u8]>> {
        let damaged = |damage| self.decoder().damaged_frame(row, damage);
        self.blob(&row.blobs, row.owner(), run, damaged)
    }

    /// A blob that is what its manifest says.
    fn blob(
        &self,
        blobs: &Blobs,
        owner: BlobOwner,
        run: usize,
        damaged: impl Fn(Damage) -> Error,
    ) -> Result<Arc<[u8]>> {
        let (id, expected) = blobs
            .of_run(run)
            .ok_or_else(|| damaged(Damage("it has too few blobs")))?;
        if let Some(blob) = self.cache.and_then(|cache| cache.get(id)) {
            return Ok(blob);
        }
        let blob = self.snapshot.blob(id)?;
        let blob: Arc<[u8]> = blob
            .ok_or_else(|| damaged(Damage("a blob is missing")))?
            .into();
        if owner.sum(run, &blob) != expected {
            return Err(damaged(Damage("a blob does not match its checksum")));
        }
        if let Some(cache) = self.cache {
            cache.put(id, &blob);
        }
        Ok(blob)
    }
}
