use crate::error::{Error, Result};
use crate::store::database::{BlobOwner, Blobs, Transaction};

/// Puts blobs that belong together, one after the other.
pub(crate) struct BlobWriter {
    owner: BlobOwner,
    per_run: usize,
    first: Option<u64>,
    bytes: u64,
    sums: Vec<u64>,
}

impl BlobWriter {
    pub(crate) fn new(owner: BlobOwner, per_run: usize) -> Self {
        BlobWriter {
            owner,
            per_run,
            first: None,
            bytes: 0,
            sums: Vec::new(),
        }
    }

    pub(crate) fn put(&mut self, transaction: &Transaction, data: &[u8]) -> Result<()> {
        let id = transaction.put_blob(data)?;
        let first = *self.first.get_or_insert(id);
        let run = self.sums.len();
        if id != first + run as u64 {
            return Err(Error::Unexpected {
                message: "blobs of two owners were mixed".to_owned(),
            });
        }
        self.bytes += data.len() as u64;
        self.sums.push(self.owner.sum(run, data));
        Ok(())
    }

    pub(crate) fn finish(self) -> Blobs {
        Blobs {
            per_run: self.per_run,
            first: self.first.unwrap_or(0),
            bytes: self.bytes,
            sums: self.sums.into(),
        }
    }
}
