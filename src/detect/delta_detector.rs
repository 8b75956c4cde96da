use std::collections::{HashMap, HashSet};

use super::threshold::check_threshold;
use crate::error::Result;
use crate::host::ieee;
use crate::values::SparseWeights;

/// Finds what changed from one set of weights to the next, as a hash map of deltas.
///
/// It compares with the state that adding up its own deltas gives, not with the weights it last
/// saw: what stays below the threshold is not forgotten, so the stored weights never drift away.
/// [`DenseDetector`](crate::DenseDetector) is its fast twin, which also knows exact marks.
#[derive(Clone, Debug)]
pub struct DeltaDetector {
    threshold: f32,
    previous_state: HashMap<(i32, i32), f32>,
}

impl DeltaDetector {
    /// Begins with no weights: everything in the first set is an activation. Changes of at most
    /// `threshold` (finite, at least 0) are not worth storing. Errors: `InvalidThreshold`.
    pub fn new(threshold: f32) -> Result<Self> {
        check_threshold(threshold)?;
        Ok(DeltaDetector {
            threshold,
            previous_state: HashMap::new(),
        })
    }

    /// Begins with a base that the storage already holds. Errors: `InvalidThreshold`.
    pub fn from_base(threshold: f32, base: &SparseWeights) -> Result<Self> {
        let detector = DeltaDetector::new(threshold)?;
        Ok(DeltaDetector {
            previous_state: base.to_hashmap(),
            ..detector
        })
    }

    /// The smallest change that is stored is above this.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The deltas from the state to `current`, activations and deactivations included: every
    /// weight that is further from its state than the threshold (in f64). The state follows.
    ///
    /// A weight that is, or becomes, NaN or infinite cannot be told by a finite delta. Then its
    /// difference stands in the map as it is and the state stays as it was, so that `store_delta`
    /// refuses the map (`NotFinite`) and nothing is lost; [`DenseDetector`](crate::DenseDetector)
    /// can tell such weights.
    pub fn compute_deltas(&mut self, current: &SparseWeights) -> HashMap<(i32, i32), f32> {
        ieee(|| {
            let mut deltas = HashMap::new();
            let seen: HashSet<(i32, i32)> = current.iter().map(|(weight, _)| weight).collect();
            let gone = self
                .previous_state
                .keys()
                .filter(|weight| !seen.contains(*weight));
            let targets = current
                .iter()
                .map(|(weight, &value)| (weight, value))
                .chain(gone.map(|&weight| (weight, 0.0)));
            for (weight, value) in targets {
                let state = self.previous_state.get(&weight).copied().unwrap_or(0.0);
                if state.to_bits() == value.to_bits() {
                    continue;
                }
                let difference = f64::from(value) - f64::from(state);
                if difference.is_nan() || difference.abs() > f64::from(self.threshold) {
                    deltas.insert(weight, value - state);
                }
            }
            if deltas.values().all(|delta| delta.is_finite()) {
                for (&weight, delta) in &deltas {
                    let state = self.previous_state.entry(weight).or_insert(0.0);
                    *state += delta;
                    if state.to_bits() == 0 {
                        self.previous_state.remove(&weight);
                    }
                }
            }
            deltas
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn weights(triplets: &[(i32, i32, f32)]) -> SparseWeights {
        SparseWeights::from_triplets(4, 4, triplets.iter().copied()).unwrap()
    }

    #[test]
    fn activations_changes_and_deactivations() {
        let mut detector =
            DeltaDetector::from_base(0.1, &weights(&[(0, 0, 1.0), (1, 1, 2.0)])).unwrap();
        let deltas = detector.compute_deltas(&weights(&[(0, 0, 1.05), (2, 2, 0.5), (3, 3, 0.05)]));
        assert_eq!(deltas, HashMap::from([((1, 1), -2.0), ((2, 2), 0.5)]));
    }

    #[test]
    fn slow_change_is_stored_once_it_adds_up() {
        // Measured against the weights last seen, 100 changes of 0.01 would never be stored.
        let mut detector = DeltaDetector::from_base(0.1, &weights(&[(0, 0, 1.0)])).unwrap();
        let mut state = 1.0f32;
        for step in 1..=100 {
            let now = 1.0 + step as f32 * 0.01;
            for delta in detector.compute_deltas(&weights(&[(0, 0, now)])).values() {
                state += delta;
            }
            assert!(
                (f64::from(state) - f64::from(now)).abs() <= f64::from(0.1f32),
                "step {step}"
            );
        }
    }

    #[test]
    fn what_no_delta_can_tell_is_refused_by_the_storage_not_lost() {
        let mut detector = DeltaDetector::new(0.0).unwrap();
        let deltas = detector.compute_deltas(&weights(&[(0, 0, f32::INFINITY), (1, 1, 1.0)]));
        assert_eq!(deltas[&(0, 0)], f32::INFINITY);
        // The state has not moved, so the next set is compared with what the storage still has.
        assert_eq!(
            detector.compute_deltas(&weights(&[(1, 1, 1.0)])),
            HashMap::from([((1, 1), 1.0)])
        );
    }

    #[test]
    fn a_threshold_is_a_bound() {
        for threshold in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(
                DeltaDetector::new(threshold),
                Err(Error::InvalidThreshold { .. })
            ));
        }
    }
}
