use std::fmt;

/// What is counted as one, where it is asked what moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum By {
    /// Each weight.
    #[default]
    Weight,
    /// Each row: it changes at a step where any of its weights does.
    Row,
    /// Each column, likewise.
    Column,
}

/// A part of a layer that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// The weight at a row and a column.
    Weight(i32, i32),
    /// All weights of a row.
    Row(i32),
    /// All weights of a column.
    Column(i32),
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unit::Weight(row, col) => write!(f, "({row}, {col})"),
            Unit::Row(row) => write!(f, "row {row}"),
            Unit::Column(col) => write!(f, "column {col}"),
        }
    }
}
