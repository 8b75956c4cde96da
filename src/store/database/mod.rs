//! The SQLite file of a store: the only place that knows SQL. Above it there are rows and blobs,
//! which are put, got by key or by range, and committed.

mod batch;
mod connection;
mod rows;
mod schema;
mod view;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};

pub(crate) use batch::Batch;
use connection::Lock;
pub(crate) use rows::{
    Blobs, CommitRow, Digest, GapRow, GroupRow, KeyframeRow, LayerRow, Members, NewCommit,
    SettingsRow, StateRow, Tip, digest_of, layer_digest,
};
pub(crate) use view::View;

use crate::error::{Error, Result};
use crate::store::Durability;

/// A store's database, and the right to write to it where there is one.
pub(crate) struct Database {
    location: Location,
    /// Connections that are not reading now.
    readers: Mutex<Vec<Connection>>,
    /// The only connection that writes; for a store in memory the only one there is. Closed after
    /// those that read, since the last one copies the log into the file.
    writer: Option<Mutex<Connection>>,
    /// Held for as long as the database is open for writing.
    _lock: Option<Lock>,
}

enum Location {
    Memory,
    File {
        path: PathBuf,
        /// On media where nothing can be written, not even SQLite's shared memory.
        immutable: bool,
    },
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FileSizes {
    pub(crate) database: u64,
    pub(crate) log: u64,
}

impl Database {
    /// A new store that goes with the process.
    pub(crate) fn in_memory() -> Result<Self> {
        let connection = Connection::open_in_memory()
            .map_err(|error| Error::sqlite(Path::new(":memory:"), error))?;
        connection::create_tables(&connection)
            .map_err(|error| Error::sqlite(Path::new(":memory:"), error))?;
        Ok(Database {
            location: Location::Memory,
            writer: Some(Mutex::new(connection)),
            readers: Mutex::default(),
            _lock: None,
        })
    }

    /// Makes a new store at `path`, where there is nothing yet.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let lock = connection::lock(path)?;
        connection::create_file(path)?;
        Database::open_locked(path, lock)
    }

