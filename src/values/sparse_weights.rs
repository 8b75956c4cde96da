use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::shape::{check_inside, check_shape, dense_len};
use crate::error::{Error, Result};
use crate::host::vec_with_room;

/// The weights of one layer at one time, in compressed sparse rows: rows x cols, f32.
///
/// A weight is present iff its bits are not those of +0.0; what is absent is +0.0. Immutable, and
/// a clone shares the arrays.
#[derive(Clone)]
pub struct SparseWeights {
    matrix: Arc<Csr>,
    timestep: Option<usize>,
}

struct Csr {
    shape: (i32, i32),
    /// `shape.0 + 1` offsets into the other two.
    row_offsets: Vec<usize>,
    cols: Vec<i32>,
    values: Vec<f32>,
}

fn is_present(value: f32) -> bool {
    value.to_bits() != 0
}

impl SparseWeights {
    /// From a dense array in row-major order. Errors: `InvalidShape`, `LengthMismatch`.
    pub fn from_dense(rows: i32, cols: i32, values: &[f32]) -> Result<Self> {
        check_shape(rows, cols)?;
        let expected = dense_len((rows, cols));
        if values.len() != expected {
            return Err(Error::LengthMismatch {
                what: "the dense array",
                expected,
                found: values.len(),
            });
        }
        let present = values.iter().filter(|value| is_present(**value)).count();
        let mut builder = Builder::new(rows, cols, present)?;
        for (row, values) in values.chunks_exact(cols as usize).enumerate() {
            for (col, &value) in values.iter().enumerate() {
                builder.push(row as i32, col as i32, value);
            }
        }
        Ok(builder.finish())
    }

    /// From (row, col, value) triplets in any order; values of +0.0 are dropped. Errors:
    /// `InvalidShape`, `OutOfShape`, `DuplicateCoordinate`.
    pub fn from_triplets(
        rows: i32,
        cols: i32,
        triplets: impl IntoIterator<Item = (i32, i32, f32)>,
    ) -> Result<Self> {
        check_shape(rows, cols)?;
        let mut triplets: Vec<_> = triplets.into_iter().collect();
        for &(row, col, _) in &triplets {
            check_inside((row, col), (rows, cols))?;
        }
        triplets.sort_unstable_by_key(|&(row, col, _)| (row, col));
        for pair in triplets.windows(2) {
            let (row, col, _) = pair[1];
            if (pair[0].0, pair[0].1) == (row, col) {
                return Err(Error::DuplicateCoordinate { row, col });
            }
        }
        let mut builder = Builder::new(rows, cols, triplets.len())?;
        for (row, col, value) in triplets {
            builder.push(row, col, value);
        }
        Ok(builder.finish())
    }

    /// From a hash map of (row, col) to value. Errors: `InvalidShape`, `OutOfShape`.
    pub fn from_hashmap(rows: i32, cols: i32, weights: &HashMap<(i32, i32), f32>) -> Result<Self> {
        let triplets = weights
            .iter()
            .map(|(&(row, col), &value)| (row, col, value));
        SparseWeights::from_triplets(rows, cols, triplets)
    }

    /// From compressed sparse rows: `row_offsets` has rows + 1 elements, columns ascend in each
    /// row. Values of +0.0 are dropped. Errors: `InvalidShape`, `LengthMismatch`, `OutOfShape`,
    /// `NotSorted`.
    pub fn from_csr(
        rows: i32,
        cols: i32,
        row_offsets: &[usize],
        col_indices: &[i32],
        values: &[f32],
    ) -> Result<Self> {
        check_shape(rows, cols)?;
        let length = |what, expected, found| {
            if expected == found {
                Ok(())
            } else {
                Err(Error::LengthMismatch {
                    what,
                    expected,
                    found,
                })
            }
        };
        length(
            "the array of row offsets",
            rows as usize + 1,
            row_offsets.len(),
        )?;
        length("the array of values", col_indices.len(), values.len())?;
        length(
            "what the row offsets span",
            values.len(),
            row_offsets[rows as usize],
        )?;
        length("what the row offsets skip", 0, row_offsets[0])?;
        let mut builder = Builder::new(rows, cols, values.len())?;
        for row in 0..rows {
            let (begin, end) = (row_offsets[row as usize], row_offsets[row as usize + 1]);
            if end < begin || end > values.len() {
                return Err(Error::NotSorted { row, col: 0 });
            }
            let mut before = -1;
            for i in begin..end {
                let col = col_indices[i];
                check_inside((row, col), (rows, cols))?;
                if col <= before {
                    return Err(Error::NotSorted { row, col });
                }
                builder.push(row, col, values[i]);
                before = col;
            }
        }
        Ok(builder.finish())
    }

