use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::connection::open_reader;
use super::error::sqlite_error;
use crate::error::{Error, Result};

/// All connections to one file: one that writes, where it is open for writing, and as many that read
/// as have been needed at once.
pub(super) struct Connections {
    path: PathBuf,
    /// On media where nothing can be written, not even SQLite's shared memory.
    immutable: bool,
    /// Those that are not reading now.
    readers: Mutex<Vec<Connection>>,
    /// Closed after those that read, since the last one copies the log into the file.
    writer: Option<Mutex<Connection>>,
}

impl Connections {
    pub(super) fn for_writing(path: &Path, writer: Connection) -> Self {
        Connections {
            path: path.to_owned(),
            immutable: false,
            readers: Mutex::default(),
            writer: Some(Mutex::new(writer)),
        }
    }

    pub(super) fn for_reading(path: &Path, reader: Connection, immutable: bool) -> Self {
        Connections {
            path: path.to_owned(),
            immutable,
            readers: Mutex::new(vec![reader]),
            writer: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writer.is_some()
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> Error + Copy + '_ {
        |error| sqlite_error(&self.path, error)
    }

    /// The connection that writes, when nobody else does.
    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Connection>> {
        let writer = self.writer.as_ref().ok_or_else(|| Error::ReadOnly {
            path: self.path.clone(),
        })?;
        // A panic in the middle has rolled the transaction back.
        Ok(guard(writer))
    }

    /// A connection for one view.
    pub(super) fn reader(&self) -> Result<Connection> {
        let idle = guard(&self.readers).pop();
        match idle {
            Some(connection) => Ok(connection),
            None => open_reader(&self.path, self.immutable).map_err(self.failed()),
        }
    }

    /// Takes a view's connection back.
    pub(super) fn give_back(&self, reader: Connection) {
        guard(&self.readers).push(reader);
    }
}

/// What a mutex guards here is whole between any two statements.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
