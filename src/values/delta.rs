use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::shape::{check_inside, check_shape};
use super::voxel::Voxel;
use crate::error::{Error, Result};
use crate::host::ieee;

/// What one step did to one weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// What was added, finite; 0 where the step has no delta for the weight, only a mark.
    pub delta: f32,
    /// The exact mark: the weight's value after the step, any bits, where adding `delta` would
    /// not give it.
    pub exact: Option<f32>,
}

/// The changes of one step of a layer of rows x cols, sorted by (row, col) and checked once.
///
/// Deltas are finite and non-zero. Immutable, and a clone shares the arrays.
#[derive(Clone)]
pub struct Delta {
    changes: Arc<Changes>,
}

struct Changes {
    shape: (i32, i32),
    deltas: Vec<Voxel>,
    marks: Vec<Voxel>,
}

impl Delta {
    /// A step without changes. Errors: `InvalidShape`.
    pub fn empty(rows: i32, cols: i32) -> Result<Self> {
        Delta::from_sorted(rows, cols, Vec::new(), Vec::new())
    }

    /// From (row, col, delta) triplets in any order. A delta of 0 is dropped. Errors:
    /// `InvalidShape`, `OutOfShape`, `NotFinite`, `DuplicateCoordinate`.
    pub fn from_triplets(
        rows: i32,
        cols: i32,
        triplets: impl IntoIterator<Item = (i32, i32, f32)>,
    ) -> Result<Self> {
        let voxels = triplets
            .into_iter()
            .map(|(row, col, value)| Voxel { row, col, value })
            .collect();
        Delta::from_unsorted(rows, cols, voxels, Vec::new())
    }

    /// From a hash map of (row, col) to delta. Errors as [`Delta::from_triplets`].
    pub fn from_hashmap(rows: i32, cols: i32, deltas: &HashMap<(i32, i32), f32>) -> Result<Self> {
        Delta::from_triplets(
            rows,
            cols,
            deltas.iter().map(|(&(row, col), &value)| (row, col, value)),
        )
    }

    /// From changes in any order, exact marks included. Errors as [`Delta::from_triplets`].
    pub fn from_changes(
        rows: i32,
        cols: i32,
        changes: impl IntoIterator<Item = ((i32, i32), Change)>,
    ) -> Result<Self> {
        let (mut deltas, mut marks) = (Vec::new(), Vec::new());
        for ((row, col), change) in changes {
            deltas.push(Voxel {
                row,
                col,
                value: change.delta,
            });
            marks.extend(change.exact.map(|value| Voxel { row, col, value }));
        }
        Delta::from_unsorted(rows, cols, deltas, marks)
    }

    fn from_unsorted(
        rows: i32,
        cols: i32,
        mut deltas: Vec<Voxel>,
        mut marks: Vec<Voxel>,
    ) -> Result<Self> {
        for voxels in [&mut deltas, &mut marks] {
            voxels.sort_unstable_by_key(Voxel::key);
            if let Some(pair) = voxels
                .windows(2)
                .find(|pair| pair[0].key() == pair[1].key())
            {
                let (row, col) = pair[0].key();
                check_inside((row, col), (rows, cols))?;
                return Err(Error::DuplicateCoordinate { row, col });
            }
        }
        Delta::from_sorted(rows, cols, deltas, marks)
    }

    /// From voxels that already ascend by (row, col): the fast way in. Deltas of 0 are dropped.
    /// Errors: `InvalidShape`, `OutOfShape`, `NotFinite`, `NotSorted`.
    pub fn from_sorted(
        rows: i32,
        cols: i32,
        mut deltas: Vec<Voxel>,
        marks: Vec<Voxel>,
    ) -> Result<Self> {
        check_shape(rows, cols)?;
        let shape = (rows, cols);
        for voxels in [&deltas, &marks] {
            let mut before = (-1, -1);
            for voxel in voxels {
                let (row, col) = voxel.key();
                check_inside((row, col), shape)?;
                if (row, col) <= before {
                    return Err(Error::NotSorted { row, col });
                }
                before = (row, col);
            }
        }
        let bad = deltas.iter().find(|voxel| !voxel.value.is_finite());
        if let Some(&Voxel { row, col, value }) = bad {
            return Err(Error::NotFinite { row, col, value });
        }
        drop_zeros(&mut deltas);
        Ok(Delta::from_checked(shape, deltas, marks))
    }

    /// From voxels that are sorted, inside the shape and, for deltas, finite and non-zero by the
    /// way they were made.
    pub(crate) fn from_checked(shape: (i32, i32), deltas: Vec<Voxel>, marks: Vec<Voxel>) -> Self {
        let changes = Arc::new(Changes {
            shape,
            deltas,
            marks,
        });
        Delta { changes }
    }

    /// Rows and columns of the layer.
    pub fn shape(&self) -> (i32, i32) {
        self.changes.shape
    }

    /// The deltas, ascending by (row, col).
    pub fn deltas(&self) -> &[Voxel] {
        &self.changes.deltas
    }

    /// The exact marks, ascending by (row, col).
    pub fn marks(&self) -> &[Voxel] {
        &self.changes.marks
    }

    /// Whether the step changes nothing.
    pub fn is_empty(&self) -> bool {
        self.deltas().is_empty() && self.marks().is_empty()
    }

    /// How many weights the step changes.
    pub fn len(&self) -> usize {
        match self.marks() {
            [] => self.deltas().len(),
            _ => self.iter().count(),
        }
    }