    /// A state as the kernels give it, which is well formed by construction.
    pub(crate) fn from_state(
        shape: (i32, i32),
        row_offsets: Vec<usize>,
        cols: Vec<i32>,
        values: Vec<f32>,
        timestep: usize,
    ) -> Self {
        debug_assert_eq!(row_offsets.len(), shape.0 as usize + 1);
        let matrix = Arc::new(Csr {
            shape,
            row_offsets,
            cols,
            values,
        });
        SparseWeights {
            matrix,
            timestep: Some(timestep),
        }
    }

    /// Rows and columns.
    pub fn shape(&self) -> (i32, i32) {
        self.matrix.shape
    }

    /// Rows.
    pub fn rows(&self) -> i32 {
        self.shape().0
    }

    /// Columns.
    pub fn cols(&self) -> i32 {
        self.shape().1
    }

    /// How many weights are present.
    pub fn nnz(&self) -> usize {
        self.matrix.values.len()
    }

    /// The step whose state this is, for weights that a storage gave: an as-of question between
    /// two steps is answered by the earlier one. `None` for weights made by hand. Not part of
    /// what `==` compares.
    pub fn timestep(&self) -> Option<usize> {
        self.timestep
    }

    /// The same weights as the state of a step.
    pub fn with_timestep(self, timestep: usize) -> Self {
        SparseWeights {
            timestep: Some(timestep),
            ..self
        }
    }

    /// Ascending columns and values of the weights present in one row. Panics outside the shape.
    pub fn row(&self, row: i32) -> (&[i32], &[f32]) {
        let Csr {
            row_offsets,
            cols,
            values,
            ..
        } = &*self.matrix;
        let range = row_offsets[row as usize]..row_offsets[row as usize + 1];
        (&cols[range.clone()], &values[range])
    }

    /// The weight at (row, col), if present. `None` outside the shape too.
    pub fn get(&self, row: i32, col: i32) -> Option<f32> {
        check_inside((row, col), self.shape()).ok()?;
        let (cols, values) = self.row(row);
        cols.binary_search(&col).ok().map(|i| values[i])
    }

    /// Whether a weight is present.
    pub fn contains(&self, &(row, col): &(i32, i32)) -> bool {
        self.get(row, col).is_some()
    }

    /// The weights present, ascending by (row, col).
    pub fn iter(&self) -> impl Iterator<Item = ((i32, i32), &f32)> {
        (0..self.rows()).flat_map(|row| {
            let (cols, values) = self.row(row);
            cols.iter()
                .zip(values)
                .map(move |(&col, value)| ((row, col), value))
        })
    }

    /// The dense array, row-major. Errors: `OutOfMemory`.
    pub fn to_dense(&self) -> Result<Vec<f32>> {
        let mut dense = vec_with_room(dense_len(self.shape()))?;
        dense.resize(dense_len(self.shape()), 0.0);
        let width = self.cols() as usize;
        for ((row, col), &value) in self.iter() {
            dense[row as usize * width + col as usize] = value;
        }
        Ok(dense)
    }

    /// The weights present, as (row, col, value), ascending.
    pub fn to_triplets(&self) -> Vec<(i32, i32, f32)> {
        self.iter()
            .map(|((row, col), &value)| (row, col, value))
            .collect()
    }

    /// The weights present, as a hash map.
    pub fn to_hashmap(&self) -> HashMap<(i32, i32), f32> {
        self.iter()
            .map(|(weight, &value)| (weight, value))
            .collect()
    }
}

/// Equal iff the shapes are and every weight has the same bits: -0.0 differs from +0.0, and a NaN
/// equals itself.
impl PartialEq for SparseWeights {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.matrix, &*other.matrix);
        let same_bits = |(x, y): (&f32, &f32)| x.to_bits() == y.to_bits();
        a.shape == b.shape
            && a.row_offsets == b.row_offsets
            && a.cols == b.cols
            && a.values.iter().zip(&b.values).all(same_bits)
    }
}

impl Eq for SparseWeights {}

impl fmt::Debug for SparseWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("SparseWeights");
        out.field("shape", &self.shape())
            .field("nnz", &self.nnz())
            .field("timestep", &self.timestep);
        if self.nnz() <= 32 {
            out.field("weights", &self.to_triplets());
        }
        out.finish()
    }
}

/// Fills compressed sparse rows from weights that arrive ascending.
struct Builder {
    matrix: Csr,
}

