//! Going through a layer's history, block by block.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::chunks::Room;
use super::decoder::{Fetched, Part};
use super::plan::{Gathered, Plan, in_order};
use super::reader::Reader;
use crate::coding::{
    Block, Coder, Decoded, Element, RawChange, SLAB_STEPS, TileSet, apply, replay,
};
use crate::error::Result;

/// A change of one weight, as a replay comes upon it.
pub(crate) struct Seen<E> {
    /// Place in [`LayerIndex::steps`].
    pub(crate) at: usize,
    pub(crate) tile: usize,
    pub(crate) place: u16,
    /// Plain bits before and after.
    pub(crate) before: E,
    pub(crate) after: E,
    pub(crate) raw: Option<RawChange>,
}

/// What is done on a walk through blocks: with each chunk of tiles before, at each visit to a tile
/// in a block, and after.
pub(crate) struct Walk<B, V, F> {
    pub(crate) begin: B,
    pub(crate) visit: V,
    pub(crate) finish: F,
}

/// What a walk needs at a tile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The states of its weights.
    States,
    /// What blocks say. States are still made where a dense block needs them.
    Blocks,
}

/// A tile in a block that a walk has come to.
pub(crate) struct Visited<'v, E> {
    pub(crate) part: &'v Part<'v>,
    pub(crate) block: &'v Block<E>,
    /// The tile's place in the block's run.
    pub(crate) index: usize,
    pub(crate) tile: usize,
    /// Ordered bits of the tile's weights, which the visit brings forward.
    pub(crate) ordered: &'v mut [E],
    pub(crate) coder: Coder,
    /// Place of the first step that was asked for.
    pub(crate) first: usize,
    /// Whether `ordered` are states at all.
    with_states: bool,
}

impl<E: Element> Visited<'_, E> {
    /// Brings the weights forward and shows every change that was asked for.
    pub(crate) fn replay(self, mut see: impl FnMut(Seen<E>)) -> Decoded<()> {
        let (tile, first) = (self.tile, self.first);
        let begin = self.part.group.steps.start;
        let hidden = self.part.group.hidden;
        let seen = |place, step, before, after, raw: Option<&RawChange>| {
            let at = begin + step - hidden;
            if at >= first {
                let raw = raw.copied();
                see(Seen {
                    at,
                    tile,
                    place,
                    before,
                    after,
                    raw,
                });
            }
        };
        replay(
            self.block,
            self.index,
            &self.part.steps,
            self.coder,
            self.ordered,
            seen,
        )
    }

    /// Shows which weights changed, each with a mask of up to eight steps, the first of which is at a
    /// place counted from the first that was asked for; and brings the weights forward.
    pub(crate) fn masks(self, mut see: impl FnMut(u16, i32, u8)) -> Decoded<()> {
        let steps = &self.part.steps;
        let hidden = self.part.group.hidden + self.first;
        let begin = self.part.group.steps.start as i32 - hidden as i32;
        self.block.visit_masks(self.index, |step, places, masks| {
            let at = begin + step as i32;
            let asked = |bit: &usize| steps.contains(&(step + bit)) && at + *bit as i32 >= 0;
            let asked = (0..SLAB_STEPS).filter(asked);
            let asked = asked.fold(0u8, |mask, bit| mask | 1 << bit);
            for (&place, &mask) in places.iter().zip(masks) {
                if mask & asked != 0 {
                    see(place, at, mask & asked);
                }
            }
        });
        if !self.with_states {
            return Ok(());
        }
        apply(self.block, self.index, steps, self.coder, self.ordered)
    }
}

