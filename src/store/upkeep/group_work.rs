use std::ops::Range;
use std::sync::Arc;

use super::job::Job;
use crate::coding::{Coder, Element, SLAB_STEPS, TileChanges, TileSet, apply, net};
use crate::detect::Lattice;
use crate::error::Result;
use crate::store::database::{Blobs, GroupRow};
use crate::store::index::{Group, LayerIndex};
use crate::store::options::Codec;
use crate::store::reading::{Decoder, Part, Reader, run_of};
use crate::values::Tiling;

/// Changes of a sealed blob in the fast coding, about: enough to compress well, few enough for
/// questions about one weight.
const BLOB_CHANGES: u64 = 32 << 10;

/// One group that is to be made of some steps of a layer.
pub(super) struct GroupWork<'a> {
    pub(super) layer: &'a LayerIndex,
    pub(super) codec: Codec,
    /// Of the new group, which has no blobs yet.
    pub(super) row: GroupRow,
    /// The groups whose place it takes.
    pub(super) sources: Vec<GroupRow>,
    /// Places of its steps among the layer's, and of those that stay.
    steps: Range<usize>,
    stays: Vec<usize>,
    /// All steps of those sources that changed something.
    parts: Vec<Part<'a>>,
}

/// Some tiles, and what has been fetched for them.
pub(super) struct Span<E> {
    tiles: Range<usize>,
    /// Plain bits before the first source, where they are needed.
    before: Vec<E>,
    /// Of each part its runs: their number and their blob.
    runs: Vec<Vec<(usize, Arc<[u8]>)>>,
}

/// What the steps of a work changed in a tile.
pub(super) struct TileSteps<E> {
    pub(super) tile: usize,
    /// Ordered bits before them, for the dense coding.
    pub(super) before: Vec<E>,
    pub(super) steps: Vec<TileChanges<E>>,
}

impl<'a> GroupWork<'a> {
    pub(super) fn new(reader: &Reader<'a>, job: &Job) -> Result<Self> {
        let (layer, steps) = (reader.layer, job.steps.clone());
        let groups = layer.groups.iter();
        let sources: Vec<_> = groups
            .filter(|group| !group.part(&steps).is_empty())
            .collect();
        let all = match &sources[..] {
            [first, .., last] => first.steps.start..last.steps.end,
            [only] => only.steps.clone(),
            [] => steps.clone(),
        };
        Ok(GroupWork {
            layer,
            codec: job.codec,
            row: GroupRow {
                layer: layer.row.id,
                first: layer.steps[job.stays[0]],
                last: layer.steps[steps.end - 1],
                steps: job.stays.len(),
                level: level_of(job.stays.len()).max(if job.compacts { 2 } else { 1 }),
                changes: job.changes,
                codebook: None,
                lattice: lattice_of(&sources),
                blobs: Blobs::none(),
            },
            sources: sources.iter().map(|group| group.row.clone()).collect(),
            steps,
            stays: job.stays.clone(),
            parts: reader.parts(all)?,
        })
    }

    /// Of its changes.
    pub(super) fn coder(&self) -> Coder {
        Decoder { layer: self.layer }.coder(&self.row)
    }

    pub(super) fn tiling(&self) -> Tiling {
        self.layer.row.tiling()
    }

    /// Tiles of a new blob.
    pub(super) fn per_run(&self) -> usize {
        match self.codec {
            Codec::Fast => run_length(&self.tiling(), self.row.changes),
            Codec::Dense => 1,
        }
    }

    /// Runs of tiles that are unions of whole runs of every source, and of the new group.
    pub(super) fn spans(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let lengths = self.parts.iter().map(|part| part.group.row.blobs.per_run);
        self.tiling().runs(lengths.fold(self.per_run(), usize::max))
    }

    /// The changes that some tiles have, if all have the same, and their weights.
    pub(super) fn load(&self, tiles: &Range<usize>) -> (u64, u64) {
        let weights = self.tiling().span(tiles.clone()).len() as u64;
        (
            self.row.changes * weights / self.tiling().len() as u64,
            weights,
        )
    }