    /// Opens a store for writing.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        connection::check_exists(path)?;
        // Before anything is left beside a file that is no store.
        connection::open_for_reading(path)?;
        let lock = connection::lock(path)?;
        Database::open_locked(path, lock)
    }

    fn open_locked(path: &Path, lock: Lock) -> Result<Self> {
        let connection = connection::open_for_writing(path)?;
        Ok(Database {
            location: Location::File {
                path: path.to_owned(),
                immutable: false,
            },
            writer: Some(Mutex::new(connection)),
            readers: Mutex::default(),
            _lock: Some(lock),
        })
    }

    /// Opens a store for reading, beside whoever writes.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self> {
        connection::check_exists(path)?;
        let (connection, immutable) = connection::open_for_reading(path)?;
        Ok(Database {
            location: Location::File {
                path: path.to_owned(),
                immutable,
            },
            writer: None,
            readers: Mutex::new(vec![connection]),
            _lock: None,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.location {
            Location::Memory => Path::new(":memory:"),
            Location::File { path, .. } => path,
        }
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writer.is_some()
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.location, Location::Memory)
    }

    /// Reads one consistent state of the store.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&View) -> Result<T>) -> Result<T> {
        match &self.location {
            Location::Memory => {
                let connection = self.writer()?;
                self.read_with(&connection, work)
            }
            Location::File { path, immutable } => {
                let idle = guard(&self.readers).pop();
                let connection = match idle {
                    Some(connection) => connection,
                    None => connection::open_reader(path, *immutable)
                        .map_err(|error| Error::sqlite(path, error))?,
                };
                let result = self.read_with(&connection, work);
                guard(&self.readers).push(connection);
                result
            }
        }
    }

    fn read_with<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&View) -> Result<T>,
    ) -> Result<T> {
        let failed = |error| Error::sqlite(self.path(), error);
        let transaction = connection.unchecked_transaction().map_err(failed)?;
        work(&View::new(&transaction, self.path()))
    }

    /// Writes in one transaction: all of it, or with an error nothing. `Immediate` comes back when
    /// it is on the disk.
    pub(crate) fn write<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Batch) -> Result<T>,
    ) -> Result<T> {
        let mut connection = self.writer()?;
        let failed = |error| Error::sqlite(self.path(), error);
        let mode = match durability {
            Durability::Immediate => "FULL",
            Durability::Eventual => "NORMAL",
        };
        connection
            .pragma_update(None, "synchronous", mode)
            .map_err(failed)?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let batch = Batch::new(&transaction, self.path())?;
        let result = work(&batch)?;
        batch.finish()?;
        transaction.commit().map_err(failed)?;
        Ok(result)
    }

    /// Does what would be written, and takes it all back.
    pub(crate) fn try_out<T>(&self, work: impl FnOnce(&Batch) -> Result<T>) -> Result<T> {
        let mut connection = self.writer()?;
        let failed = |error| Error::sqlite(self.path(), error);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let result = work(&Batch::new(&transaction, self.path())?)?;
        transaction.rollback().map_err(failed)?;
        Ok(result)
    }

    /// Errors: `ReadOnly`.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match self.writer {
            Some(_) => Ok(()),
            None => Err(Error::ReadOnly {
                path: self.path().to_owned(),
            }),
        }
    }

    fn writer(&self) -> Result<MutexGuard<'_, Connection>> {
        let writer = self.writer.as_ref().ok_or_else(|| Error::ReadOnly {
            path: self.path().to_owned(),
        })?;
        // A panic in the middle has rolled the transaction back.
        Ok(guard(writer))
    }

    /// Copies the log into the file as far as readers allow, so that it does not grow for ever.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        if self.is_in_memory() || !self.is_writable() {
            return Ok(());
        }
        let failed = |error| Error::sqlite(self.path(), error);
        let copy = |connection: &Connection| {
            connection
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                .map_err(failed)
        };
        // Most of it through a connection of its own, while recording goes on; then the rest with
        // recording held up, since the log begins anew only when nothing of it is left to copy.
        copy(&connection::open_writer(self.path()).map_err(failed)?)?;
        copy(&*self.writer()?)
    }

    /// Gives free pages back to the file system and empties the log, as far as readers allow.
    pub(crate) fn give_back(&self) -> Result<()> {
        if self.is_in_memory() {
            return Ok(());
        }
        let connection = self.writer()?;
        let failed = |error| Error::sqlite(self.path(), error);
        let mut vacuum = connection
            .prepare("PRAGMA incremental_vacuum")
            .map_err(failed)?;
        let mut pages = vacuum.query([]).map_err(failed)?;
        while pages.next().map_err(failed)?.is_some() {}
        // A long read keeps the log from being emptied. Nobody is to wait for it meanwhile.
        connection
            .busy_timeout(connection::BRIEFLY)
            .map_err(failed)?;
        let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        connection
            .busy_timeout(connection::PATIENCE)
            .map_err(failed)?;
        emptied.map_err(failed)
    }

    /// Bytes that are on the disk now.
    pub(crate) fn file_sizes(&self) -> Result<FileSizes> {
        let Location::File { path, .. } = &self.location else {
            let failed = |error| Error::sqlite(self.path(), error);
            let connection = self.writer()?;
            let pages: i64 = connection
                .query_row("PRAGMA page_count", [], |row| row.get(0))
                .map_err(failed)?;
            return Ok(FileSizes {
                database: pages as u64 * schema::PAGE_SIZE as u64,
                log: 0,
            });
        };
        let size = |path: PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        Ok(FileSizes {
            database: size(path.clone()),
            log: size(connection::beside(path, "-wal")),
        })
    }

    /// What SQLite itself finds wrong with the file.
    pub(crate) fn check_structure(&self) -> Result<()> {
        self.read(|view| view.check_structure())
    }
}

/// What a mutex guards here is whole between any two statements.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
