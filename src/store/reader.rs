use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use rayon::prelude::*;
use rayon::{Scope, ThreadPool};

use super::cache::BlobCache;
use super::codebooks::Codebooks;
use super::database::{Blobs, Digest, GroupRow, KeyframeRow, View, digest_of};
use super::decoder::{Decoder, Fetched, Part, Wide, run_of};
use super::index::{Group, Index, LayerIndex};
use super::plan::{Gathered, Plan, Room, in_order};
use super::walk::Seen;
use crate::coding::{Damage, Element, TileSet, decode_bytes};
use crate::error::{Error, Result};
use crate::host::vec_with_room;
use crate::values::{TILE, Tiling};

/// Tiles whose states make one blob of a keyframe, and that one task works on at a time. Runs of
/// groups are powers of two of tiles, so that each lies in one such chunk or has whole ones.
pub(crate) const CHUNK_TILES: usize = 4;

/// Answers questions about one layer in one consistent state of the store.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) view: &'a View<'a>,
    pub(crate) index: &'a Index,
    pub(crate) layer: &'a LayerIndex,
    /// `None` for those who read everything once.
    pub(crate) cache: Option<&'a BlobCache>,
    pub(crate) codebooks: &'a Codebooks,
    pub(crate) pool: &'a ThreadPool,
}

/// A weight, as a tile and a place in it, and its plain bits after the step at a place.
type ChangeOf<E> = ((usize, u16), (usize, E));

/// A weight's plain bits after the layer's first step, and after each later step, by its place, that
/// changed it.
pub(crate) type WeightBits<E> = (E, Vec<(usize, E)>);

