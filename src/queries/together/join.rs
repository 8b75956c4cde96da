use std::cell::RefCell;
use std::cmp::Reverse;
use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::TimeMasks;
use super::bounds::Bounds;
use super::classes::Classes;
use super::components::Components;
use super::index::Index;
use super::sketches::Sketches;
use crate::error::{Error, Result};
use crate::host::{Task, vec_with_room};

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen { round: 0, rounds: Vec::new() }) };
}

/// The most pairs of classes that a block can have, as far as one probe has no more.
const BLOCK_PAIRS: usize = 1 << 20;
/// The most probes of a block.
const BLOCK: usize = 64;

/// Two classes that change together: or one, if it has several members.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClassPair {
    pub(super) a: u32,
    pub(super) b: u32,
    /// How many steps both have.
    pub(super) shared: u32,
}

/// All pairs of sets with a score above a limit, exactly, without looking at all pairs.
///
/// Equal sets are one class. Of different ones, sizes alone rule most pairs out; then, what is alike
/// has one of its rarest steps in common (the prefix filter of Chaudhuri, Ganti and Kaushik, and of
/// Bayardo, Ma and Srikant), so that only those are looked at that an index of rare steps names. Of
/// these, sketches tell nearly all apart that are not alike; what is left is counted, bit by bit.
pub(super) struct Join {
    above: f64,
    classes: Classes,
    bounds: Bounds,
    index: Index,
    sketches: Sketches,
}

/// Of each class, in which round it was last looked at.
struct Seen {
    round: u32,
    rounds: Vec<u32>,
}

impl Join {
    /// Of sets of the first `steps` steps.
    pub(super) fn new(
        masks: &TimeMasks,
        steps: usize,
        above: f64,
        pool: &ThreadPool,
        task: &Task,
    ) -> Result<Self> {
        // Units are numbered by u32; so many more would hardly fit into any memory.
        u32::try_from(masks.len()).map_err(|_| Error::OutOfMemory)?;
        pool.install(|| {
            let classes = Classes::new(masks)?;
            task.check()?;
            let largest = classes.sizes.last().map_or(0, |size| *size as usize);
            let bounds = Bounds::new(above, largest)?;
            let index = Index::new(&classes, &bounds, steps)?;
            task.check()?;
            let sketches = Sketches::new(&classes.masks, steps)?;
            Ok(Join {
                above,
                classes,
                bounds,
                index,
                sketches,
            })
        })
    }

    /// The members of a class: units, ascending.
    pub(super) fn members(&self, class: u32) -> &[u32] {
        self.classes.members(class as usize)
    }

    /// How many steps a class's set has.
    pub(super) fn size(&self, class: u32) -> usize {
        self.classes.sizes[class as usize] as usize
    }

    /// How many blocks the pairs are found in.
    pub(super) fn blocks(&self) -> usize {
        self.classes.len().div_ceil(self.block_len())
    }

    /// The pairs of classes of a block, in an order that is always the same.
    pub(super) fn block(&self, block: usize) -> Vec<ClassPair> {
        let mut pairs = Vec::new();
        for b in self.probes(block) {
            if self.has_pairs_within(b) {
                let (class, shared) = (b as u32, self.classes.sizes[b]);
                pairs.push(ClassPair {
                    a: class,
                    b: class,
                    shared,
                });
            }
            self.probe(
                b,
                |_| true,
                |a, shared| {
                    let (a, b, shared) = (a as u32, b as u32, shared as u32);
                    pairs.push(ClassPair { a, b, shared });
                },
            );
        }
        pairs
    }

    /// How many pairs of units there are.
    pub(super) fn count(&self, pool: &ThreadPool, task: &Task) -> Result<u64> {
        let count = |b: usize| {
            let own = self.classes.members(b).len() as u64;
            let mut others = 0;
            self.probe(
                b,
                |_| true,
                |a, _| others += self.classes.members(a).len() as u64,
            );
            let within = if self.has_pairs_within(b) {
                own * (own - 1) / 2
            } else {
                0
            };
            within + own * others
        };
        self.each_block(pool, task, |probes| probes.map(count).sum::<u64>())
    }

