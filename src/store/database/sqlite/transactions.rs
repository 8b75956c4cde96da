use std::ops::{Range, RangeInclusive};
use std::sync::MutexGuard;

use rusqlite::Connection;

use super::connection::despite_writers;
use super::connections::Connections;
use super::session::Session;
use crate::error::Result;
use crate::store::database::backend::{Batch, Key, Row, Table, View};
use crate::store::options::Durability;

/// A transaction that reads, on a connection of its own.
pub(super) struct SqliteView<'d> {
    connections: &'d Connections,
    /// Given back in the end.
    connection: Option<Connection>,
}

impl<'d> SqliteView<'d> {
    pub(super) fn begin(connections: &'d Connections) -> Result<Self> {
        let connection = connections.reader()?;
        despite_writers(|| begin_reading(&connection).map_err(connections.failed()))?;
        Ok(SqliteView {
            connections,
            connection: Some(connection),
        })
    }

    pub(super) fn session(&self) -> Session<'_> {
        let connection = self.connection.as_ref().expect("taken when it is dropped");
        Session::new(connection, self.connections.path())
    }
}

impl Drop for SqliteView<'_> {
    fn drop(&mut self) {
        // One that cannot end its transaction is closed.
        if let Some(connection) = self.connection.take()
            && connection.execute_batch("ROLLBACK").is_ok()
        {
            self.connections.give_back(connection);
        }
    }
}

/// Begins a transaction, and the snapshot that it reads: SQLite would take that at its first read.
fn begin_reading(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN")?;
    let mut any = connection.prepare_cached("SELECT 1 FROM sqlite_schema LIMIT 1")?;
    let begun = any.query_row([], |_| Ok(()));
    if begun.is_err() {
        let _ = connection.execute_batch("ROLLBACK"); // what was said before is what counts
    }
    begun
}

/// A transaction that writes, on the one connection that can.
pub(super) struct SqliteBatch<'d> {
    connections: &'d Connections,
    connection: MutexGuard<'d, Connection>,
}

impl<'d> SqliteBatch<'d> {
    pub(super) fn begin(connections: &'d Connections, durability: Durability) -> Result<Self> {
        let connection = connections.writer()?;
        let mode = match durability {
            Durability::Immediate => "FULL",
            Durability::Eventual => "NORMAL",
        };
        connection
            .pragma_update(None, "synchronous", mode)
            .map_err(connections.failed())?;
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(connections.failed())?;
        Ok(SqliteBatch {
            connections,
            connection,
        })
    }

    fn session(&self) -> Session<'_> {
        Session::new(&self.connection, self.connections.path())
    }
}

impl Drop for SqliteBatch<'_> {
    fn drop(&mut self) {
        // Neither committed nor, as after some failures, rolled back by SQLite itself.
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

/// Both read in the same way.
macro_rules! view {
    ($type:ty) => {
        impl View for $type {
            fn get(&self, table: Table, key: &Key) -> Result<Option<Row>> {
                self.session().get(table, key)
            }

            fn range(
                &self,
                table: Table,
                keys: RangeInclusive<Key>,
                each: &mut dyn FnMut(&Key, Row) -> Result<()>,
            ) -> Result<()> {
                self.session().range(table, keys, each)
            }

            fn blobs(&self, ids: Range<u64>) -> Result<Vec<Option<Vec<u8>>>> {
                self.session().blobs(ids)
            }

            fn blob_count(&self) -> Result<u64> {
                self.session().blob_count()
            }

            fn used_bytes(&self) -> Result<u64> {
                self.session().used_bytes()
            }
        }
    };
}

view!(SqliteView<'_>);
view!(SqliteBatch<'_>);

impl Batch for SqliteBatch<'_> {
    fn add(&self, table: Table, key: &Key, row: Row) -> Result<()> {
        self.session().add(table, key, row)
    }

    fn put(&self, table: Table, key: &Key, row: Row) -> Result<()> {
        self.session().put(table, key, row)
    }

    fn delete(&self, table: Table, keys: RangeInclusive<Key>) -> Result<()> {
        self.session().delete(table, keys)
    }

    fn put_blob(&self, id: u64, data: &[u8]) -> Result<()> {
        self.session().put_blob(id, data)
    }

    fn delete_blobs(&self, ids: Range<u64>) -> Result<()> {
        self.session().delete_blobs(ids)
    }

    fn commit(self: Box<Self>) -> Result<()> {
        self.connection
            .execute_batch("COMMIT")
            .map_err(self.connections.failed())
    }
}
