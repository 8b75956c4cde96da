//! A layer over time in plain maps, without a thought for speed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use temporal_vdb::{
    Change, Delta, DenseWeights, Error, MAX_STEP, Pruned, Result, Retention, Ring, SparseWeights,
    TemporalLayer, TemporalVDBStorage, Voxel,
};

/// Weight (row, col).
type Weight = (i32, i32);

/// A layer that any number of tasks use: what the trait asks for.
pub struct SharedModel(Mutex<Model>);

#[derive(Clone)]
pub struct Model {
    shape: (i32, i32),
    ring: Option<Ring>,
    oldest: usize,
    base: BTreeMap<Weight, f32>,
    steps: BTreeMap<usize, BTreeMap<Weight, Change>>,
    /// The newest step, while it can be added to.
    open: Option<usize>,
    tags: BTreeMap<String, usize>,
    retention: Retention,
}

impl Model {
    pub fn new(rows: i32, cols: i32, ring: Option<Ring>) -> Self {
        Model {
            shape: (rows, cols),
            ring,
            oldest: 0,
            base: BTreeMap::new(),
            steps: BTreeMap::new(),
            open: None,
            tags: BTreeMap::new(),
            retention: Retention::KeepAll,
        }
    }

    pub fn shared(self) -> SharedModel {
        SharedModel(Mutex::new(self))
    }

    pub fn oldest(&self) -> usize {
        self.oldest
    }

    pub fn latest(&self) -> usize {
        self.steps
            .keys()
            .next_back()
            .copied()
            .unwrap_or(self.oldest)
    }

    pub fn steps(&self) -> Vec<usize> {
        self.steps.keys().copied().collect()
    }

    fn check_shape(&self, found: (i32, i32)) -> Result<()> {
        if found == self.shape {
            Ok(())
        } else {
            Err(Error::ShapeMismatch {
                expected: self.shape,
                found,
            })
        }
    }

    fn check_weight(&self, (row, col): Weight) -> Result<()> {
        if (0..self.shape.0).contains(&row) && (0..self.shape.1).contains(&col) {
            Ok(())
        } else {
            Err(Error::OutOfShape {
                row,
                col,
                shape: self.shape,
            })
        }
    }

    pub fn store_base(&mut self, weights: &SparseWeights) -> Result<()> {
        self.check_shape(weights.shape())?;
        if self.latest() > 0 {
            return Err(Error::BaseFixed {
                latest: self.latest(),
            });
        }
        self.base = weights
            .iter()
            .map(|(weight, &value)| (weight, value))
            .collect();
        Ok(())
    }

    pub fn store_changes(&mut self, t: usize, delta: &Delta) -> Result<()> {
        self.insert(t, delta)?;
        self.open = None;
        self.apply_retention();
        Ok(())
    }

    fn insert(&mut self, t: usize, delta: &Delta) -> Result<()> {
        self.check_shape(delta.shape())?;
        if t == 0 || t > MAX_STEP {
            return Err(Error::InvalidStep { step: t });
        }
        if t <= self.latest() {
            return Err(Error::StepOutOfOrder {
                step: t,
                latest: self.latest(),
            });
        }
        if let Some(ring) = self.ring {
            let reach = (t + 1).saturating_sub(ring.length());
            while self.steps.keys().next().is_some_and(|&step| step <= reach) {
                self.fold_first();
            }
        }
        self.steps.insert(t, delta.iter().collect());
        Ok(())
    }

