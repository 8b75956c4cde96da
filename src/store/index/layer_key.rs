use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::store::database::LayerRow;

/// Which layer a handle is of. Its number alone does not tell: a rollback may have taken the layer
/// away, and another may have its number now. So whoever answers checks it in the very state of the
/// store that the answer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerKey {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: (i32, i32),
}

impl LayerKey {
    /// Of a layer that is a matrix. Errors: `NotAMatrix`.
    pub(crate) fn of(row: &LayerRow) -> Result<Self> {
        Ok(LayerKey {
            id: row.id,
            name: row.name.clone(),
            dtype: row.dtype,
            shape: row.matrix_shape()?,
        })
    }

    /// Whether what has its number is the layer. Errors: `NoSuchLayer`.
    pub(crate) fn check(&self, row: Option<&LayerRow>) -> Result<()> {
        let same = |row: &LayerRow| {
            (&row.name, row.dtype, row.matrix) == (&self.name, self.dtype, Some(self.shape))
        };
        if row.is_some_and(same) {
            return Ok(());
        }
        Err(Error::NoSuchLayer {
            name: format!("{}, as it was before a rollback", self.name),
            nearest: vec![self.name.clone()],
        })
    }
}
