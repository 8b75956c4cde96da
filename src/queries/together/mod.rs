//! Which weights change together: set similarity of their change times.

mod bounds;
mod classes;
mod components;
mod index;
mod join;
mod masks;
mod pairs;
mod sketches;
#[cfg(test)]
mod tests;
mod units;

pub(crate) use masks::{TimeMasks, jaccard};
pub use pairs::{Pair, Pairs};
pub(crate) use units::{TileTimes, UnitMasks, change_count};

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::host::{Progress, Task, blocking, threads};
use crate::values::{By, Unit};
use join::Join;

/// Which weights, rows or columns are asked for that change together.
#[derive(Clone, Debug, PartialEq)]
pub struct CoOccurrence {
    /// What is counted as one. A row or a column changes at a step where any of its weights does.
    pub by: By,
    /// Only those that changed at this step; all of the layer where it is `None`.
    pub at: Option<usize>,
    /// The retained steps in this range are what counts. All by default.
    pub times: RangeInclusive<usize>,
    /// Pairs must be more alike than this: above 0, and at most 1, which no pair is above.
    pub above: f64,
    /// Those that changed at fewer of the steps take no part: they say little about each other.
    pub min_changes: usize,
}

impl Default for CoOccurrence {
    /// All weights of a layer over all retained steps; pairs above 0.8, of at least 3 changes each.
    fn default() -> Self {
        CoOccurrence {
            by: By::Weight,
            at: None,
            times: 0..=usize::MAX,
            above: 0.8,
            min_changes: 3,
        }
    }
}

impl CoOccurrence {
    /// This question, about those alone that changed at step `t`.
    pub fn at(self, t: usize) -> Self {
        CoOccurrence {
            at: Some(t),
            ..self
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.above > 0.0 && self.above <= 1.0 {
            return Ok(());
        }
        Err(Error::InvalidScore { above: self.above })
    }
}

/// When some units of a layer changed, and which of them change together: those with a score above a
/// limit. The score of two is the Jaccard index of their sets of change steps: at how many steps both
/// changed, out of those at which either did.
///
/// It stands on its own: what happens to the layer later does not show. A handle; its clones are one.
#[derive(Clone)]
pub struct Together {
    inner: Arc<Inner>,
}

struct Inner {
    units: UnitMasks,
    steps: Vec<usize>,
    join: Join,
    pool: ThreadPool,
}

/// Units that change together: each is alike to one of the others, if not to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// They, ascending; at least two.
    pub units: Vec<Unit>,
    /// The steps at which more than half of them changed, ascending.
    pub steps: Vec<usize>,
}

impl Together {
    pub(crate) fn new(
        (units, steps): (UnitMasks, Vec<usize>),
        query: &CoOccurrence,
        threads: Option<NonZeroUsize>,
        task: &Task,
    ) -> Result<Self> {
        let pool = threads::pool(threads, "temporal-vdb-join")?;
        let join = Join::new(&units.masks, steps.len(), query.above, &pool, task)?;
        Ok(Together {
            inner: Arc::new(Inner {
                units,
                steps,
                join,
                pool,
            }),
        })
    }

    /// The units that take part, ascending: those that were asked for and changed often enough.
    pub fn units(&self) -> &[Unit] {
        &self.inner.units.units
    }

    /// The steps that count, ascending.
    pub fn steps(&self) -> &[usize] {
        &self.inner.steps
    }

    /// The steps at which one of the units changed, ascending; `None` where it takes no part.
    pub fn change_steps(&self, unit: Unit) -> Option<Vec<usize>> {
        let at = self.units().binary_search(&unit).ok()?;
        let steps = self.inner.units.masks.steps(at);
        Some(steps.map(|step| self.inner.steps[step]).collect())
    }

    /// The unordered pairs of different units whose score is above the limit, in an order that is
    /// always the same. A real step can have 10^8 of them: they are found as they are read.
    pub fn pairs(&self) -> Pairs {
        Pairs::new(Arc::clone(&self.inner))
    }

    /// How many pairs there are, none of them being listed. `progress` is told how many of the
    /// different sets of change steps are done. Errors: `OutOfMemory`, `Cancelled`.
    pub async fn count(&self, progress: &Progress) -> Result<u64> {
        self.run(progress, |inner, task| inner.join.count(&inner.pool, task))
            .await
    }

    /// The pairs as clusters: units are in one where pairs lead from one to the other. The largest
    /// comes first, then the one with the first unit. Much cheaper than the pairs where very many move
    /// as one. `progress` is told how many of the different sets of change steps are done. Errors:
    /// `OutOfMemory`, `Cancelled`.
    pub async fn groups(&self, progress: &Progress) -> Result<Vec<Group>> {
        self.run(progress, |inner, task| {
            let groups = inner.join.groups(&inner.pool, task)?;
            let counts = || vec![0u32; inner.steps.len()];
            let groups = groups.par_iter().map_init(counts, |counts, members| {
                task.check().map(|()| inner.group(members, counts))
            });
            inner.pool.install(|| groups.collect())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        progress: &Progress,
        work: impl FnOnce(&Inner, &Task) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        let (_stopper, task) = progress.begin();
        blocking::run(move || work(&inner, &task)).await
    }
}

impl Inner {
    /// `counts` is room for each step, all 0, and is left so.
    fn group(&self, members: &[u32], counts: &mut [u32]) -> Group {
        let times = || {
            let members = members.iter();
            members.flat_map(|&member| self.units.masks.steps(member as usize))
        };
        let half = members.len() as u32 / 2;
        let mut steps = Vec::new();
        for step in times() {
            counts[step] += 1;
            if counts[step] == half + 1 {
                steps.push(self.steps[step]);
            }
        }
        times().for_each(|step| counts[step] = 0);
        steps.sort_unstable();
        Group {
            units: members
                .iter()
                .map(|&member| self.units.units[member as usize])
                .collect(),
            steps,
        }
    }
}

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together")
            .field("units", &self.units().len())
            .field("steps", &self.steps().len())
            .finish_non_exhaustive()
    }
}