    pub fn accumulate(&mut self, t: usize, delta: &Delta, scale: f32) -> Result<()> {
        self.check_shape(delta.shape())?;
        if let Some(&Voxel { row, col, .. }) = delta.marks().first() {
            return Err(Error::ExactMark { row, col, step: t });
        }
        if !scale.is_finite() {
            return Err(Error::InvalidScale { scale });
        }
        let mut products = BTreeMap::new();
        for ((row, col), change) in delta.iter() {
            let value = scale * change.delta;
            if !value.is_finite() {
                return Err(Error::NotFinite { row, col, value });
            }
            products.insert((row, col), value);
        }
        let opens = self.open != Some(t);
        let mut sums = match opens {
            true => BTreeMap::new(),
            false => self.steps[&t].clone(),
        };
        for ((row, col), product) in products {
            let none = Change {
                delta: 0.0,
                exact: None,
            };
            let sum = sums.entry((row, col)).or_insert(none);
            sum.delta += product;
            if !sum.delta.is_finite() {
                let value = sum.delta;
                return Err(Error::NotFinite { row, col, value });
            }
        }
        sums.retain(|_, change| change.delta != 0.0);
        if opens {
            let closes = self.open.is_some();
            self.insert(t, &Delta::empty(self.shape.0, self.shape.1)?)?;
            self.open = Some(t);
            self.steps.insert(t, sums);
            if closes {
                self.apply_retention();
            }
        } else {
            self.steps.insert(t, sums);
        }
        Ok(())
    }

    pub fn commit_accumulated(&mut self) -> Option<usize> {
        let step = self.open.take()?;
        self.apply_retention();
        Some(step)
    }

    /// One weight after one change.
    fn after(state: f32, change: &Change) -> f32 {
        match change.exact {
            Some(value) => value,
            None if change.delta == 0.0 => state,
            None => state + change.delta,
        }
    }

    fn apply(state: &mut BTreeMap<Weight, f32>, changes: &BTreeMap<Weight, Change>) {
        for (&weight, change) in changes {
            let before = state.get(&weight).copied().unwrap_or(0.0);
            let after = Model::after(before, change);
            if after.to_bits() == 0 {
                state.remove(&weight);
            } else {
                state.insert(weight, after);
            }
        }
    }

    fn fold_first(&mut self) {
        let (step, changes) = self.steps.pop_first().expect("a step to fold");
        Model::apply(&mut self.base, &changes);
        self.oldest = step;
    }

    /// The labels of the base and of the closed steps.
    fn labels(&self) -> Vec<usize> {
        let closed = self.steps.keys().copied();
        let closed = closed.filter(|step| self.open != Some(*step));
        std::iter::once(self.oldest).chain(closed).collect()
    }

    fn refuse_pinned(&self, goes: impl Fn(usize) -> bool) -> Result<()> {
        let pinned = self.tags.iter().filter(|(_, step)| goes(**step));
        match pinned.min_by_key(|(_, step)| **step) {
            Some((tag, &step)) => Err(Error::Pinned {
                step,
                tag: tag.clone(),
            }),
            None => Ok(()),
        }
    }

    pub fn prune_history(&mut self, keep_last: usize) -> Result<()> {
        let labels = self.labels();
        if labels.len() <= keep_last {
            return Ok(());
        }
        let base = labels[labels.len() - 1 - keep_last];
        self.refuse_pinned(|step| step < base)?;
        while self.oldest < base {
            self.fold_first();
        }
        Ok(())
    }

    pub fn tags(&self) -> &BTreeMap<String, usize> {
        &self.tags
    }

    /// Through a `.vdb` file, in which steps are all there is.
    pub fn reopen(&mut self) {
        self.open = None;
        self.tags.clear();
        self.retention = Retention::KeepAll;
    }

    fn refuse_ring(&self) -> Result<()> {
        match self.ring {
            Some(ring) => Err(Error::FixedByRing {
                length: ring.length(),
            }),
            None => Ok(()),
        }
    }

    pub fn tag(&mut self, name: &str, t: usize) -> Result<()> {
        let name = name.to_owned();
        if name.chars().all(|c| c.is_ascii_digit())
            || name.chars().any(char::is_control)
            || name.trim() != name
        {
            return Err(Error::InvalidTag { name });
        }
        if let Some(&step) = self.tags.get(&name) {
            return Err(Error::TagExists { name, step });
        }
        self.refuse_ring()?;
        self.as_of(t)?;
        let labels = self.labels();
        if !labels.contains(&t) {
            return Err(Error::NoSuchStep {
                step: t,
                before: labels.iter().copied().rfind(|step| *step < t),
                after: labels.iter().copied().find(|step| *step > t),
            });
        }
        self.tags.insert(name, t);
        Ok(())
    }

