//! Several states of one layer in one pass over its history.

use std::ops::Range;

use super::chunks::{copy_rows, rows_of_chunks};
use super::decoder::{Fetched, Part};
use super::plan::Plan;
use super::reader::Reader;
use crate::coding::{Damage, Element, TileSet, apply};
use crate::error::Result;
use crate::host::vec_with_room;
use crate::store::database::Digest;

/// The rows of a chunk's tiles in one state, tile by tile.
type Rows<'s, E> = Vec<&'s mut [E]>;

/// The states of a chunk of tiles, and the digests of its tiles in each.
struct ChunkStates<'p, E> {
    places: &'p [usize],
    /// Plain bits, in tile order.
    states: Vec<Vec<E>>,
    /// How many states each tile has come by.
    passed: Vec<usize>,
}

impl Reader<'_> {
    /// Plain bits of the whole layer, row-major, after the steps at some places, which ascend. Each
    /// state is checked against the digest of what was recorded.
    pub(crate) fn states<E: Element>(&self, places: &[usize]) -> Result<Vec<Vec<E>>> {
        let (Some(&first), Some(&last)) = (places.first(), places.last()) else {
            return Ok(Vec::new());
        };
        let tiling = self.layer.row.tiling();
        let set = TileSet::all(&tiling);
        let begin = if first < last {
            self.decoded_from(first + 1)
        } else {
            first + 1
        };
        let mut plan = self.plan::<E>(begin - 1, set.clone())?;
        plan.parts.extend(self.parts(begin..last + 1)?);
        plan.wide = self.wide(&plan.parts, &set)?;

        let mut states = Vec::with_capacity(places.len());
        for _ in places {
            let mut bits = vec_with_room(tiling.len())?;
            bits.resize(tiling.len(), E::default());
            states.push(bits);
        }
        // Of each chunk the rows of its tiles in every state.
        let mut chunks: Vec<(Range<usize>, Vec<Rows<E>>)> = Vec::new();
        for bits in &mut states {
            for (i, (chunk, rows)) in rows_of_chunks(&tiling, bits).into_iter().enumerate() {
                match chunks.get_mut(i) {
                    Some((_, states)) => states.push(rows),
                    None => chunks.push((chunk, vec![rows])),
                }
            }
        }
        let made = self.each_chunk(&plan, chunks, |plan, fetched, bits, rows| {
            let states = chunk_states(plan, fetched, bits, places)?;
            let put = |(bits, rows): (Vec<E>, Rows<E>)| {
                copy_rows(&bits, rows);
                plan.tile_digests(fetched, &bits)
            };
            Ok(states.into_iter().zip(rows).map(put).collect::<Vec<_>>())
        })?;
        let mut digests: Vec<Vec<Digest>> = vec![Vec::new(); places.len()];
        for (_, chunk) in made {
            for (all, own) in digests.iter_mut().zip(chunk) {
                all.extend(own);
            }
        }
        for (&place, digests) in places.iter().zip(&digests) {
            self.check_digest(place, &plan, digests)?;
        }
        Ok(states)
    }
}

/// From the plain bits of a chunk before the plan's later parts to those after each place.
fn chunk_states<E: Element>(
    plan: &Plan<E>,
    fetched: &Fetched,
    bits: &mut [E],
    places: &[usize],
) -> Result<Vec<Vec<E>>> {
    let inside = plan.set.within(&fetched.chunk);
    let begin = plan.set.span(inside.start).start;
    let span = |index: usize| {
        let span = plan.set.span(index);
        span.start - begin..span.end - begin
    };
    let mut states = ChunkStates {
        places,
        states: vec![vec![E::default(); bits.len()]; places.len()],
        passed: vec![0; inside.len()],
    };
    bits.iter_mut().for_each(|bits| *bits = bits.to_ordered());
    let later = plan.leading..plan.parts.len();
    plan.each_tile(later, fetched, bits, |part, block, index, tile, ordered| {
        let own = tile - fetched.chunk.start;
        let coder = plan.decoder.coder(&part.group.row);
        states.pass(
            part,
            (own, span(inside.start + own)),
            ordered,
            |steps, ordered| apply(block, index, &steps, coder, ordered),
        )
    })?;
    for own in 0..inside.len() {
        let span = span(inside.start + own);
        states.rest(own, span.clone(), &bits[span]);
    }
    Ok(states.states)
}

impl<E: Element> ChunkStates<'_, E> {
    /// Brings a tile by the steps of a part, and keeps its states on the way.
    fn pass(
        &mut self,
        part: &Part,
        (own, span): (usize, Range<usize>),
        ordered: &mut [E],
        add: impl Fn(Range<usize>, &mut [E]) -> std::result::Result<(), Damage>,
    ) -> std::result::Result<(), Damage> {
        // The place before the first step of the part's blocks, hidden ones included, is at 0.
        let step_of =
            |place: usize| (place + 1 + part.group.hidden).saturating_sub(part.group.steps.start);
        let mut done = part.steps.start;
        while let Some(&place) = self.places.get(self.passed[own])
            && step_of(place) <= part.steps.end
        {
            let end = step_of(place).max(done);
            if end > done {
                add(done..end, ordered)?;
                done = end;
            }
            self.keep(own, span.clone(), ordered);
        }
        if done < part.steps.end {
            add(done..part.steps.end, ordered)?;
        }
        Ok(())
    }

    /// Keeps the last states of a tile, which no part comes after.
    fn rest(&mut self, own: usize, span: Range<usize>, ordered: &[E]) {
        while self.passed[own] < self.places.len() {
            self.keep(own, span.clone(), ordered);
        }
    }

    fn keep(&mut self, own: usize, span: Range<usize>, ordered: &[E]) {
        let state = &mut self.states[self.passed[own]][span];
        for (bits, ordered) in state.iter_mut().zip(ordered) {
            *bits = ordered.to_plain();
        }
        self.passed[own] += 1;
    }
}
