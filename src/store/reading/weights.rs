//! Single weights over time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::prelude::*;

use super::decoder::{Part, run_of};
use super::reader::Reader;
use super::walk::Seen;
use crate::coding::{Element, TileSet};
use crate::error::Result;
use crate::values::TILE;

/// A weight, as a tile and a place in it, and its plain bits after the step at a place.
type ChangeOf<E> = ((usize, u16), (usize, E));

/// A weight's plain bits after the layer's first step, and after each later step, by its place, that
/// changed it.
pub(crate) type WeightBits<E> = (E, Vec<(usize, E)>);

impl Reader<'_> {
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
}
