//! Rows and blobs, which are put, got by key or by range, and committed together. `backend` is the seam:
//! whoever keeps rows and blobs can keep a store. `sqlite` is the file, and the only place that knows
//! SQL; `memory` goes with the process. Above the seam there are typed rows, checked against their
//! checksums.

mod backend;
mod cells;
#[cfg(test)]
mod conformance;
mod digest;
mod memory;
mod rows;
mod snapshot;
mod sqlite;
mod transaction;

use std::path::Path;

use backend::Backend;
pub(crate) use backend::{Care, Sizes};
pub(crate) use digest::{Digest, digest_of, layer_digest};
use memory::Memory;
pub(crate) use rows::{
    BlobOwner, Blobs, CommitRow, GapRow, GroupRow, KeyframeRow, LayerRow, Members, NewCommit,
    SettingsRow, StateRow, Tip,
};
pub(crate) use snapshot::Snapshot;
use sqlite::Sqlite;
pub(crate) use transaction::Transaction;

use crate::error::{Error, Result};
use crate::store::options::Durability;

/// Where a store is kept.
pub(crate) struct Database {
    backend: Box<dyn Backend>,
}

impl Database {
    /// A new store that goes with the process.
    pub(crate) fn in_memory() -> Self {
        Database::on(Memory::new())
    }

    /// Makes a new store at `path`, where there is nothing yet.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Sqlite::create(path).map(Database::on)
    }

    /// Opens a store for writing.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Sqlite::open(path).map(Database::on)
    }

    /// Opens a store for reading, beside whoever writes.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self> {
        Sqlite::open_read_only(path).map(Database::on)
    }

    fn on(backend: impl Backend + 'static) -> Self {
        Database {
            backend: Box::new(backend),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.backend.path()
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.backend.is_writable()
    }

    /// Errors: `ReadOnly`.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.is_writable() {
            return Ok(());
        }
        Err(Error::ReadOnly {
            path: self.path().to_owned(),
        })
    }

    /// Reads one consistent state of the store.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Snapshot) -> Result<T>) -> Result<T> {
        let view = self.backend.view()?;
        work(&Snapshot::new(&*view))
    }

    /// Writes in one transaction: all of it, or with an error nothing. `Immediate` comes back when
    /// it is on the disk.
    pub(crate) fn write<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Transaction) -> Result<T>,
    ) -> Result<T> {
        let batch = self.backend.begin(durability)?;
        let result = {
            let transaction = Transaction::new(&*batch)?;
            let result = work(&transaction)?;
            transaction.finish()?;
            result
        };
        batch.commit()?;
        self.backend.wait()?;
        Ok(result)
    }

    /// Does what would be written, and takes it all back.
    pub(crate) fn try_out<T>(&self, work: impl FnOnce(&Transaction) -> Result<T>) -> Result<T> {
        let batch = self.backend.begin(Durability::Eventual)?;
        work(&Transaction::new(&*batch)?)
    }

    /// Bytes that are taken now.
    pub(crate) fn sizes(&self) -> Result<Sizes> {
        self.backend.sizes()
    }

    /// Looks after what the rows are kept in.
    pub(crate) fn maintain(&self, care: Care) -> Result<()> {
        self.backend.maintain(care)
    }

    /// What is wrong with what the rows are kept in, whatever they hold.
    pub(crate) fn check(&self) -> Result<()> {
        self.backend.check()
    }
}