impl<'a> Reader<'a> {
    pub(crate) fn decoder(&self) -> Decoder<'a> {
        Decoder { layer: self.layer }
    }

    fn tiling(&self) -> Tiling {
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
        match self.layer.state(self.index, self.view, at)? {
            Some(expected) if expected.digest != layer_digest(tiles) => {
                Err(Error::damaged(format!(
                    "layer '{}' at step {} is not what was recorded: its digest differs",
                    self.layer.row.name, self.layer.steps[at]
                )))
            }
            _ => Ok(()),
        }
    }

    /// One weight: its plain bits after the layer's first step, and after each later change.
    pub(crate) fn weight<E: Element>(
        &self,
        row: usize,
        col: usize,
    ) -> Result<(E, Vec<(usize, E)>)> {
        let (tile, place) = self.tiling().place(row, col);
        let set = TileSet::new(&self.tiling(), vec![tile]);
        let base = self.state::<E>(0, &set)?[usize::from(place)];
        let parts = self.parts(1..self.layer.steps.len())?;
        let changes = if parts.iter().any(|part| part.codebook.is_some()) {
            let changes = self.replayed(&set, &HashSet::from([(tile, place)]))?;
            changes.into_iter().map(|(_, change)| change).collect()
        } else {
            self.visited_weight(tile, place, base, &parts)?
        };
        Ok((base, changes))
    }

    /// Several weights, each a tile of the set, by its place there, and a place in the tile: their
    /// plain bits.
    pub(crate) fn weights<E: Element>(
        &self,
        set: &TileSet,
        wanted: &[(usize, u16)],
    ) -> Result<Vec<WeightBits<E>>> {
        let base = self.state::<E>(0, set)?;
        let mut histories = Vec::with_capacity(wanted.len());
        let mut slots: HashMap<(usize, u16), Vec<usize>> = HashMap::new();
        for (slot, &(index, place)) in wanted.iter().enumerate() {
            histories.push((base[set.span(index)][usize::from(place)], Vec::new()));
            let weight = (set.tiles()[index], place);
            slots.entry(weight).or_default().push(slot);
        }
        let weights = slots.keys().copied().collect();
        for (weight, change) in self.replayed(set, &weights)? {
            for &slot in &slots[&weight] {
                histories[slot].1.push(change);
            }
        }
        Ok(histories)
    }

    /// The changes of some weights, each a tile and a place in it, from their tiles' states: from one
    /// keyframe to the next, side by side. Those of one weight are in the order of time.
    fn replayed<E: Element>(
        &self,
        set: &TileSet,
        weights: &HashSet<(usize, u16)>,
    ) -> Result<Vec<ChangeOf<E>>> {
        let mut ranges = Vec::new();
        let mut begin = 1;
        for frame in &self.layer.keyframes {
            let after = self.layer.as_of(frame.step as usize)? + 1;
            if after > begin {
                ranges.push(begin..after);
                begin = after;
            }
        }
        ranges.push(begin..self.layer.steps.len());
        let places: HashSet<u16> = weights.iter().map(|(_, place)| *place).collect();
        let mut wanted = vec![false; TILE * TILE];
        for place in places {
            wanted[usize::from(place)] = true;
        }
        let mut changes = Vec::new();
        self.changes_in(
            ranges,
            set,
            |own: &mut Vec<ChangeOf<E>>, seen: Seen<E>| {
                // The table first: it answers for nearly all.
                let weight = (seen.tile, seen.place);
                if wanted[usize::from(seen.place)] && weights.contains(&weight) {
                    own.push((weight, (seen.at, seen.after)));
                }
            },
            |own| changes.extend(own),
        )?;
        Ok(changes)
    }

    /// The changes of a weight, from blocks that can be decoded without a state.
    fn visited_weight<E: Element>(
        &self,
        tile: usize,
        place: u16,
        base: E,
        parts: &[Part],
    ) -> Result<Vec<(usize, E)>> {
        let tiling = self.tiling();
        let mut blobs = Vec::with_capacity(parts.len());
        for part in parts {
            let run = tile / part.group.row.blobs.per_run;
            blobs.push(self.block_blob(&part.group.row, run)?);
        }
        let decoder = self.decoder();
        let found = |(part, blob): (&Part, &Arc<[u8]>)| {
            let per_run = part.group.row.blobs.per_run;
            let run = run_of(&tiling, per_run, tile / per_run);
            let index = tile - run.start;
            let block = decoder.decode::<E>(part, run, blob, &[])?;
            let mut changes = Vec::new();
            let visited = block.map_or(Ok(()), |block| {
                block.visit(index, |at, step, code, raw| {
                    if at == place && part.steps.contains(&step) {
                        changes.push((
                            part.group.steps.start + step - part.group.hidden,
                            code,
                            raw.copied(),
                        ));
                    }
                    Ok(())
                })
            });
            visited.map_err(|damage| decoder.damaged(&part.group.row, damage))?;
            Ok(changes)
        };
        let changes: Vec<Vec<_>> = self.pool.install(|| {
            let blobs = parts.par_iter().zip(&blobs);
            blobs.map(found).collect::<Result<_>>()
        })?;
        let mut state = base;
        let mut history = Vec::new();
        for (part, changes) in parts.iter().zip(changes) {
            let row = &part.group.row;
            let coder = decoder.coder(row);
            for (at, code, raw) in changes {
                let after = match raw {
                    None => coder.step(state.to_ordered(), code).map(E::to_plain),
                    Some(raw) => coder.after(state, &raw),
                };
                state = after.map_err(|damage| decoder.damaged(row, damage))?;
                history.push((at, state));
            }
        }
        Ok(history)
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
        let expected = self.layer.state(self.index, self.view, at)?;
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
                    .map(|id| self.codebooks.get(self.view, id))
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
        let sum = |data: &[u8]| GroupRow::blob_sum(row.layer, row.first, row.last, run, data);
        self.blob(&row.blobs, run, sum)
            .map_err(|damage| self.decoder().damaged(row, damage))?
    }

    pub(crate) fn keyframe_blob(&self, row: &KeyframeRow, run: usize) -> Result<Arc<[u8]>> {
        let sum = |data: &[u8]| KeyframeRow::blob_sum(row.layer, row.step, run, data);
        self.blob(&row.blobs, run, sum)
            .map_err(|damage| self.decoder().damaged_frame(row, damage))?
    }

    /// A blob that is what its manifest says.
    fn blob(
        &self,
        blobs: &Blobs,
        run: usize,
        sum: impl Fn(&[u8]) -> u64,
    ) -> std::result::Result<Result<Arc<[u8]>>, Damage> {
        let expected = *blobs.sums.get(run).ok_or(Damage("it has too few blobs"))?;
        let id = blobs.first + run as i64;
        if let Some(blob) = self.cache.and_then(|cache| cache.get(id)) {
            return Ok(Ok(blob));
        }
        let blob: Arc<[u8]> = match self.view.blob(id) {
            Ok(blob) => blob.ok_or(Damage("a blob is missing"))?.into(),
            Err(error) => return Ok(Err(error)),
        };
        if sum(&blob) != expected {
            return Err(Damage("a blob does not match its checksum"));
        }
        if let Some(cache) = self.cache {
            cache.put(id, &blob);
        }
        Ok(Ok(blob))
    }
}

/// The digest of a layer's state, from those of its tiles.
pub(crate) fn layer_digest(tiles: &[Digest]) -> Digest {
    digest_of(tiles.as_flattened())
}

/// Bytes of a tensor that is kept whole in one blob.
pub(crate) const WHOLE_PIECE: usize = 1 << 20;
