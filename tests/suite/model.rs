//! A layer over time in plain maps, without a thought for speed.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use temporal_vdb::{
    Change, Delta, Error, MAX_STEP, Result, Ring, SparseWeights, TemporalVDBStorage, Voxel,
};

/// Weight (row, col).
type Weight = (i32, i32);

#[derive(Clone)]
pub struct Model {
    shape: (i32, i32),
    ring: Option<Ring>,
    oldest: usize,
    base: BTreeMap<Weight, f32>,
    steps: BTreeMap<usize, BTreeMap<Weight, Change>>,
}

impl Model {
    pub fn new(rows: i32, cols: i32, ring: Option<Ring>) -> Self {
        Model {
            shape: (rows, cols),
            ring,
            oldest: 0,
            base: BTreeMap::new(),
            steps: BTreeMap::new(),
        }
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

    pub fn accumulate(&mut self, t: usize, delta: &Delta) -> Result<()> {
        self.check_shape(delta.shape())?;
        if let Some(&Voxel { row, col, .. }) = delta.marks().first() {
            return Err(Error::ExactMark { row, col, step: t });
        }
        if self.steps.is_empty() || t != self.latest() {
            return self.store_changes(t, delta);
        }
        let mut sums = self.steps[&t].clone();
        let marked = |&(weight, _): &(Weight, Change)| {
            sums.get(&weight)
                .is_some_and(|change| change.exact.is_some())
        };
        if let Some(((row, col), _)) = delta.iter().find(marked) {
            return Err(Error::ExactMark { row, col, step: t });
        }
        for ((row, col), change) in delta.iter() {
            let sum = sums.entry((row, col)).or_insert(Change {
                delta: 0.0,
                exact: None,
            });
            sum.delta += change.delta;
            if !sum.delta.is_finite() {
                return Err(Error::NotFinite {
                    row,
                    col,
                    value: sum.delta,
                });
            }
        }
        sums.retain(|_, change| change.delta != 0.0 || change.exact.is_some());
        self.steps.insert(t, sums);
        Ok(())
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

    pub fn prune_history(&mut self, keep_last: usize) {
        while self.steps.len() > keep_last {
            self.fold_first();
        }
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
        Ok(self.steps.split_off(&(step + 1)).len())
    }

    pub fn weights_at_time(&self, t: usize) -> Result<SparseWeights> {
        let step = self.as_of(t)?;
        let mut state = self.base.clone();
        for changes in self.steps.range(..=step).map(|(_, changes)| changes) {
            Model::apply(&mut state, changes);
        }
        let triplets = state
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

#[async_trait]
impl TemporalVDBStorage for Model {
    async fn store_base(&mut self, weights: &SparseWeights) -> Result<()> {
        self.store_base(weights)
    }

    async fn store_delta(
        &mut self,
        timestamp: usize,
        changes: &HashMap<Weight, f32>,
    ) -> Result<()> {
        let delta = Delta::from_hashmap(self.shape.0, self.shape.1, changes)?;
        self.store_changes(timestamp, &delta)
    }

    async fn weights_at_time(&self, timestamp: usize) -> Result<SparseWeights> {
        self.weights_at_time(timestamp)
    }

    async fn weight_history(&self, x: i32, y: i32) -> Result<Vec<(usize, f32)>> {
        self.weight_history(x, y)
    }

    async fn prune_history(&mut self, keep_last: usize) -> Result<()> {
        self.prune_history(keep_last);
        Ok(())
    }
}
