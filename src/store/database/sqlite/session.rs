use std::ops::{Range, RangeInclusive};
use std::path::Path;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row as SqlRow, Rows, ToSql, params_from_iter};

use super::error::sqlite_error;
use super::schema::PAGE_SIZE;
use super::statements::Statements;
use crate::error::{Error, Result};
use crate::store::database::backend::{Cell, Key, Row, Table};
use crate::store::database::cells::cannot_hold;

/// What is asked over one connection, in the transaction that has begun there.
#[derive(Clone, Copy)]
pub(super) struct Session<'c> {
    connection: &'c Connection,
    path: &'c Path,
}

impl<'c> Session<'c> {
    pub(super) fn new(connection: &'c Connection, path: &'c Path) -> Self {
        Session { connection, path }
    }

    fn failed(self) -> impl Fn(rusqlite::Error) -> Error + Copy + use<'c> {
        move |error| sqlite_error(self.path, error)
    }

    pub(super) fn get(self, table: Table, key: &Key) -> Result<Option<Row>> {
        self.query(&Statements::of(table).get, &ids(table, key), |rows| {
            let row = rows.next().map_err(self.failed())?;
            row.map(|row| cells(row, 0)).transpose()
        })
    }

    pub(super) fn range(
        self,
        table: Table,
        keys: RangeInclusive<Key>,
        each: &mut dyn FnMut(&Key, Row) -> Result<()>,
    ) -> Result<()> {
        let mut bounds = bounds(table, &keys);
        // None of our ids is negative. One that is in a file is among what is asked for all of, and
        // refused.
        if let first @ 0 = &mut bounds[table.ids() - 1] {
            *first = i64::MIN;
        }
        self.query(&Statements::of(table).range, &bounds, |rows| {
            while let Some(row) = rows.next().map_err(self.failed())? {
                each(&key_of(table, row)?, cells(row, table.ids())?)?;
            }
            Ok(())
        })
    }

    pub(super) fn blobs(self, ids: Range<u64>) -> Result<Vec<Option<Vec<u8>>>> {
        let blob = |id: u64| {
            self.query(
                "SELECT data FROM blobs WHERE id = ?",
                &[signed(id)],
                |rows| {
                    let row = rows.next().map_err(self.failed())?;
                    let data = row.map(|row| match row.get_ref(0) {
                        Ok(ValueRef::Blob(data)) => Ok(data.to_vec()),
                        Ok(_) => Err(cannot_hold()),
                        Err(error) => Err(self.failed()(error)),
                    });
                    data.transpose()
                },
            )
        };
        ids.map(blob).collect()
    }

    pub(super) fn blob_count(self) -> Result<u64> {
        self.query("SELECT count(*) FROM blobs", &[], |rows| {
            let count = rows
                .next()
                .and_then(|row| row.map_or(Ok(0), |row| row.get(0)));
            Ok(count.map_err(self.failed())?.max(0i64) as u64)
        })
    }

    /// Of the pages that are in use.
    pub(super) fn used_bytes(self) -> Result<u64> {
        let pragma = |name: &str| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .map_err(self.failed())
        };
        let pages = pragma("page_count")? - pragma("freelist_count")?;
        Ok(pages.max(0) as u64 * PAGE_SIZE as u64)
    }

    /// What SQLite itself finds wrong with the file.
    pub(super) fn check_structure(self) -> Result<()> {
        let check = self
            .connection
            .query_row("PRAGMA integrity_check(1)", [], |row| {
                row.get::<_, String>(0)
            });
        match check.map_err(self.failed())?.as_str() {
            "ok" => Ok(()),
            found => Err(Error::damaged(format!("SQLite finds: {}", found.trim()))),
        }
    }

    pub(super) fn add(self, table: Table, key: &Key, row: Row) -> Result<()> {
        self.insert(&Statements::of(table).add, table, key, row)
    }

    pub(super) fn put(self, table: Table, key: &Key, row: Row) -> Result<()> {
        self.insert(&Statements::of(table).put, table, key, row)
    }

    fn insert(self, sql: &str, table: Table, key: &Key, row: Row) -> Result<()> {
        let key = ids(table, key);
        let values = key.into_iter().map(Cell::Integer).chain(row);
        self.execute(sql, params_from_iter(values))
    }

    pub(super) fn delete(self, table: Table, keys: RangeInclusive<Key>) -> Result<()> {
        let bounds = bounds(table, &keys);
        self.execute(&Statements::of(table).delete, params_from_iter(bounds))
    }

    pub(super) fn put_blob(self, id: u64, data: &[u8]) -> Result<()> {
        self.execute("INSERT INTO blobs VALUES (?, ?)", (signed(id), data))
    }

    pub(super) fn delete_blobs(self, ids: Range<u64>) -> Result<()> {
        let sql = "DELETE FROM blobs WHERE id >= ? AND id < ?";
        self.execute(sql, (signed(ids.start), signed(ids.end)))
    }

    fn query<T>(
        self,
        sql: &str,
        parameters: &[i64],
        read: impl FnOnce(&mut Rows) -> Result<T>,
    ) -> Result<T> {
        let mut query = self.connection.prepare_cached(sql).map_err(self.failed())?;
        let parameters = params_from_iter(parameters);
        read(&mut query.query(parameters).map_err(self.failed())?)
    }

    fn execute(self, sql: &str, parameters: impl rusqlite::Params) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(self.failed())?;
        statement.execute(parameters).map_err(self.failed())?;
        Ok(())
    }
}

/// SQLite's ids have a sign.
fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn ids(table: Table, key: &Key) -> Vec<i64> {
    key.ids()[..table.ids()]
        .iter()
        .map(|id| signed(*id))
        .collect()
}

fn bounds(table: Table, keys: &RangeInclusive<Key>) -> Vec<i64> {
    let mut bounds = ids(table, keys.start());
    bounds.extend(ids(table, keys.end()));
    bounds
}

fn key_of(table: Table, row: &SqlRow) -> Result<Key> {
    let id = |column: usize| match row.get_ref(column) {
        Ok(ValueRef::Integer(id)) => id
            .try_into()
            .map_err(|_| Error::damaged(format!("a column holds {id}, which it cannot hold"))),
        _ => Err(cannot_hold()),
    };
    Ok(match table.ids() {
        1 => Key::of(id(0)?),
        _ => Key::pair(id(0)?, id(1)?),
    })
}

/// The columns of a row from one on. Damage may have left anything in them.
fn cells(row: &SqlRow, from: usize) -> Result<Row> {
    let columns = row.as_ref().column_count();
    let cell = |column: usize| match row.get_ref(column) {
        Ok(ValueRef::Null) => Ok(Cell::Null),
        Ok(ValueRef::Integer(number)) => Ok(Cell::Integer(number)),
        Ok(ValueRef::Text(text)) => match std::str::from_utf8(text) {
            Ok(text) => Ok(Cell::Text(text.to_owned())),
            Err(_) => Err(cannot_hold()),
        },
        Ok(ValueRef::Blob(bytes)) => Ok(Cell::Bytes(bytes.to_vec())),
        Ok(ValueRef::Real(_)) | Err(_) => Err(cannot_hold()),
    };
    (from..columns).map(cell).collect()
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
