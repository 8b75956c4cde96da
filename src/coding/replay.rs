use std::cell::RefCell;
use std::ops::Range;

use super::{Block, Coder, Damage, Decoded, Element, RawChange};
use crate::values::Tiling;

/// The tiles that a question is about, ascending, and where their weights lie in its answer: one
/// after the other, each in tile order.
#[derive(Clone, Debug)]
pub(crate) struct TileSet {
    tiles: Vec<usize>,
    offsets: Vec<usize>,
}

impl TileSet {
    pub(crate) fn new(tiling: &Tiling, tiles: Vec<usize>) -> Self {
        let mut offsets = Vec::with_capacity(tiles.len() + 1);
        let mut end = 0;
        for &tile in &tiles {
            offsets.push(end);
            end += tiling.rect(tile).len();
        }
        offsets.push(end);
        TileSet { tiles, offsets }
    }

    pub(crate) fn all(tiling: &Tiling) -> Self {
        TileSet::new(tiling, (0..tiling.count()).collect())
    }

    pub(crate) fn tiles(&self) -> &[usize] {
        &self.tiles
    }

    /// Weights of all its tiles.
    pub(crate) fn len(&self) -> usize {
        self.offsets[self.tiles.len()]
    }

    /// The weights of the `index`th tile of the set.
    pub(crate) fn span(&self, index: usize) -> Range<usize> {
        self.offsets[index]..self.offsets[index + 1]
    }

    /// Which of the set's tiles lie in a run of tiles.
    pub(crate) fn within(&self, run: &Range<usize>) -> Range<usize> {
        let begin = self.tiles.partition_point(|tile| *tile < run.start);
        begin..self.tiles.partition_point(|tile| *tile < run.end)
    }

    /// Cuts an answer into the parts of several runs of tiles, which ascend and do not overlap.
    pub(crate) fn split<'a, T>(
        &self,
        mut answer: &'a mut [T],
        runs: impl Iterator<Item = Range<usize>>,
    ) -> Vec<(Range<usize>, &'a mut [T])> {
        let mut parts = Vec::new();
        let mut begin = 0;
        for run in runs {
            let inside = self.within(&run);
            let (first, last) = (self.offsets[inside.start], self.offsets[inside.end]);
            let rest = std::mem::take(&mut answer);
            let (_, rest) = rest.split_at_mut(first - begin);
            let (part, rest) = rest.split_at_mut(last - first);
            answer = rest;
            begin = last;
            parts.push((run, part));
        }
        parts
    }
}

thread_local! {
    static PLACES: RefCell<Vec<u16>> = const { RefCell::new(Vec::new()) };
}

/// Adds some steps of a tile's block upon the ordered bits of its weights. Needs IEEE mode.
pub(crate) fn apply<E: Element>(
    block: &Block<E>,
    index: usize,
    steps: &Range<usize>,
    coder: Coder,
    ordered: &mut [E],
) -> Decoded<()> {
    if *steps == (0..block.steps()) && !block.has_raws() {
        return PLACES.with_borrow_mut(|places| match coder.lattice {
            None => block.add_all(index, ordered, places, |bits, code| Ok(bits.step_by(code))),
            Some(_) => block.add_all(index, ordered, places, |bits, code| coder.step(bits, code)),
        });
    }
    replay(block, index, steps, coder, ordered, |_, _, _, _, _| ())
}

/// Adds some steps of a tile's block upon the ordered bits of its weights, and shows every change:
/// place in the tile, step in the block, plain bits before and after it, and the raw change where it is
/// one.
pub(crate) fn replay<E: Element>(
    block: &Block<E>,
    index: usize,
    steps: &Range<usize>,
    coder: Coder,
    ordered: &mut [E],
    mut seen: impl FnMut(u16, usize, E, E, Option<&RawChange>),
) -> Decoded<()> {
    block.visit(index, |place, step, code, raw| {
        if !steps.contains(&step) {
            return Ok(());
        }
        let weight = ordered
            .get_mut(usize::from(place))
            .ok_or(Damage("a place is outside its tile"))?;
        let before = weight.to_plain();
        let after = match raw {
            None => coder.step(*weight, code)?.to_plain(),
            Some(raw) => coder.after(before, raw)?,
        };
        *weight = after.to_ordered();
        seen(place, step, before, after, raw);
        Ok(())
    })
}