    /// The deltas times `scale`, each rounded to f32; those that are 0 then are dropped. Marks are
    /// left out: they have no multiples. Errors: `InvalidScale`, `NotFinite` for a product.
    pub(crate) fn scaled(&self, scale: f32) -> Result<Self> {
        if !scale.is_finite() {
            return Err(Error::InvalidScale { scale });
        }
        if scale == 1.0 && self.marks().is_empty() {
            return Ok(self.clone());
        }
        let mut products = self.deltas().to_vec();
        ieee(|| products.iter_mut().for_each(|voxel| voxel.value *= scale));
        let bad = products.iter().find(|voxel| !voxel.value.is_finite());
        if let Some(&Voxel { row, col, value }) = bad {
            return Err(Error::NotFinite { row, col, value });
        }
        drop_zeros(&mut products);
        Ok(Delta::from_checked(self.shape(), products, Vec::new()))
    }

    /// The changes, ascending by (row, col).
    pub fn iter(&self) -> impl Iterator<Item = ((i32, i32), Change)> {
        let mut deltas = self.deltas().iter().peekable();
        let mut marks = self.marks().iter().peekable();
        std::iter::from_fn(move || {
            let next_delta = deltas.peek().map(|voxel| voxel.key());
            let next_mark = marks.peek().map(|voxel| voxel.key());
            let weight = next_delta.into_iter().chain(next_mark).min()?;
            let delta = deltas.next_if(|voxel| voxel.key() == weight);
            let mark = marks.next_if(|voxel| voxel.key() == weight);
            let change = Change {
                delta: delta.map_or(0.0, |voxel| voxel.value),
                exact: mark.map(|voxel| voxel.value),
            };
            Some((weight, change))
        })
    }

    /// The deltas as a hash map; exact marks have no place in one.
    pub fn to_hashmap(&self) -> HashMap<(i32, i32), f32> {
        self.deltas()
            .iter()
            .map(|voxel| (voxel.key(), voxel.value))
            .collect()
    }
}

/// In IEEE mode, since to a host's denormals-are-zero mode a subnormal delta would be none.
fn drop_zeros(deltas: &mut Vec<Voxel>) {
    ieee(|| deltas.retain(|voxel| voxel.value != 0.0));
}

/// Equal iff the shapes are and every change has the same bits.
impl PartialEq for Delta {
    fn eq(&self, other: &Self) -> bool {
        let bits = |voxel: &Voxel| (voxel.row, voxel.col, voxel.value.to_bits());
        let same = |a: &[Voxel], b: &[Voxel]| {
            a.len() == b.len() && a.iter().map(bits).eq(b.iter().map(bits))
        };
        self.shape() == other.shape()
            && same(self.deltas(), other.deltas())
            && same(self.marks(), other.marks())
    }
}

impl Eq for Delta {}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Delta");
        out.field("shape", &self.shape()).field("len", &self.len());
        if self.len() <= 32 {
            out.field("changes", &self.iter().collect::<Vec<_>>());
        }
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triplets_are_sorted_and_zeros_dropped() {
        let delta =
            Delta::from_triplets(4, 4, [(2, 1, 0.5), (0, 3, -1.0), (1, 1, 0.0), (1, 2, -0.0)])
                .unwrap();
        let weights: Vec<_> = delta.iter().map(|(weight, _)| weight).collect();
        assert_eq!(weights, [(0, 3), (2, 1)]);
        assert_eq!(delta.len(), 2);
    }

    #[test]
    fn a_change_may_be_a_mark_alone_or_beside_a_delta() {
        let changes = [
            (
                (1, 0),
                Change {
                    delta: 0.0,
                    exact: Some(f32::INFINITY),
                },
            ),
            (
                (0, 2),
                Change {
                    delta: 1.0,
                    exact: None,
                },
            ),
            (
                (0, 1),
                Change {
                    delta: 2.0,
                    exact: Some(0.0),
                },
            ),
        ];
        let delta = Delta::from_changes(2, 3, changes).unwrap();
        assert_eq!(delta.deltas().len(), 2);
        assert_eq!(delta.marks().len(), 2);
        let back: Vec<_> = delta.iter().collect();
        assert_eq!(back, [changes[2], changes[1], changes[0]]);
    }

    #[test]
    fn subnormals_are_changes() {
        let delta = Delta::from_triplets(1, 1, [(0, 0, f32::from_bits(1))]).unwrap();
        assert_eq!(delta.len(), 1);
    }

    #[test]
    fn bad_batches_are_refused_by_name() {
        let of =
            |triplets: &[(i32, i32, f32)]| Delta::from_triplets(2, 2, triplets.iter().copied());
        assert!(matches!(
            of(&[(0, 2, 1.0)]),
            Err(Error::OutOfShape {
                row: 0,
                col: 2,
                shape: (2, 2)
            })
        ));
        assert!(matches!(
            of(&[(-1, 0, 1.0), (-1, 0, 1.0)]),
            Err(Error::OutOfShape { row: -1, .. })
        ));
        assert!(matches!(
            of(&[(0, 1, f32::NAN)]),
            Err(Error::NotFinite { row: 0, col: 1, .. })
        ));
        assert!(matches!(
            of(&[(0, 1, f32::NEG_INFINITY)]),
            Err(Error::NotFinite { .. })
        ));
        assert!(matches!(
            of(&[(1, 1, 1.0), (0, 0, 1.0), (1, 1, 2.0)]),
            Err(Error::DuplicateCoordinate { row: 1, col: 1 })
        ));
        assert!(matches!(
            Delta::empty(2, 0),
            Err(Error::InvalidShape { rows: 2, cols: 0 })
        ));
        let voxel = |row, col| Voxel {
            row,
            col,
            value: 1.0,
        };
        assert!(matches!(
            Delta::from_sorted(2, 2, vec![voxel(1, 0), voxel(0, 1)], vec![]),
            Err(Error::NotSorted { row: 0, col: 1 })
        ));
    }
}