    /// (Which names are like it is not a model's business.)
    pub fn untag(&mut self, name: &str) -> Result<usize> {
        self.tags.remove(name).ok_or_else(|| Error::NoSuchTag {
            name: name.to_owned(),
            nearest: Vec::new(),
        })
    }

    fn check_policy(&self, retention: &Retention) -> Result<()> {
        retention.check()?;
        match retention {
            Retention::KeepAll => Ok(()),
            _ => self.refuse_ring(),
        }
    }

    pub fn set_retention(&mut self, retention: &Retention) -> Result<()> {
        self.check_policy(retention)?;
        self.retention = retention.clone();
        Ok(())
    }

    /// Which labels a policy keeps, told anew: as `retention.rs` does it, but from the words.
    fn kept(&self, retention: &Retention) -> BTreeSet<usize> {
        let labels = self.labels();
        let tiers: Vec<(usize, usize)> = match retention {
            Retention::KeepAll => return labels.into_iter().collect(),
            Retention::KeepLast(steps) => vec![(*steps, 1)],
            Retention::Tiered(tiers) => tiers.iter().map(|t| (t.steps, t.every)).collect(),
        };
        let mut kept: BTreeSet<usize> = labels.last().copied().into_iter().collect();
        kept.extend(self.tags.values());
        let mut older = labels.clone(); // than the tiers so far
        for (i, (steps, every)) in tiers.iter().enumerate() {
            let run = |step: usize| step.div_ceil(*every);
            let mut places = steps + usize::from(i + 1 == tiers.len()); // one for the base
            while places > 0 {
                let Some(step) = older.pop() else {
                    kept.insert(labels[0]); // there is room
                    break;
                };
                let next = labels.iter().find(|later| **later > step);
                if next.is_none_or(|next| run(*next) != run(step)) {
                    kept.insert(step);
                    places -= 1;
                }
            }
        }
        kept
    }

    pub fn prune(&mut self, retention: &Retention) -> Result<Vec<usize>> {
        self.check_policy(retention)?;
        let kept = self.kept(retention);
        let labels = self.labels();
        let states: BTreeMap<usize, BTreeMap<Weight, f32>> = kept
            .iter()
            .map(|&step| (step, self.state_after(step)))
            .collect();
        let open = self.open.and_then(|step| self.steps.remove_entry(&step));
        let gone: Vec<usize> = labels
            .into_iter()
            .filter(|label| !kept.contains(label))
            .collect();
        let mut before: Option<(usize, &BTreeMap<Weight, f32>)> = None;
        let mut steps = BTreeMap::new();
        for (&step, state) in &states {
            match before {
                None => (self.oldest, self.base) = (step, state.clone()),
                // What nothing between them was taken from stays as it was recorded.
                Some((earlier, _)) if !gone.iter().any(|t| (earlier..step).contains(t)) => {
                    steps.insert(step, self.steps[&step].clone());
                }
                Some((_, earlier)) => {
                    steps.insert(step, changes_between(earlier, state));
                }
            }
            before = Some((step, state));
        }
        self.steps = steps;
        self.steps.extend(open);
        Ok(gone)
    }

    fn apply_retention(&mut self) {
        let retention = self.retention.clone();
        let kept = match &retention {
            Retention::KeepAll => return,
            Retention::KeepLast(steps) => *steps,
            Retention::Tiered(tiers) => tiers.iter().map(|tier| tier.steps).sum(),
        };
        let goes = self.labels().len() - self.kept(&retention).len();
        if goes >= (kept / 8).max(8) {
            self.prune(&retention).expect("a policy that was checked");
        }
    }

    pub fn net_change(&self, from: usize, to: usize) -> Result<Delta> {
        let (from, to) = (self.as_of(from)?, self.as_of(to)?);
        let changes = changes_between(&self.state_after(from), &self.state_after(to));
        Delta::from_changes(self.shape.0, self.shape.1, changes)
    }