    /// The connected components of the units that have pairs: the largest first, then the one with
    /// the first unit; units ascending.
    pub(super) fn groups(&self, pool: &ThreadPool, task: &Task) -> Result<Vec<Vec<u32>>> {
        let components = Components::new(self.classes.len())?;
        self.each_block(pool, task, |probes| {
            for b in probes {
                let class = b as u32;
                // What is connected already need not be looked at: this is what makes groups cheap.
                let new = |a: usize| !components.are_connected(a as u32, class);
                self.probe(b, new, |a, _| components.connect(a as u32, class));
            }
            0
        })?;
        // Roots are the smallest of their components, so they come first.
        let mut places: Vec<u32> = vec_with_room(self.classes.len())?;
        let mut groups: Vec<Vec<u32>> = Vec::new();
        for class in 0..self.classes.len() {
            let root = components.root(class as u32) as usize;
            let place = if root == class {
                groups.len() as u32
            } else {
                places[root]
            };
            places.push(place);
            if root == class {
                groups.push(Vec::new());
            }
            groups[place as usize].extend_from_slice(self.classes.members(class));
        }
        // Where not even equal sets are above the limit, members of a class are no group.
        groups.retain(|group| group.len() > 1 && self.equal_is_above());
        groups
            .par_iter_mut()
            .for_each(|group| group.sort_unstable());
        groups.sort_unstable_by_key(|group| (Reverse(group.len()), group[0]));
        Ok(groups)
    }

    fn equal_is_above(&self) -> bool {
        self.above < 1.0
    }

    fn has_pairs_within(&self, class: usize) -> bool {
        self.equal_is_above() && self.classes.members(class).len() > 1
    }

    fn block_len(&self) -> usize {
        (BLOCK_PAIRS / self.classes.len().max(1)).clamp(1, BLOCK)
    }

    fn probes(&self, block: usize) -> Range<usize> {
        let begin = block * self.block_len();
        begin..self.classes.len().min(begin + self.block_len())
    }

    fn each_block(
        &self,
        pool: &ThreadPool,
        task: &Task,
        work: impl Fn(Range<usize>) -> u64 + Sync,
    ) -> Result<u64> {
        task.expect(self.classes.len() as u64);
        let blocks = (0..self.blocks()).into_par_iter();
        let done = blocks.map(|block| {
            let probes = self.probes(block);
            let units = probes.len() as u64;
            let sum = work(probes);
            task.advance(units).map(|()| sum)
        });
        pool.install(|| done.try_reduce(|| 0, |a, b| Ok(a + b)))
    }

    /// The classes before `b`, and so with sets no larger, that are alike to it, among those that are
    /// `wanted`; with how much they share.
    fn probe(&self, b: usize, wanted: impl Fn(usize) -> bool, mut found: impl FnMut(usize, usize)) {
        let size = self.classes.sizes[b] as usize;
        let smallest = self.bounds.smallest(size) as u32;
        let first = self.classes.sizes.partition_point(|size| *size < smallest);
        let mut ranks = Vec::new();
        self.index
            .first_ranks(&self.classes.masks, b, self.bounds.prefix(size), &mut ranks);
        SEEN.with_borrow_mut(|seen| {
            seen.begin(self.classes.len());
            for rank in ranks {
                for &a in self.index.classes(rank, first..b) {
                    let a = a as usize;
                    if seen.is_new(a)
                        && wanted(a)
                        && let Some(shared) = self.shared(a, b)
                    {
                        found(a, shared);
                    }
                }
            }
        });
    }

    /// How much two sets share, where it is enough.
    #[inline]
    fn shared(&self, a: usize, b: usize) -> Option<usize> {
        let (size, other) = (
            self.classes.sizes[a] as usize,
            self.classes.sizes[b] as usize,
        );
        let least = self.bounds.least(size, other);
        let most = (size + other).checked_sub(2 * least)?;
        let difference = self.sketches.difference(a, b, most as u32)?;
        if self.sketches.exact {
            return Some((size + other - difference as usize) / 2);
        }
        let shared = self.classes.masks.shared(a, b);
        (shared >= least).then_some(shared)
    }
}

impl Seen {
    /// The next round: no class of so many has been seen yet.
    fn begin(&mut self, classes: usize) {
        if self.rounds.len() != classes || self.round == u32::MAX {
            self.rounds.clear();
            self.rounds.resize(classes, 0);
            self.round = 0;
        }
        self.round += 1;
    }

    fn is_new(&mut self, class: usize) -> bool {
        std::mem::replace(&mut self.rounds[class], self.round) != self.round
    }
}
