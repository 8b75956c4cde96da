use std::ops::Range;

use rayon::prelude::*;

use super::TimeMasks;
use super::bounds::Bounds;
use super::classes::Classes;
use crate::error::Result;
use crate::host::vec_with_room;

/// Which sets have a step among their first ones, where the rarest steps of all come first.
pub(super) struct Index {
    /// Of each step, its place in that order.
    ranks: Vec<u32>,
    /// For each rank, and one more: where its classes begin.
    offsets: Vec<usize>,
    /// Classes, ascending, and so by the size of their sets.
    classes: Vec<u32>,
}

impl Index {
    /// Of the short prefixes of sets of `steps` steps at most.
    pub(super) fn new(classes: &Classes, bounds: &Bounds, steps: usize) -> Result<Self> {
        let mut index = Index {
            ranks: ranks(&classes.masks, steps)?,
            offsets: vec_with_room(steps + 1)?,
            classes: Vec::new(),
        };
        let prefix = |class: usize| {
            let mut ranks = Vec::new();
            let length = bounds.short_prefix(classes.sizes[class] as usize);
            index.first_ranks(&classes.masks, class, length, &mut ranks);
            ranks
        };
        let all = (0..classes.len()).into_par_iter();
        let prefixes: Vec<Vec<u32>> = all.map(prefix).collect();
        index.offsets.resize(steps + 1, 0);
        for rank in prefixes.iter().flatten() {
            index.offsets[*rank as usize + 1] += 1;
        }
        for rank in 0..steps {
            index.offsets[rank + 1] += index.offsets[rank];
        }
        let mut ends = index.offsets.clone();
        index.classes = vec_with_room(index.offsets[steps])?;
        index.classes.resize(index.offsets[steps], 0);
        for (class, ranks) in prefixes.iter().enumerate() {
            for rank in ranks {
                let end = &mut ends[*rank as usize];
                index.classes[*end] = class as u32;
                *end += 1;
            }
        }
        Ok(index)
    }

    /// The ranks of a set's `length` rarest steps, in no order.
    pub(super) fn first_ranks(
        &self,
        masks: &TimeMasks,
        class: usize,
        length: usize,
        ranks: &mut Vec<u32>,
    ) {
        ranks.clear();
        ranks.extend(masks.steps(class).map(|step| self.ranks[step]));
        if (1..ranks.len()).contains(&length) {
            ranks.select_nth_unstable(length - 1);
        }
        ranks.truncate(length);
    }

    /// The classes in a range that have a step among their first ones, ascending.
    pub(super) fn classes(&self, rank: u32, range: Range<usize>) -> &[u32] {
        let rank = rank as usize;
        let all = &self.classes[self.offsets[rank]..self.offsets[rank + 1]];
        let begin = all.partition_point(|class| (*class as usize) < range.start);
        let end = all.partition_point(|class| (*class as usize) < range.end);
        &all[begin..end]
    }
}

/// Of each step its place among all, those at which the fewest sets changed first.
fn ranks(masks: &TimeMasks, steps: usize) -> Result<Vec<u32>> {
    let mut counts: Vec<(u32, u32)> = vec_with_room(steps)?;
    counts.extend((0..steps).map(|step| (0, step as u32)));
    for class in 0..masks.len() {
        masks.steps(class).for_each(|step| counts[step].0 += 1);
    }
    counts.sort_unstable();
    let mut ranks = vec_with_room(steps)?;
    ranks.resize(steps, 0);
    for (rank, (_, step)) in counts.iter().enumerate() {
        ranks[*step as usize] = rank as u32;
    }
    Ok(ranks)
}