    pub fn change_counts(&self, times: RangeInclusive<usize>) -> Vec<(Weight, u32)> {
        let mut counts = BTreeMap::new();
        for (step, changes) in &self.steps {
            for weight in changes.keys().filter(|_| times.contains(step)) {
                *counts.entry(*weight).or_insert(0) += 1;
            }
        }
        counts.into_iter().collect()
    }

    pub fn as_of(&self, t: usize) -> Result<usize> {
        if t < self.oldest {
            return Err(Error::Pruned {
                step: t,
                oldest: self.oldest,
            });
        }
        Ok(self
            .steps
            .range(..=t)
            .next_back()
            .map_or(self.oldest, |(&step, _)| step))
    }

    pub fn rollback(&mut self, t: usize) -> Result<usize> {
        let step = self.as_of(t)?;
        self.refuse_pinned(|tagged| tagged > step)?;
        self.open = self.open.filter(|open| *open <= step);
        Ok(self.steps.split_off(&(step + 1)).len())
    }

    fn state_after(&self, step: usize) -> BTreeMap<Weight, f32> {
        let mut state = self.base.clone();
        for changes in self.steps.range(..=step).map(|(_, changes)| changes) {
            Model::apply(&mut state, changes);
        }
        state
    }

    pub fn weights_at_time(&self, t: usize) -> Result<SparseWeights> {
        let step = self.as_of(t)?;
        let triplets = self
            .state_after(step)
            .into_iter()
            .map(|((row, col), value)| (row, col, value));
        Ok(SparseWeights::from_triplets(self.shape.0, self.shape.1, triplets)?.with_timestep(step))
    }

    pub fn weight_history(&self, row: i32, col: i32) -> Result<Vec<(usize, f32)>> {
        self.check_weight((row, col))?;
        let mut state = self.base.get(&(row, col)).copied().unwrap_or(0.0);
        let mut history = vec![(self.oldest, state)];
        for (&step, changes) in &self.steps {
            if let Some(change) = changes.get(&(row, col)) {
                state = Model::after(state, change);
                history.push((step, state));
            }
        }
        Ok(history)
    }

    /// The changes of a retained step.
    pub fn delta_layer(&self, t: usize) -> Option<Delta> {
        let changes = self.steps.get(&t)?;
        let changes = changes.iter().map(|(&weight, &change)| (weight, change));
        Some(Delta::from_changes(self.shape.0, self.shape.1, changes).expect("stored changes"))
    }
}

/// What leads from one state to another, for each weight whose bits differ: the difference, where
/// adding it gives just that; else also the value itself.
fn changes_between(
    from: &BTreeMap<Weight, f32>,
    to: &BTreeMap<Weight, f32>,
) -> BTreeMap<Weight, Change> {
    let weights: BTreeSet<Weight> = from.keys().chain(to.keys()).copied().collect();
    let mut changes = BTreeMap::new();
    for weight in weights {
        let of = |state: &BTreeMap<Weight, f32>| state.get(&weight).copied().unwrap_or(0.0);
        let (before, after) = (of(from), of(to));
        if before.to_bits() == after.to_bits() {
            continue;
        }
        let difference = after - before;
        let delta = if difference.is_finite() {
            difference
        } else {
            0.0
        };
        let plain = Change { delta, exact: None };
        let lands = Model::after(before, &plain).to_bits() == after.to_bits();
        let exact = !(lands && before.is_finite() && after.is_finite());
        let exact = exact.then_some(after);
        changes.insert(weight, Change { delta, exact });
    }
    changes
}

impl SharedModel {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl TemporalVDBStorage for SharedModel {
    async fn store_base(&mut self, weights: &SparseWeights) -> Result<()> {
        self.model().store_base(weights)
    }

    async fn store_delta(
        &mut self,
        timestamp: usize,
        changes: &HashMap<Weight, f32>,
    ) -> Result<()> {
        let shape = self.model().shape;
        let delta = Delta::from_hashmap(shape.0, shape.1, changes)?;
        self.model().store_changes(timestamp, &delta)
    }

    async fn weights_at_time(&self, timestamp: usize) -> Result<SparseWeights> {
        self.model().weights_at_time(timestamp)
    }

