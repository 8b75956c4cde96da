use super::lattice::Lattice;
use super::step::step_to;
use super::threshold::{check_snapped, check_threshold};
use crate::error::{Error, Result};
use crate::host::{ieee, vec_with_room};
use crate::values::{Delta, Voxel, check_shape, dense_len};

/// Finds what changed from one dense matrix of weights to the next, exact marks included: with
/// threshold 0 the storage gives every matrix back bit for bit.
///
/// Like [`DeltaDetector`](crate::DeltaDetector) it compares with the state that the storage would
/// give. With a threshold e, every state is within e of its weights (in f64).
#[derive(Clone, Debug)]
pub struct DenseDetector {
    threshold: f32,
    /// What changes are snapped to.
    lattice: Option<Lattice>,
    shape: (i32, i32),
    state: Vec<f32>,
}

impl DenseDetector {
    /// Begins with zeros. `threshold` is finite and at least 0. Errors: `InvalidThreshold`,
    /// `InvalidShape`, `OutOfMemory`.
    pub fn new(threshold: f32, rows: i32, cols: i32) -> Result<Self> {
        check_threshold(threshold)?;
        check_shape(rows, cols)?;
        let mut state = vec_with_room(dense_len((rows, cols)))?;
        state.resize(dense_len((rows, cols)), 0.0);
        Ok(DenseDetector {
            threshold,
            lattice: None,
            shape: (rows, cols),
            state,
        })
    }

    /// Begins with a state that the storage already holds, rows x cols, row-major. Errors:
    /// `InvalidThreshold`, `InvalidShape`, `LengthMismatch`, `OutOfMemory`.
    pub fn from_base(threshold: f32, rows: i32, cols: i32, base: &[f32]) -> Result<Self> {
        let mut detector = DenseDetector::new(threshold, rows, cols)?;
        detector.check_length(base)?;
        detector.state.copy_from_slice(base);
        Ok(detector)
    }

    /// Gives deltas that are multiples of one step, about twice the threshold, so that similar
    /// changes become equal ones. Every state is within the threshold of its weights as before.
    /// What no multiple leads to near enough gets its exact change. A threshold too small for any
    /// step (below 2^-127) has no effect here. Errors: `NothingToSnap` where the threshold is 0.
    pub fn snapped(mut self) -> Result<Self> {
        check_snapped(self.threshold)?;
        self.lattice = ieee(|| Lattice::widest(self.threshold, None));
        Ok(self)
    }

    fn check_length(&self, weights: &[f32]) -> Result<()> {
        let (expected, found) = (self.state.len(), weights.len());
        if expected == found {
            Ok(())
        } else {
            Err(Error::LengthMismatch {
                what: "the matrix of weights",
                expected,
                found,
            })
        }
    }

    /// The smallest change that is stored is above this.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The state after all changes so far: what the storage gives back, row-major.
    pub fn state(&self) -> &[f32] {
        &self.state
    }