    /// Fetches spans. Their states are made in one go.
    pub(super) fn fetch<E: Element>(
        &self,
        reader: &Reader,
        spans: &[Range<usize>],
    ) -> Result<Vec<Span<E>>> {
        let set = TileSet::new(&self.tiling(), spans.iter().cloned().flatten().collect());
        let begin = self
            .parts
            .first()
            .map_or(self.steps.start, |part| part.group.steps.start);
        let state = if self.codec == Codec::Dense || self.has_dense_parts() || self.drops_steps() {
            reader.state::<E>(begin - 1, &set)?
        } else {
            Vec::new()
        };
        let mut fetched = Vec::with_capacity(spans.len());
        let mut rest = &state[..];
        for tiles in spans {
            let weights = self.tiling().span(tiles.clone()).len();
            let (own, others) = rest.split_at(weights.min(rest.len()));
            rest = others;
            let runs = self.parts.iter().map(|part| {
                let row = &part.group.row;
                let per_run = row.blobs.per_run;
                (tiles.start / per_run..tiles.end.div_ceil(per_run))
                    .map(|run| Ok((run, reader.block_blob(row, run)?)))
                    .collect::<Result<Vec<_>>>()
            });
            fetched.push(Span {
                tiles: tiles.clone(),
                before: own.to_vec(),
                runs: runs.collect::<Result<_>>()?,
            });
        }
        Ok(fetched)
    }

    fn drops_steps(&self) -> bool {
        self.stays.len() < self.steps.len()
    }

    fn has_dense_parts(&self) -> bool {
        self.parts.iter().any(|part| part.codebook.is_some())
    }

    /// Decodes a span.
    pub(super) fn read<E: Element>(&self, span: Span<E>) -> Result<Vec<TileSteps<E>>> {
        let tiling = self.tiling();
        let decoder = Decoder { layer: self.layer };
        let begin = tiling.offset(span.tiles.start);
        let inside = |tile: usize| {
            let own = tiling.span(tile..tile + 1);
            own.start - begin..own.end - begin
        };
        let mut before = span.before;
        before.iter_mut().for_each(|bits| *bits = bits.to_ordered());
        // Dense sources need the state before them, which earlier ones lead to.
        let mut state = Vec::new();
        if self.has_dense_parts() {
            state.clone_from(&before);
        }
        let mut tiles: Vec<TileSteps<E>> = span
            .tiles
            .clone()
            .map(|tile| TileSteps {
                tile,
                before: Vec::new(),
                steps: vec![TileChanges::default(); self.steps.len()],
            })
            .collect();
        for (part, runs) in self.parts.iter().zip(span.runs) {
            let hidden = part.steps.start;
            for (run, blob) in runs {
                let run = run_of(&tiling, part.group.row.blobs.per_run, run);
                let own = if part.codebook.is_some() {
                    &state[inside(run.start)]
                } else {
                    &[]
                };
                let Some(block) = decoder.decode(part, run.clone(), &blob, own)? else {
                    continue;
                };
                let damaged = |damage| decoder.damaged(&part.group.row, damage);
                for tile in run.clone() {
                    let index = tile - run.start;
                    let by_step = block.by_step(index).map_err(damaged)?;
                    let places = part.group.steps.start..;
                    for (place, changes) in places.zip(by_step.into_iter().skip(hidden)) {
                        let own = &mut tiles[tile - span.tiles.start].steps;
                        let step = place.checked_sub(self.steps.start);
                        if let Some(step) = step.and_then(|step| own.get_mut(step)) {
                            *step = changes;
                        }
                    }
                    let coder = decoder.coder(&part.group.row);
                    // What comes before the new group's first step.
                    let earlier = self.steps.start.saturating_sub(part.group.steps.start);
                    let earlier = hidden..hidden + earlier;
                    if !before.is_empty() && !earlier.is_empty() {
                        let before = &mut before[inside(tile)];
                        apply(&block, index, &earlier, coder, before).map_err(damaged)?;
                    }
                    if !state.is_empty() {
                        let state = &mut state[inside(tile)];
                        apply(&block, index, &part.steps, coder, state).map_err(damaged)?;
                    }
                }
            }
        }
        if self.codec == Codec::Dense {
            for own in &mut tiles {
                own.before = before[inside(own.tile)].to_vec();
            }
        }
        if self.drops_steps() {
            for own in &mut tiles {
                own.steps = self.merged_steps(&own.steps, &mut before[inside(own.tile)])?;
            }
        }
        Ok(tiles)
    }

