use super::jaccard;
use crate::error::Result;
use crate::host::vec_with_room;

/// What sizes alone say of two sets whose score is to be above a limit.
///
/// All of it is found by asking [`jaccard`] itself, which is monotonic in what two sets share, so
/// that no rounding can come between the bounds and the scores.
pub(super) struct Bounds {
    /// How much two sets must share, by the sum of their sizes; more than either has where nothing
    /// is enough.
    least: Vec<u32>,
    /// The smallest set that one of a size can be alike to, no larger than itself, by that size.
    smallest: Vec<u32>,
}

impl Bounds {
    /// Of sets of at most `largest` elements.
    pub(super) fn new(above: f64, largest: usize) -> Result<Self> {
        let mut least = vec_with_room(2 * largest + 1)?;
        let mut shared = 0;
        for sum in 0..=2 * largest {
            // Sets of equal sizes share most of their sum.
            while 2 * shared <= sum && jaccard(shared, sum - shared, shared) <= above {
                shared += 1;
            }
            least.push(shared as u32);
        }
        let mut bounds = Bounds {
            least,
            smallest: vec_with_room(largest + 1)?,
        };
        let mut smallest = 0;
        for size in 0..=largest {
            while smallest < size && bounds.least(smallest, size) > smallest {
                smallest += 1;
            }
            bounds.smallest.push(smallest as u32);
        }
        Ok(bounds)
    }

    /// How much sets of two sizes must share.
    #[inline]
    pub(super) fn least(&self, a: usize, b: usize) -> usize {
        self.least[a + b] as usize
    }

    /// The smallest set that one of a size can be alike to, no larger than itself.
    pub(super) fn smallest(&self, size: usize) -> usize {
        self.smallest[size] as usize
    }

    /// Of a set's elements, in an order common to all sets, that many first ones and those of any set
    /// that is alike to it, and no larger, have one in common.
    pub(super) fn prefix(&self, size: usize) -> usize {
        (size + 1).saturating_sub(self.least(self.smallest(size), size))
    }

    /// The same of sets that are no smaller.
    pub(super) fn short_prefix(&self, size: usize) -> usize {
        (size + 1).saturating_sub(self.least(size, size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By trying all that two sets can share.
    #[test]
    fn bounds_are_those_of_the_scores() {
        const LARGEST: usize = 40;
        for above in [0.05, 1.0 / 3.0, 0.5, 0.8, 0.9, 0.999, 1.0] {
            let bounds = Bounds::new(above, LARGEST).unwrap();
            for b in 1..=LARGEST {
                let enough = |a: usize, shared: usize| jaccard(shared, a, b) > above;
                for a in 1..=b {
                    let least = (0..=a).find(|shared| enough(a, *shared));
                    let found = Some(bounds.least(a, b)).filter(|least| *least <= a);
                    assert_eq!(found, least, "{a} {b} {above}");
                }
                let smallest = (1..=b).find(|a| enough(*a, *a));
                assert_eq!(bounds.smallest(b), smallest.unwrap_or(b), "{b} {above}");
                if smallest.is_none() {
                    assert_eq!((bounds.prefix(b), bounds.short_prefix(b)), (0, 0));
                }
            }
        }
    }
}
