use super::backend::{Cell, Row};
use super::digest::Digest;
use crate::error::{Error, Result};

/// The cells of a row, taken one after the other. They may hold anything.
pub(super) struct Cells(std::vec::IntoIter<Cell>);

impl Cells {
    pub(super) fn new(row: Row) -> Self {
        Cells(row.into_iter())
    }

    fn next(&mut self) -> Cell {
        self.0.next().unwrap_or(Cell::Null)
    }

    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T> {
        self.optional_number()?.ok_or_else(cannot_hold)
    }

    pub(super) fn optional_number<T: TryFrom<i64>>(&mut self) -> Result<Option<T>> {
        match self.next() {
            Cell::Null => Ok(None),
            Cell::Integer(wide) => wide.try_into().map(Some).map_err(|_| {
                Error::damaged(format!("a column holds {wide}, which it cannot hold"))
            }),
            Cell::Text(_) | Cell::Bytes(_) => Err(cannot_hold()),
        }
    }

    pub(super) fn text(&mut self) -> Result<String> {
        match self.next() {
            Cell::Text(text) => Ok(text),
            _ => Err(cannot_hold()),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>> {
        self.optional_bytes()?.ok_or_else(cannot_hold)
    }

    pub(super) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>> {
        match self.next() {
            Cell::Null => Ok(None),
            Cell::Bytes(bytes) => Ok(Some(bytes)),
            Cell::Integer(_) | Cell::Text(_) => Err(cannot_hold()),
        }
    }

    pub(super) fn digest(&mut self) -> Result<Digest> {
        self.optional_digest()?.ok_or_else(cannot_hold)
    }

    pub(super) fn optional_digest(&mut self) -> Result<Option<Digest>> {
        let digest = self.optional_bytes()?.map(Digest::try_from).transpose();
        digest.map_err(|_| Error::damaged("a digest does not have 16 bytes"))
    }

    /// Refuses a row whose checksum, its next cell, is another.
    pub(super) fn check_sum(mut self, what: impl FnOnce() -> String, expected: i64) -> Result<()> {
        if expected == self.number::<i64>()? {
            Ok(())
        } else {
            Err(Error::damaged(format!(
                "{} does not match its checksum",
                what()
            )))
        }
    }
}

pub(super) fn cannot_hold() -> Error {
    Error::damaged("a column holds what it cannot hold")
}