    /// The changes from the state to `current`, row-major. The state follows, so the changes must
    /// be stored; if that fails, begin again from what the storage has. Errors: `LengthMismatch`.
    pub fn compute_changes(&mut self, current: &[f32]) -> Result<Delta> {
        self.check_length(current)?;
        let (mut deltas, mut marks) = (Vec::new(), Vec::new());
        ieee(|| {
            let width = self.shape.1 as usize;
            let rows = self
                .state
                .chunks_exact_mut(width)
                .zip(current.chunks_exact(width));
            for (row, (states, weights)) in rows.enumerate() {
                for (col, (state, &weight)) in states.iter_mut().zip(weights).enumerate() {
                    if state.to_bits() == weight.to_bits() {
                        continue;
                    }
                    let (row, col) = (row as i32, col as i32);
                    let Some(step) = step_to(*state, weight, self.threshold) else {
                        continue;
                    };
                    let multiple = self
                        .lattice
                        .and_then(|lattice| lattice.multiple(*state, weight, self.threshold));
                    if let Some(value) = multiple {
                        deltas.push(Voxel { row, col, value });
                        *state += value;
                        continue;
                    }
                    deltas.extend(step.delta.map(|value| Voxel { row, col, value }));
                    marks.extend(step.mark.map(|value| Voxel { row, col, value }));
                    *state = weight;
                }
            }
        });
        Ok(Delta::from_checked(self.shape, deltas, marks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Change;

    fn change(from: f32, to: f32) -> Option<Change> {
        let mut detector = DenseDetector::from_base(0.0, 1, 1, &[from]).unwrap();
        let delta = detector.compute_changes(&[to]).unwrap();
        assert_eq!(detector.state()[0].to_bits(), to.to_bits());
        delta.iter().next().map(|(_, change)| change)
    }

    #[test]
    fn a_plain_change_is_a_delta() {
        assert_eq!(
            change(1.0, 1.5),
            Some(Change {
                delta: 0.5,
                exact: None
            })
        );
        assert_eq!(
            change(1.0, 0.0),
            Some(Change {
                delta: -1.0,
                exact: None
            })
        );
        assert_eq!(change(1.0, 1.0), None);
    }

    #[test]
    fn what_addition_cannot_reach_gets_a_mark() {
        // 1 + (1e-9 - 1) is 1e-9 rounded to a multiple of 2^-24.
        let missed = change(1.0, 1e-9).unwrap();
        assert_eq!(missed.exact, Some(1e-9));
        assert_eq!(missed.delta, 1e-9f32 - 1.0);
        assert_eq!(
            change(0.0, -0.0),
            Some(Change {
                delta: 0.0,
                exact: Some(-0.0)
            })
        );
        assert_eq!(
            change(1.0, -0.0),
            Some(Change {
                delta: -1.0,
                exact: Some(-0.0)
            })
        );
        assert_eq!(
            change(1.0, f32::INFINITY).unwrap().exact,
            Some(f32::INFINITY)
        );
        assert_eq!(
            change(f32::INFINITY, 0.0),
            Some(Change {
                delta: 0.0,
                exact: Some(0.0)
            })
        );
        assert_eq!(
            change(-3e38, 3e38),
            Some(Change {
                delta: 0.0,
                exact: Some(3e38)
            })
        );
    }

    #[test]
    fn nan_payloads_are_kept() {
        let payload = f32::from_bits(0x7fa0_1234); // a signalling NaN
        let found = change(1.0, payload).unwrap();
        assert_eq!(found.delta, 0.0);
        assert_eq!(found.exact.unwrap().to_bits(), payload.to_bits());
        assert_eq!(change(payload, payload), None);
        assert_eq!(
            change(payload, f32::NAN).unwrap().exact.unwrap().to_bits(),
            f32::NAN.to_bits()
        );
    }

    #[test]
    fn with_a_threshold_the_state_stays_within_it() {
        let mut detector = DenseDetector::new(0.25, 1, 4).unwrap();
        let first = detector
            .compute_changes(&[0.25, 0.3, f32::NAN, -0.0])
            .unwrap();
        let weights: Vec<_> = first.iter().map(|(weight, _)| weight).collect();
        assert_eq!(weights, [(0, 1), (0, 2)]);
        assert!(
            detector
                .compute_changes(&[0.2, 0.5, f32::NAN, 0.0])
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            detector
                .compute_changes(&[0.3, 0.6, 1.0, 0.0])
                .unwrap()
                .len(),
            3
        );
    }

    #[test]
    fn snapped_deltas_are_multiples_and_lead_to_within_the_threshold() {
        let refused = DenseDetector::new(0.0, 1, 1).unwrap().snapped();
        assert!(matches!(refused, Err(Error::NothingToSnap)));
        let weights = [0.3f32, -0.26, 0.7, 0.2, f32::INFINITY, -1e30];
        let detector = DenseDetector::new(0.25, 1, 6).unwrap();
        let mut detector = detector.snapped().unwrap();
        let changes = detector.compute_changes(&weights).unwrap();
        let deltas: Vec<_> = changes.deltas().iter().map(|voxel| voxel.value).collect();
        assert_eq!(deltas, [0.5, -0.5, 0.5, -1e30]);
        assert_eq!(changes.marks().len(), 1);
        assert_eq!(
            detector.state(),
            [0.5, -0.5, 0.5, 0.0, f32::INFINITY, -1e30]
        );
        assert!(detector.compute_changes(&weights).unwrap().is_empty());
    }

    #[test]
    fn a_matrix_of_another_size_is_refused() {
        let mut detector = DenseDetector::new(0.0, 2, 2).unwrap();
        let refused = detector.compute_changes(&[0.0; 3]);
        assert!(matches!(
            refused,
            Err(Error::LengthMismatch {
                expected: 4,
                found: 3,
                ..
            })
        ));
    }
}
