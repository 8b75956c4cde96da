use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::zspan::ZSpan;
use crate::error::{Error, Result};
use crate::limits::MAX_STEP;
use crate::values::Ring;

/// Which steps a layer holds, and where in z.
///
/// The base stands for step `oldest`; `steps` ascend after it. Without a ring z is the step; with
/// one it is the step's slot, and the layer never holds a step older than the ring reaches.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    oldest: i32,
    steps: VecDeque<i32>,
    ring: Option<Ring>,
}

impl Timeline {
    pub(crate) fn new(ring: Option<Ring>) -> Self {
        Timeline {
            oldest: 0,
            steps: VecDeque::new(),
            ring,
        }
    }

    /// With steps read from a file: ascending, after `oldest`.
    pub(crate) fn with_steps(oldest: i32, steps: Vec<i32>) -> Self {
        Timeline {
            oldest,
            steps: steps.into(),
            ring: None,
        }
    }

    /// The same steps in the slots of a ring, which must reach all of them.
    pub(crate) fn in_ring(self, ring: Ring) -> Self {
        Timeline {
            ring: Some(ring),
            ..self
        }
    }

    pub(crate) fn oldest(&self) -> i32 {
        self.oldest
    }

    /// The newest step, or the base's label where there is none.
    pub(crate) fn latest(&self) -> i32 {
        self.steps.back().copied().unwrap_or(self.oldest)
    }

    pub(crate) fn steps(&self) -> &VecDeque<i32> {
        &self.steps
    }

    pub(crate) fn ring(&self) -> Option<Ring> {
        self.ring
    }

    pub(crate) fn z_of(&self, step: i32) -> i32 {
        match self.ring {
            Some(ring) => ring.z_of(step as usize),
            None => step,
        }
    }

    /// The step whose slice is at z; `oldest` for the base.
    pub(crate) fn step_at(&self, z: i32) -> i32 {
        match self.ring {
            _ if z == 0 => self.oldest,
            None => z,
            Some(ring) => {
                let back = (self.z_of(self.latest()) - z).rem_euclid(ring.steps());
                self.latest() - back
            }
        }
    }

    /// A step that may be stored next.
    pub(crate) fn check_new(&self, step: usize) -> Result<i32> {
        if step == 0 || step > MAX_STEP {
            return Err(Error::InvalidStep { step });
        }
        if step <= self.latest() as usize {
            return Err(Error::StepOutOfOrder {
                step,
                latest: self.latest() as usize,
            });
        }
        Ok(step as i32)
    }

    /// The step whose state answers for time `t`: the newest one not after it.
    pub(crate) fn as_of(&self, t: usize) -> Result<i32> {
        let oldest = self.oldest as usize;
        if t < oldest {
            return Err(Error::Pruned { step: t, oldest });
        }
        let t = i32::try_from(t).unwrap_or(i32::MAX);
        let after = self.steps.partition_point(|&step| step <= t);
        Ok(if after == 0 {
            self.oldest
        } else {
            self.steps[after - 1]
        })
    }

    /// A step whose changes are retained.
    pub(crate) fn find(&self, t: usize) -> Result<i32> {
        if t == 0 {
            return Err(Error::InvalidStep { step: 0 });
        }
        if t <= self.oldest as usize {
            return Err(Error::Pruned {
                step: t,
                oldest: self.oldest as usize,
            });
        }
        let step = i32::try_from(t).unwrap_or(i32::MAX);
        let at = self.steps.partition_point(|&other| other < step);
        if self.steps.get(at) == Some(&step) {
            return Ok(step);
        }
        let known = |i: usize| self.steps.get(i).map(|&step| step as usize);
        Err(Error::NoSuchStep {
            step: t,
            before: at.checked_sub(1).and_then(known),
            after: known(at),
        })
    }

    /// The retained steps in a range of times.
    pub(crate) fn steps_in(&self, times: RangeInclusive<usize>) -> Vec<i32> {
        let inside = |step: &&i32| times.contains(&(**step as usize));
        self.steps.iter().filter(inside).copied().collect()
    }

    /// Where the slices of all retained steps up to `last` are, in time order.
    pub(crate) fn spans_until(&self, last: i32) -> Vec<ZSpan> {
        self.spans_between(self.oldest, last)
    }

    /// Where the slices of the steps after `before`, up to `last`, are, in time order. `before` is
    /// the base's label or after it.
    pub(crate) fn spans_between(&self, before: i32, last: i32) -> Vec<ZSpan> {
        if last <= before {
            return Vec::new();
        }
        let Some(ring) = self.ring else {
            let first = before + 1;
            return vec![ZSpan { first, last }];
        };
        // Steps before this one have been folded, whatever the base's label says: with gaps it can
        // lie further back than the ring reaches.
        let reach = self.latest() - ring.steps();
        let (first, last) = (self.z_of(before.max(reach) + 1), self.z_of(last));
        if first <= last {
            vec![ZSpan { first, last }]
        } else {
            let end = ring.steps();
            vec![ZSpan { first, last: end }, ZSpan { first: 1, last }]
        }
    }

    /// The newest step that must be folded before `step` can take its slot in the ring.
    pub(crate) fn expired_by(&self, step: i32) -> Option<i32> {
        let reach = step - self.ring?.steps();
        self.steps
            .iter()
            .copied()
            .take_while(|&old| old <= reach)
            .last()
    }

    pub(crate) fn push(&mut self, step: i32) {
        self.steps.push_back(step);
    }

    /// The base now stands for `step`, one of the steps.
    pub(crate) fn fold_until(&mut self, step: i32) {
        let folded = self.steps.partition_point(|&old| old <= step);
        self.steps.drain(..folded);
        self.oldest = step;
    }

    /// Of base and steps only some stay, ascending: the first becomes the base.
    pub(crate) fn keep_only(&mut self, kept: &[i32]) {
        self.oldest = kept[0];
        self.steps = kept[1..].iter().copied().collect();
    }

    /// Drops the steps after `step` and says how many there were.
    pub(crate) fn truncate_after(&mut self, step: i32) -> usize {
        let kept = self.steps.partition_point(|&other| other <= step);
        let dropped = self.steps.len() - kept;
        self.steps.truncate(kept);
        dropped
    }
}