impl Builder {
    fn new(rows: i32, cols: i32, present: usize) -> Result<Self> {
        let mut row_offsets = vec_with_room(rows as usize + 1)?;
        row_offsets.push(0);
        let (cols_room, values) = (vec_with_room(present)?, vec_with_room(present)?);
        Ok(Builder {
            matrix: Csr {
                shape: (rows, cols),
                row_offsets,
                cols: cols_room,
                values,
            },
        })
    }

    fn push(&mut self, row: i32, col: i32, value: f32) {
        if is_present(value) {
            self.end_rows_before(row);
            self.matrix.cols.push(col);
            self.matrix.values.push(value);
        }
    }

    fn end_rows_before(&mut self, row: i32) {
        self.matrix
            .row_offsets
            .resize(row as usize + 1, self.matrix.cols.len());
    }

    fn finish(mut self) -> SparseWeights {
        self.end_rows_before(self.matrix.shape.0);
        SparseWeights {
            matrix: Arc::new(self.matrix),
            timestep: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SparseWeights {
        SparseWeights::from_triplets(
            3,
            4,
            [(2, 1, -0.0), (0, 3, 1.5), (0, 0, f32::NAN), (1, 1, 0.0)],
        )
        .unwrap()
    }

    #[test]
    fn every_form_gives_the_others_back() {
        let weights = example();
        assert_eq!(weights.nnz(), 3, "+0.0 is absent, -0.0 is present");
        let dense = weights.to_dense().unwrap();
        assert_eq!(SparseWeights::from_dense(3, 4, &dense).unwrap(), weights);
        assert_eq!(
            SparseWeights::from_triplets(3, 4, weights.to_triplets()).unwrap(),
            weights
        );
        assert_eq!(
            SparseWeights::from_hashmap(3, 4, &weights.to_hashmap()).unwrap(),
            weights
        );
        let nan = f32::NAN;
        let csr =
            SparseWeights::from_csr(3, 4, &[0, 2, 2, 3], &[0, 3, 1], &[nan, 1.5, -0.0]).unwrap();
        assert_eq!(csr, weights);
    }

    #[test]
    fn questions_about_one_weight() {
        let weights = example();
        assert_eq!(weights.get(0, 3), Some(1.5));
        assert_eq!(weights.get(1, 1), None);
        assert_eq!(weights.get(-1, 0), None);
        assert_eq!(weights.get(3, 0), None);
        assert!(weights.contains(&(2, 1)));
        assert_eq!(
            weights.iter().map(|(weight, _)| weight).collect::<Vec<_>>(),
            [(0, 0), (0, 3), (2, 1)]
        );
    }

    #[test]
    fn equality_is_of_bits() {
        let weights = |value| SparseWeights::from_dense(1, 1, &[value]).unwrap();
        assert_eq!(weights(f32::NAN), weights(f32::NAN));
        assert_ne!(weights(-0.0), weights(0.0));
        assert_eq!(weights(1.0).with_timestep(3), weights(1.0));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        type W = SparseWeights;
        assert!(matches!(
            W::from_dense(0, 4, &[]),
            Err(Error::InvalidShape { rows: 0, cols: 4 })
        ));
        assert!(matches!(
            W::from_dense(2, 2, &[1.0]),
            Err(Error::LengthMismatch {
                expected: 4,
                found: 1,
                ..
            })
        ));
        assert!(matches!(
            W::from_triplets(2, 2, [(0, 2, 1.0)]),
            Err(Error::OutOfShape {
                row: 0,
                col: 2,
                shape: (2, 2)
            })
        ));
        assert!(matches!(
            W::from_triplets(2, 2, [(1, 1, 1.0), (1, 1, 2.0)]),
            Err(Error::DuplicateCoordinate { row: 1, col: 1 })
        ));
        assert!(matches!(
            W::from_csr(2, 2, &[0, 1, 1], &[5], &[1.0]),
            Err(Error::OutOfShape { row: 0, col: 5, .. })
        ));
        assert!(matches!(
            W::from_csr(1, 4, &[0, 2], &[3, 1], &[1.0, 2.0]),
            Err(Error::NotSorted { row: 0, col: 1 })
        ));
        assert!(matches!(
            W::from_csr(2, 2, &[0, 9, 1], &[0], &[1.0]),
            Err(Error::NotSorted { row: 0, .. })
        ));
        assert!(matches!(
            W::from_csr(2, 2, &[0, 1], &[0], &[1.0]),
            Err(Error::LengthMismatch { .. })
        ));
    }
}
