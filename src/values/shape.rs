//! Rows and columns, and what lies in them.

use crate::error::{Error, Result};

/// A layer has at least one row and one column.
pub(crate) fn check_shape(rows: i32, cols: i32) -> Result<()> {
    if rows < 1 || cols < 1 {
        Err(Error::InvalidShape { rows, cols })
    } else {
        Ok(())
    }
}

/// A weight lies in a matrix.
pub(crate) fn check_inside((row, col): (i32, i32), shape: (i32, i32)) -> Result<()> {
    let inside = (0..shape.0).contains(&row) && (0..shape.1).contains(&col);
    if inside {
        Ok(())
    } else {
        Err(Error::OutOfShape { row, col, shape })
    }
}

/// Elements of a dense rows x cols array.
pub(crate) fn dense_len(shape: (i32, i32)) -> usize {
    shape.0 as usize * shape.1 as usize
}
