use crate::error::{Error, Result};
use crate::store::database::{Batch, Blobs};

/// Puts blobs that belong together, one after the other.
pub(crate) struct BlobWriter {
    per_run: usize,
    first: Option<i64>,
    bytes: u64,
    sums: Vec<u64>,
}

impl BlobWriter {
    pub(crate) fn new(per_run: usize) -> Self {
        BlobWriter {
            per_run,
            first: None,
            bytes: 0,
            sums: Vec::new(),
        }
    }

    pub(crate) fn put(
        &mut self,
        batch: &Batch,
        data: &[u8],
        sum: impl Fn(usize, &[u8]) -> u64,
    ) -> Result<()> {
        let id = batch.put_blob(data)?;
        let first = *self.first.get_or_insert(id);
        let run = self.sums.len();
        if id != first + run as i64 {
            return Err(Error::Unexpected {
                message: "blobs of two owners were mixed".to_owned(),
            });
        }
        self.bytes += data.len() as u64;
        self.sums.push(sum(run, data));
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