    /// The changes of the steps that stay, upon a tile's ordered bits before them.
    fn merged_steps<E: Element>(
        &self,
        steps: &[TileChanges<E>],
        ordered: &mut [E],
    ) -> Result<Vec<TileChanges<E>>> {
        let decoder = Decoder { layer: self.layer };
        let coder = |place: usize| {
            let mut parts = self.parts.iter();
            let part = parts.find(|part| part.group.steps.contains(&place));
            // Where nothing changed it does not matter.
            part.map_or(self.coder(), |part| decoder.coder(&part.group.row))
        };
        let mut begin = self.steps.start;
        let merge = |&place: &usize| {
            let own = begin..place + 1;
            begin = own.end;
            let changes = own.clone().map(|place| &steps[place - self.steps.start]);
            let changes = own.clone().map(coder).zip(changes);
            let net = net(changes, self.coder(), ordered);
            let net = net.map_err(|damage| decoder.damaged(&self.row, damage))?;
            // A step that stays as it was keeps what the bits do not tell.
            Ok(match own.len() {
                1 => steps[place - self.steps.start].clone(),
                _ => net,
            })
        };
        self.stays.iter().map(merge).collect()
    }

    /// Whether so many bytes are few enough, for what decoding them takes, beside those that the
    /// sources have in the fast coding, as far as that is known.
    pub(super) fn gains_by(&self, bytes: u64) -> bool {
        let all_fast = self.sources.iter().all(|source| source.codebook.is_none());
        let cost: u64 = self.sources.iter().map(|source| source.blobs.bytes).sum();
        !all_fast || bytes + bytes / 32 < cost
    }
}

/// What the changes of some groups can all be told by: the lattice that they have, or units in the
/// last place.
fn lattice_of(groups: &[&Group]) -> Option<Lattice> {
    let mut changed = groups.iter().filter(|group| group.row.changes > 0);
    let first = changed.next()?.row.lattice;
    changed
        .all(|group| group.row.lattice == first)
        .then_some(first)?
}

/// Tiles of a blob in the fast coding, a power of two.
fn run_length(tiling: &Tiling, changes: u64) -> usize {
    let tiles = tiling.count() as u64;
    let wanted = (BLOB_CHANGES * tiles / changes.max(1)).clamp(1, tiles.next_power_of_two());
    // Rounded down.
    1 << wanted.ilog2()
}

/// The level of a group of so many steps: 1 for a slab, one more for every eight times as many.
fn level_of(steps: usize) -> u32 {
    let mut level = 1;
    let mut longest = SLAB_STEPS;
    while longest < steps {
        longest *= SLAB_STEPS;
        level += 1;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_count_eights() {
        assert_eq!(
            [1, 8, 9, 64, 65, 512, 513].map(level_of),
            [1, 1, 2, 2, 3, 3, 4]
        );
    }

    #[test]
    fn runs_are_longer_where_little_changes() {
        let tiling = Tiling::new((1024, 1024));
        assert_eq!(run_length(&tiling, 8 << 20), 1);
        assert_eq!(run_length(&tiling, 840_000), 2);
        assert_eq!(run_length(&tiling, 10), 64);
    }
}
