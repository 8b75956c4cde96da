//! What of a layer stays: pruning, rolling back, tags and policies.

use std::collections::BTreeMap;

use super::Layer;
use crate::error::{Error, Result};
use crate::grids::zspan::ZSpan;
use crate::values::{Pruned, Retention};

/// What a policy does to a layer.
struct Plan {
    /// The labels that stay, ascending: the base's first, the open step's not among them.
    kept: Vec<i32>,
    /// Those that go, ascending.
    gone: Vec<i32>,
    /// Slices up to this one are folded into the base; 0 where the base stays.
    base: i32,
    /// Slices that become one each, the one at the end.
    merges: Vec<ZSpan>,
}

impl Layer {
    /// Keeps the newest `keep_last` steps and folds the older ones into the base, which takes the
    /// label of the last one folded. The open step is not counted. Errors: `Pinned` for a step
    /// with a tag.
    pub fn prune_history(&mut self, keep_last: usize) -> Result<()> {
        let labels = self.labels();
        let Some(&base) = labels.iter().rev().nth(keep_last) else {
            return Ok(());
        };
        if base == self.timeline.oldest() {
            return Ok(());
        }
        self.tags.refuse_in(self.timeline.oldest()..=base - 1)?;
        self.grid.fold(&self.timeline.spans_until(base))?;
        self.timeline.fold_until(base);
        Ok(())
    }

    /// Drops the steps after time `t` and says how many there were. Errors: `Pruned`; `Pinned` for
    /// a step with a tag.
    pub fn rollback(&mut self, t: usize) -> Result<usize> {
        let step = self.timeline.as_of(t)?;
        self.tags.refuse_in(step + 1..=i32::MAX)?;
        for span in self.timeline.spans_between(step, self.timeline.latest()) {
            self.grid.clear(span)?;
        }
        let dropped = self.timeline.truncate_after(step);
        self.open &= dropped == 0; // the open step is the newest one
        Ok(dropped)
    }

    /// The labels of the states of the base and of the closed steps.
    fn labels(&self) -> Vec<i32> {
        let steps = self.timeline.steps().iter();
        let closed = self.timeline.steps().len() - usize::from(self.open);
        std::iter::once(self.timeline.oldest())
            .chain(steps.copied().take(closed))
            .collect()
    }

    fn refuse_ring(&self) -> Result<()> {
        match self.timeline.ring() {
            Some(ring) => Err(Error::FixedByRing {
                length: ring.length(),
            }),
            None => Ok(()),
        }
    }

    /// Names the state after step `t` and pins it. Errors: `InvalidTag`, `TagExists`, `Pruned`,
    /// `NoSuchStep`, also for the open step, `FixedByRing`.
    pub fn tag(&mut self, name: &str, t: usize) -> Result<()> {
        self.tags.check_new(name)?;
        self.refuse_ring()?;
        let found = self.timeline.as_of(t)?;
        let labels = self.labels();
        if found as usize != t || labels.last() < Some(&found) {
            let known = |step: Option<&i32>| step.map(|&step| step as usize);
            return Err(Error::NoSuchStep {
                step: t,
                before: known(labels.iter().rfind(|&&step| (step as usize) < t)),
                after: known(labels.iter().find(|&&step| step as usize > t)),
            });
        }
        self.tags.add(name, found);
        Ok(())
    }

    /// Takes a tag away and says which step it was at. Errors: `NoSuchTag`.
    pub fn untag(&mut self, name: &str) -> Result<usize> {
        Ok(self.tags.remove(name)? as usize)
    }

    /// The tags, and the steps they are at.
    pub fn tags(&self) -> BTreeMap<String, usize> {
        self.tags.all()
    }

    /// Sets which steps stay; it is applied as steps are closed. Errors: `KeepsNothing`,
    /// `TiersDoNotNest`, `FixedByRing`.
    pub fn set_retention(&mut self, retention: Retention) -> Result<()> {
        self.check_policy(&retention)?;
        self.retention = retention;
        Ok(())
    }

    /// Which steps stay.
    pub fn retention(&self) -> &Retention {
        &self.retention
    }

    fn check_policy(&self, retention: &Retention) -> Result<()> {
        retention.check()?;
        match retention {
            Retention::KeepAll => Ok(()),
            _ => self.refuse_ring(),
        }
    }

    /// Applies a policy once. Errors as [`Layer::set_retention`].
    pub fn prune(&mut self, retention: &Retention) -> Result<Pruned> {
        self.check_policy(retention)?;
        let plan = self.plan(retention);
        let before = self.figures()?.memory_bytes;
        self.apply(&plan)?;
        // Where there is no memory even for counting, what has been done is still done.
        let after = self
            .figures()
            .map_or(before, |figures| figures.memory_bytes);
        Ok(plan.report(before.saturating_sub(after)))
    }

    /// What [`Layer::prune`] would do. Its states are made for it, to know the leaves that would
    /// hold nothing any more: it takes about as long. Errors as [`Layer::prune`].
    pub fn plan_prune(&self, retention: &Retention) -> Result<Pruned> {
        self.check_policy(retention)?;
        let plan = self.plan(retention);
        let growth = match plan.gone.is_empty() {
            true => 0,
            false => self.grid.growth_by_prune(plan.base, &plan.merges)?,
        };
        Ok(plan.report(growth.min(0).unsigned_abs()))
    }

    /// Applies the policy that is set where enough steps would go. A failure is not one of the
    /// step that has just been stored: the next one tries again.
    pub(super) fn apply_retention(&mut self) {
        if self.retention == Retention::KeepAll {
            return;
        }
        let plan = self.plan(&self.retention);
        if plan.gone.len() >= self.retention.batch() {
            let _ = self.apply(&plan);
        }
    }

    fn plan(&self, retention: &Retention) -> Plan {
        let labels = self.labels();
        let places = retention.retained(&labels, |step| self.tags.is_at(step));
        let kept: Vec<i32> = places.iter().map(|&place| labels[place]).collect();
        let merges = places
            .windows(2)
            .filter(|pair| pair[1] > pair[0] + 1)
            .map(|pair| ZSpan {
                first: labels[pair[0]] + 1,
                last: labels[pair[1]],
            });
        Plan {
            base: if places[0] == 0 { 0 } else { kept[0] },
            merges: merges.collect(),
            gone: labels
                .iter()
                .filter(|label| kept.binary_search(label).is_err())
                .copied()
                .collect(),
            kept,
        }
    }

    fn apply(&mut self, plan: &Plan) -> Result<()> {
        if plan.gone.is_empty() {
            return Ok(());
        }
        self.grid.prune(plan.base, &plan.merges)?;
        let open = self.open.then(|| self.timeline.latest());
        let kept: Vec<i32> = plan.kept.iter().copied().chain(open).collect();
        self.timeline.keep_only(&kept);
        Ok(())
    }
}

impl Plan {
    fn report(&self, freed_bytes: u64) -> Pruned {
        Pruned {
            steps: self.gone.iter().map(|&step| step as usize).collect(),
            oldest: self.kept[0] as usize,
            freed_bytes,
        }
    }
}
