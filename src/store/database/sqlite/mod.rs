//! The SQLite file of a store: the only place that knows SQL.

mod connection;
mod connections;
mod error;
mod schema;
mod session;
mod statements;
mod transactions;

use std::path::Path;

use rusqlite::Connection;

use super::backend::{Backend, Batch, Care, Sizes, View};
use crate::error::Result;
use crate::store::options::Durability;
use connection::Lock;
use connections::Connections;
use transactions::{SqliteBatch, SqliteView};

/// Bytes of the log from which on it is copied into the file.
const LONG_LOG: u64 = 8 << 20;

/// A store's file, and the right to write to it where there is one.
pub(super) struct Sqlite {
    connections: Connections,
    /// Held for as long as the file is open for writing, and given back last.
    _lock: Option<Lock>,
}

impl Sqlite {
    /// Makes a new store at `path`, where there is nothing yet.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let lock = connection::lock(path)?;
        connection::create_file(path)?;
        Sqlite::open_locked(path, lock)
    }

    /// Opens a store for writing.
    pub(super) fn open(path: &Path) -> Result<Self> {
        connection::check_exists(path)?;
        // Before anything is left beside a file that is no store.
        connection::open_for_reading(path)?;
        let lock = connection::lock(path)?;
        Sqlite::open_locked(path, lock)
    }

    fn open_locked(path: &Path, lock: Lock) -> Result<Self> {
        let writer = connection::open_for_writing(path)?;
        Ok(Sqlite {
            connections: Connections::for_writing(path, writer),
            _lock: Some(lock),
        })
    }

    /// Opens a store for reading, beside whoever writes.
    pub(super) fn open_read_only(path: &Path) -> Result<Self> {
        connection::check_exists(path)?;
        let (reader, immutable) = connection::open_for_reading(path)?;
        Ok(Sqlite {
            connections: Connections::for_reading(path, reader, immutable),
            _lock: None,
        })
    }

    /// Copies the log into the file as far as readers allow, so that it does not grow for ever.
    fn copy_log(&self) -> Result<()> {
        let failed = self.connections.failed();
        let copy = |connection: &Connection| {
            connection
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
                .map_err(failed)
        };
        // Most of it through a connection of its own, while recording goes on; then the rest with
        // recording held up, since the log begins anew only when nothing of it is left to copy.
        copy(&connection::open_writer(self.path()).map_err(failed)?)?;
        copy(&*self.connections.writer()?)
    }

    /// Gives free pages back to the file system and empties the log, as far as readers allow.
    fn give_back_space(&self) -> Result<()> {
        let connection = self.connections.writer()?;
        let failed = self.connections.failed();
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
}

impl Backend for Sqlite {
    fn path(&self) -> &Path {
        self.connections.path()
    }

    fn is_writable(&self) -> bool {
        self.connections.is_writable()
    }

    fn view(&self) -> Result<Box<dyn View + '_>> {
        Ok(Box::new(SqliteView::begin(&self.connections)?))
    }

    fn begin(&self, durability: Durability) -> Result<Box<dyn Batch + '_>> {
        Ok(Box::new(SqliteBatch::begin(&self.connections, durability)?))
    }

    fn wait(&self) -> Result<()> {
        Ok(()) // a commit has synced the log where its durability asks for it
    }

    fn sizes(&self) -> Result<Sizes> {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        Ok(Sizes {
            database: size(self.path()),
            log: size(&connection::beside(self.path(), "-wal")),
        })
    }

    fn maintain(&self, care: Care) -> Result<()> {
        match care {
            Care::Passing if self.is_writable() && self.sizes()?.log > LONG_LOG => self.copy_log(),
            Care::Passing => Ok(()),
            Care::Thorough => self.give_back_space(),
        }
    }

    fn check(&self) -> Result<()> {
        SqliteView::begin(&self.connections)?
            .session()
            .check_structure()
    }
}
