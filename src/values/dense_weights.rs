use super::sparse_weights::SparseWeights;
use crate::error::Result;

/// The weights of a layer at one time, dense.
#[derive(Clone, Debug)]
pub struct DenseWeights {
    /// The step whose state this is: an as-of question between two steps is answered by the
    /// earlier one.
    pub timestep: usize,
    /// Rows and columns of `values`.
    pub shape: (i32, i32),
    /// The weights, row-major.
    pub values: Vec<f32>,
}

impl DenseWeights {
    /// The weights that are present, and which step's they are. Errors: `OutOfMemory`.
    pub fn to_sparse(&self) -> Result<SparseWeights> {
        let (rows, cols) = self.shape;
        let sparse = SparseWeights::from_dense(rows, cols, &self.values)?;
        Ok(sparse.with_timestep(self.timestep))
    }
}
