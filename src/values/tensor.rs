use std::collections::BTreeMap;

use bytes::Bytes;

use super::shape::check_shape;
use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// A named array of any rank, as it is in a checkpoint. A clone shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name in the checkpoint.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its true shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, little-endian, the last axis fastest.
    pub data: Bytes,
}

/// A model's tensors at one time, with the metadata of the file that they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The tensors, each name once.
    pub tensors: Vec<Tensor>,
    /// Free text by key, such as `format`.
    pub metadata: BTreeMap<String, String>,
}

impl Tensor {
    /// Elements in an array of `shape`, where that is a number this machine can count to.
    pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
        shape
            .iter()
            .try_fold(1usize, |product, &axis| product.checked_mul(axis))
    }

    /// Refuses data of another length than the shape says.
    pub(crate) fn check(&self) -> Result<()> {
        let expected = Tensor::elements(&self.shape)
            .and_then(|elements| elements.checked_mul(self.dtype.size()))
            .ok_or(Error::OutOfMemory)?;
        if self.data.len() == expected {
            Ok(())
        } else {
            Err(Error::TensorLength {
                name: self.name.clone(),
                expected,
                found: self.data.len(),
            })
        }
    }
}

/// Rows and columns of the matrix that a tensor of weights of this shape is kept as, elements in
/// the same order; `None` for one without elements.
///
/// Matrices are themselves. More axes are split in two where rows and columns are closest. A
/// vector becomes rows of 128 elements, with a short last row; a scalar is 1 x 1.
pub(crate) fn fold_shape(shape: &[usize]) -> Result<Option<(i32, i32)>> {
    if shape.contains(&0) {
        return Ok(None);
    }
    let elements = Tensor::elements(shape).ok_or(Error::OutOfMemory)?;
    let (rows, cols) = match shape {
        [] => (1, 1),
        [length] => (length.div_ceil(VECTOR_ROW), *length.min(&VECTOR_ROW)),
        _ => {
            let splits = (1..shape.len()).map(|axis| {
                let rows: usize = shape[..axis].iter().product();
                (rows, elements / rows)
            });
            splits
                .min_by_key(|&(rows, cols)| rows.abs_diff(cols))
                .unwrap_or((1, elements))
        }
    };
    let fits = |length| i32::try_from(length).map_err(|_| Error::OutOfMemory);
    let (rows, cols) = (fits(rows)?, fits(cols)?);
    check_shape(rows, cols)?;
    Ok(Some((rows, cols)))
}

/// Columns of the matrix that a vector becomes.
const VECTOR_ROW: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_becomes_a_matrix() {
        let folded = |shape: &[usize]| fold_shape(shape).unwrap();
        assert_eq!(folded(&[]), Some((1, 1)));
        assert_eq!(folded(&[7]), Some((1, 7)));
        assert_eq!(folded(&[128]), Some((1, 128)));
        assert_eq!(folded(&[300]), Some((3, 128)));
        assert_eq!(folded(&[10, 256]), Some((10, 256)));
        assert_eq!(folded(&[64, 3, 7, 7]), Some((64, 147)));
        assert_eq!(folded(&[2, 3, 4, 5]), Some((6, 20)));
        assert_eq!(folded(&[4, 0, 3]), None);
        assert!(fold_shape(&[usize::MAX, 2]).is_err());
        assert!(fold_shape(&[1 << 40, 1]).is_err());
    }
}
