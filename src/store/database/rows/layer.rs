use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::store::database::backend::{Cell, Key, Row};
use crate::store::database::cells::{Cells, cannot_hold};
use crate::store::database::digest::Sum;
use crate::values::{Tensor, Tiling, fold_shape};

/// A layer, or a tensor that is kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerRow {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    /// The tensor's true shape.
    pub(crate) shape: Vec<usize>,
    /// Rows and columns of the matrix; `None` for a tensor that is kept whole.
    pub(crate) matrix: Option<(i32, i32)>,
    /// The step at which the layer came into the store.
    pub(crate) created: i32,
    /// The base's label.
    pub(crate) oldest: i32,
    /// Whether the base is a keyframe; without one it is zeros.
    pub(crate) base: bool,
}

impl LayerRow {
    pub(crate) fn key(&self) -> Key {
        Key::of(self.id.into())
    }

    pub(crate) fn to_row(&self) -> Row {
        let (rows, cols) = self.matrix.unwrap_or((0, 0));
        vec![
            self.name.as_str().into(),
            self.dtype.name().into(),
            Cell::Text(shape_text(&self.shape)),
            rows.into(),
            cols.into(),
            self.created.into(),
            self.oldest.into(),
            self.base.into(),
            self.sum().into(),
        ]
    }

    pub(crate) fn from_row(key: &Key, row: Row) -> Result<Self> {
        let mut cells = Cells::new(row);
        let name = cells.text()?;
        let damaged = || Error::damaged(format!("layer '{name}' has no shape or type"));
        let dtype = Dtype::from_name(&cells.text()?).ok_or_else(damaged)?;
        let shape = parse_shape(&cells.text()?).ok_or_else(damaged)?;
        let (rows, cols): (i32, i32) = (cells.number()?, cells.number()?);
        let layer = LayerRow {
            id: key.ids()[0].try_into().map_err(|_| cannot_hold())?,
            name: name.clone(),
            dtype,
            shape,
            matrix: (rows != 0 || cols != 0).then_some((rows, cols)),
            created: cells.number()?,
            oldest: cells.number()?,
            base: cells.number::<i64>()? != 0,
        };
        cells.check_sum(|| format!("layer '{name}'"), layer.sum())?;
        if layer.is_possible() {
            Ok(layer)
        } else {
            Err(Error::damaged(format!(
                "layer '{name}' has a shape or steps that cannot be"
            )))
        }
    }

    fn sum(&self) -> i64 {
        let (rows, cols) = self.matrix.unwrap_or((0, 0));
        Sum::of("layers")
            .number(self.id)
            .text(&self.name)
            .text(self.dtype.name())
            .text(&shape_text(&self.shape))
            .number(rows)
            .number(cols)
            .number(self.created)
            .number(self.oldest)
            .number(self.base)
            .sum()
    }

    /// Whether a store can hold such a layer.
    fn is_possible(&self) -> bool {
        let elements = Tensor::elements(&self.shape)
            .and_then(|elements| elements.checked_mul(self.dtype.size()));
        let matrix = if self.dtype.is_weights() {
            fold_shape(&self.shape).ok()
        } else {
            Some(None)
        };
        elements.is_some()
            && matrix == Some(self.matrix)
            && 0 <= self.created
            && self.created <= self.oldest
    }

    /// Rows and columns. Errors: `NotAMatrix` for a tensor that is kept whole.
    pub(crate) fn matrix_shape(&self) -> Result<(i32, i32)> {
        self.matrix.ok_or_else(|| self.not_a_matrix())
    }

    /// What a tensor that is kept whole is asked for in vain.
    pub(crate) fn not_a_matrix(&self) -> Error {
        Error::NotAMatrix {
            name: self.name.clone(),
            dtype: self.dtype,
        }
    }

    /// Whether a shape is the matrix's. Errors: `ShapeMismatch`, `NotAMatrix`.
    pub(crate) fn check_shape(&self, found: (i32, i32)) -> Result<()> {
        let expected = self.matrix_shape()?;
        if expected == found {
            Ok(())
        } else {
            Err(Error::ShapeMismatch { expected, found })
        }
    }

    /// Whether the tensor has a weight of the matrix: the short last row of a vector has none behind
    /// its end. Errors: `OutOfShape`.
    pub(crate) fn check_inside(&self, (row, col): (i32, i32)) -> Result<()> {
        let shape = self.matrix.unwrap_or((1, 1));
        if row as usize * shape.1 as usize + (col as usize) < self.elements() {
            Ok(())
        } else {
            Err(Error::OutOfShape { row, col, shape })
        }
    }

    /// Elements of the tensor.
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of the tensor as a checkpoint holds it.
    pub(crate) fn raw_bytes(&self) -> usize {
        self.elements() * self.dtype.size()
    }

    /// How the matrix is cut into tiles; for one that is kept whole, a single weight.
    pub(crate) fn tiling(&self) -> Tiling {
        Tiling::new(self.matrix.unwrap_or((1, 1)))
    }
}

fn shape_text(shape: &[usize]) -> String {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", axes.join(","))
}

fn parse_shape(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    if inside.is_empty() {
        return Some(Vec::new());
    }
    inside.split(',').map(|axis| axis.parse().ok()).collect()
}