    async fn weight_history(&self, x: i32, y: i32) -> Result<Vec<(usize, f32)>> {
        self.model().weight_history(x, y)
    }

    async fn prune_history(&mut self, keep_last: usize) -> Result<()> {
        self.model().prune_history(keep_last)
    }
}

#[async_trait]
impl TemporalLayer for SharedModel {
    async fn oldest(&self) -> Result<usize> {
        Ok(self.model().oldest())
    }

    async fn steps(&self) -> Result<Vec<usize>> {
        Ok(self.model().steps())
    }

    async fn store_changes(&self, t: usize, delta: &Delta) -> Result<()> {
        self.model().store_changes(t, delta)
    }

    async fn accumulate(&self, t: usize, delta: &Delta, scale: f32) -> Result<()> {
        self.model().accumulate(t, delta, scale)
    }

    async fn accumulate_temporal_gradient(
        &self,
        x: i32,
        y: i32,
        gradient: f32,
        timestep: usize,
    ) -> Result<()> {
        let mut model = self.model();
        let delta = Delta::from_triplets(model.shape.0, model.shape.1, [(x, y, gradient)])?;
        model.accumulate(timestep, &delta, 1.0)
    }

    async fn commit_accumulated(&self) -> Result<Option<usize>> {
        Ok(self.model().commit_accumulated())
    }

    async fn rollback(&self, t: usize) -> Result<usize> {
        self.model().rollback(t)
    }

    async fn dense_at_many(&self, times: &[usize]) -> Result<Vec<DenseWeights>> {
        let model = self.model();
        let dense = |t: &usize| {
            Ok(DenseWeights {
                timestep: model.as_of(*t)?,
                shape: model.shape,
                values: model.weights_at_time(*t)?.to_dense()?,
            })
        };
        times.iter().map(dense).collect()
    }

    async fn get_delta_layer(&self, t: usize) -> Result<Delta> {
        let model = self.model();
        if t == 0 {
            return Err(Error::InvalidStep { step: 0 });
        }
        if t <= model.oldest {
            return Err(Error::Pruned {
                step: t,
                oldest: model.oldest,
            });
        }
        model.delta_layer(t).ok_or_else(|| Error::NoSuchStep {
            step: t,
            before: model.steps.range(..t).next_back().map(|(&step, _)| step),
            after: model.steps.range(t..).next().map(|(&step, _)| step),
        })
    }

    async fn deltas_in(&self, times: RangeInclusive<usize>) -> Result<Vec<(usize, Delta)>> {
        let model = self.model();
        let steps = model.steps.keys().copied();
        let steps = steps.filter(|step| times.contains(step));
        Ok(steps
            .map(|step| (step, model.delta_layer(step).expect("a step")))
            .collect())
    }

    async fn net_change(&self, from: usize, to: usize) -> Result<Delta> {
        self.model().net_change(from, to)
    }

    async fn change_counts(&self, times: RangeInclusive<usize>) -> Result<Vec<(Weight, u32)>> {
        Ok(self.model().change_counts(times))
    }

    async fn tag(&self, name: &str, t: usize) -> Result<()> {
        self.model().tag(name, t)
    }

    async fn untag(&self, name: &str) -> Result<usize> {
        self.model().untag(name)
    }

    async fn tags(&self) -> Result<BTreeMap<String, usize>> {
        Ok(self.model().tags.clone())
    }

    async fn set_retention(&self, retention: Retention) -> Result<()> {
        self.model().set_retention(&retention)
    }

    async fn retention(&self) -> Result<Retention> {
        Ok(self.model().retention.clone())
    }

    async fn prune(&self, retention: &Retention) -> Result<Pruned> {
        let mut model = self.model();
        let steps = model.prune(retention)?;
        Ok(Pruned {
            steps,
            oldest: model.oldest,
            freed_bytes: 0, // it has none to speak of
        })
    }

    async fn plan_prune(&self, retention: &Retention) -> Result<Pruned> {
        let would = self.model().clone().shared();
        would.prune(retention).await
    }
}