impl Reader<'_> {
    /// Goes through the changes of a range of the layer's steps in some tiles. `collect` gets what
    /// `see` gathered of each chunk of tiles, chunk by chunk.
    pub(crate) fn changes<E: Element, T: Default + Send>(
        &self,
        steps: Range<usize>,
        set: &TileSet,
        see: impl Fn(&mut T, Seen<E>) + Sync,
        collect: impl FnMut(T) + Send,
    ) -> Result<()> {
        self.changes_in(vec![steps], set, see, collect)
    }

    /// The same for several ranges side by side; range by range.
    pub(crate) fn changes_in<E: Element, T: Default + Send>(
        &self,
        ranges: Vec<Range<usize>>,
        set: &TileSet,
        see: impl Fn(&mut T, Seen<E>) + Sync,
        collect: impl FnMut(T) + Send,
    ) -> Result<()> {
        let walk = Walk {
            begin: || Ok(T::default()),
            visit: |gathered: &mut T, of: Visited<E>| of.replay(|seen| see(gathered, seen)),
            finish: Ok,
        };
        self.walk(ranges, set, Needs::States, walk, collect)
    }

    /// Goes through the blocks of some ranges of the layer's steps in some tiles, chunk of tiles by
    /// chunk, and in each in the order of time. `collect` gets what came of each chunk: range by
    /// range, and in the order of the chunks, as soon as all before it have been collected.
    pub(crate) fn walk<E: Element, T: Send, M: Send>(
        &self,
        ranges: Vec<Range<usize>>,
        set: &TileSet,
        needs: Needs,
        walk: Walk<
            impl Fn() -> Result<T> + Sync,
            impl Fn(&mut T, Visited<E>) -> Decoded<()> + Sync,
            impl Fn(T) -> Result<M> + Sync,
        >,
        collect: impl FnMut(M) + Send,
    ) -> Result<()> {
        let mut plans = Vec::with_capacity(ranges.len());
        for steps in ranges {
            let begin = self.decoded_from(steps.start);
            let parts = self.parts(begin..steps.end)?;
            let stateless =
                needs == Needs::Blocks && parts.iter().all(|part| part.codebook.is_none());
            let mut plan = if stateless {
                Plan::of_blocks(self.decoder(), set.clone())
            } else {
                self.plan::<E>(begin.saturating_sub(1), set.clone())?
            };
            plan.parts.extend(parts);
            plan.wide = self.wide(&plan.parts, set)?;
            plans.push((steps.start, plan, Gathered::default()));
        }
        let collected = Mutex::new(InOrder {
            next: 0,
            waiting: BTreeMap::new(),
            collect,
        });
        let work = |plan: &Plan<E>, fetched: &Fetched, bits: &mut [E], (number, first)| {
            let mut gathered = (walk.begin)()?;
            bits.iter_mut().for_each(|bits| *bits = bits.to_ordered());
            let parts = plan.leading..plan.parts.len();
            plan.each_tile(parts, fetched, bits, |part, block, index, tile, ordered| {
                let visited = Visited {
                    part,
                    block,
                    index,
                    tile,
                    ordered,
                    coder: plan.decoder.coder(&part.group.row),
                    first,
                    with_states: plan.with_states,
                };
                (walk.visit)(&mut gathered, visited)
            })?;
            let made = (walk.finish)(gathered)?;
            let collected = collected.lock();
            collected
                .unwrap_or_else(PoisonError::into_inner)
                .put(number, made);
            Ok(())
        };
        let room = Room::new(self.pool);
        self.pool.in_place_scope(|scope| {
            let mut numbers = 0..;
            plans.iter().try_for_each(|(first, plan, gathered)| {
                let chunks = plan.chunks().zip(&mut numbers);
                let chunks = chunks.map(|(chunk, number)| (chunk, (number, *first)));
                self.spawn(scope, &room, plan, chunks.collect(), &work, gathered)
            })
        })?;
        for (_, _, gathered) in plans {
            in_order(gathered)?;
        }
        Ok(())
    }
}

/// What came of chunks, handed on in their order: so that no more of it is kept than has to wait.
struct InOrder<M, C> {
    next: usize,
    waiting: BTreeMap<usize, M>,
    collect: C,
}

impl<M, C: FnMut(M)> InOrder<M, C> {
    fn put(&mut self, number: usize, made: M) {
        self.waiting.insert(number, made);
        while let Some(made) = self.waiting.remove(&self.next) {
            (self.collect)(made);
            self.next += 1;
        }
    }
}
