//! A tensor's own indices, whatever matrix it is kept as.

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use temporal_vdb::{LayerInfo, Unit};

use crate::screen::failure::with_hint;
use crate::screen::numbers::counted;

/// The axes of a tensor that is kept as a matrix over time.
///
/// Both have their elements in the same order: the last axis is the fastest.
#[derive(Clone, Debug)]
pub(crate) struct Axes {
    name: String,
    shape: Vec<usize>,
    /// Rows and columns of the matrix.
    matrix: (usize, usize),
}

impl Axes {
    /// Those of a layer, unless it is kept whole.
    pub(crate) fn of(info: &LayerInfo) -> Option<Self> {
        let (rows, cols) = info.matrix?;
        Some(Axes {
            name: info.name.clone(),
            shape: info.shape.clone(),
            matrix: (rows as usize, cols as usize),
        })
    }

    /// How many weights there are.
    pub(crate) fn weights(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many of them are in a part of the layer; in all of it for `None`.
    pub(crate) fn weights_of(&self, unit: Option<Unit>) -> u64 {
        let (all, (rows, cols)) = (self.weights(), self.matrix);
        // The last row of a vector can be short.
        let whole = all / cols;
        let weights = match unit {
            None => all,
            Some(Unit::Weight(..)) => 1,
            Some(Unit::Row(row)) => cols.min(all - row as usize * cols),
            Some(Unit::Column(col)) if (col as usize) < all % cols => rows,
            Some(Unit::Column(_)) => whole,
        };
        weights as u64
    }

    /// `256 x 64`
    pub(crate) fn text(&self) -> String {
        if self.shape.is_empty() {
            return "scalar".to_owned();
        }
        let axes: Vec<_> = self.shape.iter().map(ToString::to_string).collect();
        axes.join(" x ")
    }

    /// Row and column of the weight that has these indices.
    ///
    /// # Errors
    ///
    /// If there are more or fewer than axes, or one is outside its axis.
    pub(crate) fn find(&self, indices: &[i64]) -> Result<(i32, i32)> {
        let (axes, name) = (self.shape.len(), &self.name);
        let shape = self.text();
        if indices.len() != axes {
            let error = anyhow!(
                "'{name}' is {shape}: a weight has {} there, not {}",
                indices_text(axes),
                indices.len()
            );
            return Err(with_hint(error, example(&self.shape)));
        }
        let mut at = 0;
        for (axis, (&index, &length)) in indices.iter().zip(&self.shape).enumerate() {
            let inside = usize::try_from(index).ok().filter(|index| *index < length);
            at = at * length
                + inside.ok_or_else(|| {
                    let which = match axes {
                        1 => "index".to_owned(),
                        2 => ["row", "column"][axis].to_owned(),
                        _ => format!("index (axis {})", axis + 1),
                    };
                    let error = anyhow!("{which} {index} is outside '{name}', which is {shape}");
                    with_hint(error, format!("it can be 0 to {}", length - 1))
                })?;
        }
        Ok(((at / self.matrix.1) as i32, (at % self.matrix.1) as i32))
    }

    /// The indices of the weight at a row and a column.
    pub(crate) fn indices(&self, row: i32, col: i32) -> Vec<usize> {
        unravel(row as usize * self.matrix.1 + col as usize, &self.shape)
    }

    /// A part of the layer: `(3, 17)` for a weight, `3` for a row or a column of a matrix. Of other
    /// tensors rows and columns are slices, as numpy writes them: `(5, :, :)`, `(128:256)`.
    pub(crate) fn unit(&self, unit: Unit) -> String {
        let (rows, cols) = self.matrix;
        let words: Vec<String> = match (unit, &self.shape[..]) {
            (Unit::Weight(row, col), _) => texts(&self.indices(row, col)),
            (Unit::Row(line) | Unit::Column(line), [_, _]) => return line.to_string(),
            (Unit::Row(row), [length]) => {
                let begin = row as usize * cols;
                vec![format!("{begin}:{}", (begin + cols).min(*length))]
            }
            (Unit::Column(col), [_]) if rows > 1 => vec![format!("{col}::{cols}")],
            (Unit::Column(col), [_]) => vec![col.to_string()],
            (Unit::Row(row), shape) => {
                let (leading, trailing) = shape.split_at(self.row_axes());
                let mut words = texts(&unravel(row as usize, leading));
                words.extend(trailing.iter().map(|_| ":".to_owned()));
                words
            }
            (Unit::Column(col), shape) => {
                let (leading, trailing) = shape.split_at(self.row_axes());
                let all = leading.iter().map(|_| ":".to_owned());
                all.chain(texts(&unravel(col as usize, trailing))).collect()
            }
        };
        format!("({})", words.join(", "))
    }

    /// A part of the layer for programs: what its field is called, and the field.
    pub(crate) fn unit_json(&self, unit: Unit) -> (&'static str, Value) {
        match unit {
            Unit::Weight(row, col) => ("index", json!(self.indices(row, col))),
            Unit::Row(line) if self.shape.len() == 2 => ("row", json!(line)),
            Unit::Column(line) if self.shape.len() == 2 => ("column", json!(line)),
            Unit::Row(_) => ("row", json!(self.unit(unit))),
            Unit::Column(_) => ("column", json!(self.unit(unit))),
        }
    }

    /// How many of the first axes the rows are made of.
    pub(crate) fn row_axes(&self) -> usize {
        let fits = |axes: &usize| self.shape[..*axes].iter().product::<usize>() == self.matrix.0;
        (0..=self.shape.len()).find(fits).unwrap_or(0)
    }
}

fn indices_text(axes: usize) -> String {
    match axes {
        0 => "no index".to_owned(),
        1 => "1 index".to_owned(),
        2 => "2 indices (row and column)".to_owned(),
        axes => format!("{axes} indices"),
    }
}

fn example(shape: &[usize]) -> String {
    let last: Vec<_> = shape
        .iter()
        .map(|length| (length - 1).to_string())
        .collect();
    match shape.len() {
        0 => "give the layer's name alone".to_owned(),
        axes => format!(
            "give {}; those of the last weight are {}",
            counted(axes as u64, "number"),
            last.join(" ")
        ),
    }
}

fn texts(indices: &[usize]) -> Vec<String> {
    indices.iter().map(ToString::to_string).collect()
}

/// The indices of the element that is so far from the first.
fn unravel(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut indices = vec![0; shape.len()];
    for (index, &length) in indices.iter_mut().zip(shape).rev() {
        (*index, at) = (at % length, at / length);
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(shape: &[usize], matrix: (usize, usize)) -> Axes {
        Axes {
            name: "w".to_owned(),
            shape: shape.to_vec(),
            matrix,
        }
    }

    #[test]
    fn indices_lead_to_the_matrix_and_back() {
        for (shape, matrix) in [
            (&[][..], (1, 1)),
            (&[7], (1, 7)),
            (&[300], (3, 128)),
            (&[10, 25], (10, 25)),
            (&[6, 3, 2, 2], (6, 12)),
            (&[2, 3, 4, 5], (6, 20)),
            (&[1, 6, 3], (6, 3)),
        ] {
            let axes = axes(shape, matrix);
            for at in 0..axes.weights() {
                let (row, col) = ((at / matrix.1) as i32, (at % matrix.1) as i32);
                let indices: Vec<_> = axes.indices(row, col).iter().map(|i| *i as i64).collect();
                assert_eq!(axes.find(&indices).unwrap(), (row, col), "{shape:?} {at}");
            }
        }
    }

    #[test]
    fn units_are_named_by_their_indices() {
        let matrix = axes(&[10, 25], (10, 25));
        assert_eq!(matrix.unit(Unit::Weight(3, 17)), "(3, 17)");
        assert_eq!(matrix.unit(Unit::Row(3)), "3");
        let vector = axes(&[300], (3, 128));
        assert_eq!(vector.unit(Unit::Weight(2, 1)), "(257)");
        assert_eq!(vector.unit(Unit::Row(2)), "(256:300)");
        assert_eq!(vector.unit(Unit::Column(5)), "(5::128)");
        assert_eq!(axes(&[7], (1, 7)).unit(Unit::Column(5)), "(5)");
        let kernels = axes(&[2, 3, 4, 5], (6, 20));
        assert_eq!(kernels.unit(Unit::Weight(4, 11)), "(1, 1, 2, 1)");
        assert_eq!(kernels.unit(Unit::Row(4)), "(1, 1, :, :)");
        assert_eq!(kernels.unit(Unit::Column(11)), "(:, :, 2, 1)");
        assert_eq!(axes(&[], (1, 1)).unit(Unit::Weight(0, 0)), "()");
    }

    #[test]
    fn what_is_outside_is_named() {
        let matrix = axes(&[10, 25], (10, 25));
        for (indices, words) in [
            (&[10, 0][..], "row 10 is outside 'w', which is 10 x 25"),
            (&[0, 25], "column 25 is outside"),
            (&[0, -1], "column -1 is outside"),
            (&[1], "a weight has 2 indices (row and column) there, not 1"),
            (&[1, 2, 3], "not 3"),
        ] {
            let error = matrix.find(indices).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(axes(&[], (1, 1)).find(&[0]).is_err());
        assert!(axes(&[300], (3, 128)).find(&[300]).is_err());
    }
}
