//! Opening and creating the SQLite file.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ToSql};

use super::error::{sqlite_code, sqlite_error};
use super::schema::{APPLICATION_ID, FORMAT_VERSION, PAGE_SIZE, TABLES};
use super::session::Session;
use crate::error::{Error, Result};
use crate::store::database::backend::Table;
use crate::store::database::rows::{SettingsRow, Tip};

/// How long to wait for another process that is opening or closing the store.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for readers, where it is no harm to go on without them.
pub(super) const BRIEFLY: Duration = Duration::from_millis(50);

/// Bytes of the log's file that stay when it begins anew.
const KEPT_LOG: i32 = 4 << 20;

/// Memory for pages that each connection may take.
const CACHE_KIB: i32 = 256;

/// Memory for pages that the connection that writes may take.
const WRITER_CACHE_KIB: i32 = 1024;

/// Statements that each connection keeps prepared.
const STATEMENTS: usize = 40;

/// The file that SQLite or we keep beside a store's.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |source| Error::Io {
        path: path.to_owned(),
        source,
    }
}

pub(super) fn check_exists(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(io(path))?;
    let reason = match (metadata.is_file(), metadata.len()) {
        (false, _) => "it is not a file",
        (true, 0) => "it is empty",
        _ => return Ok(()),
    };
    Err(Error::NotAStore {
        path: path.to_owned(),
        reason: reason.to_owned(),
    })
}

/// A store's one right to write.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is just being started has it open too.
        let _ = self.0.unlock();
    }
}

/// Takes the store's one right to write. The system gives it back when the process ends.
pub(super) fn lock(path: &Path) -> Result<Lock> {
    let beside = beside(path, ".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(io(path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(Error::Io {
            path: beside,
            source,
        }),
    }
}

/// Puts an empty store at `path`, whole or not at all. The caller holds the lock.
pub(super) fn create_file(path: &Path) -> Result<()> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(Error::AlreadyExists {
            path: path.to_owned(),
        });
    }
    let new = beside(path, ".new");
    let _ = std::fs::remove_file(&new); // of one who was interrupted here
    let made = make(&new).and_then(|()| {
        std::fs::rename(&new, path).map_err(io(path))?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io(folder))
    });
    if made.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    made
}

fn make(path: &Path) -> Result<()> {
    let failed = |error| sqlite_error(path, error);
    let connection = Connection::open(path).map_err(failed)?;
    create_tables(&connection, path)?;
    connection.close().map_err(|(_, error)| failed(error))
}

fn create_tables(connection: &Connection, path: &Path) -> Result<()> {
    let failed = |error| sqlite_error(path, error);
    configure(connection).map_err(failed)?;
    let pragma = |name: &str, value: &dyn ToSql| connection.pragma_update(None, name, value);
    pragma("page_size", &PAGE_SIZE).map_err(failed)?;
    pragma("auto_vacuum", &"INCREMENTAL").map_err(failed)?;
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    for (_, definition) in TABLES {
        transaction.execute_batch(definition).map_err(failed)?;
    }
    let session = Session::new(&transaction, path);
    session.put(
        Table::Settings,
        &SettingsRow::key(),
        SettingsRow::first().to_row(),
    )?;
    session.put(Table::Tip, &Tip::key(), Tip::first().to_row())?;
    pragma("application_id", &APPLICATION_ID).map_err(failed)?;
    pragma("user_version", &FORMAT_VERSION).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// What every connection does, whoever wrote the file.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Blobs are read once and then kept elsewhere; pages of the index are few.
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "cell_size_check", true)
}

pub(super) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    Ok(connection)
}

pub(super) fn open_for_writing(path: &Path) -> Result<Connection> {
    let failed = |error| not_a_store_or(path, error);
    let connection = open_writer(path).map_err(failed)?;
    check_format(&connection, path)?;
    // SQLite itself would say so at the first step.
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(failed)? {
        OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(io(path))?;
        // The system allows it, so it is the file that says otherwise.
        return Err(Error::damaged("its header says that it cannot be written").in_file(path));
    }
    let failed = |error| sqlite_error(path, error);
    connection
        .query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
        .map_err(failed)?;
    // A step fits, so that its pages are written once.
    connection
        .pragma_update(None, "cache_size", -WRITER_CACHE_KIB)
        .map_err(failed)?;
    // Checkpoints are made off the path of those who record.
    connection
        .pragma_update(None, "wal_autocheckpoint", 0)
        .map_err(failed)?;
    connection
        .pragma_update(None, "journal_size_limit", KEPT_LOG)
        .map_err(failed)?;
    Ok(connection)
}

pub(super) fn open_reader(path: &Path, immutable: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if immutable {
        let uri = immutable_uri(path);
        Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        Connection::open_with_flags(path, flags)?
    };
    configure(&connection)?;
    Ok(connection)
}

/// A reader, and whether the file is on media where nothing can be written.
pub(super) fn open_for_reading(path: &Path) -> Result<(Connection, bool)> {
    let open = |immutable| {
        let connection =
            open_reader(path, immutable).map_err(|error| not_a_store_or(path, error))?;
        check_format(&connection, path)?;
        Ok((connection, immutable))
    };
    despite_writers(|| open(false)).or_else(|error| {
        let log = std::fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
        // Where SQLite cannot make the files that it shares between processes, the file alone will
        // do, unless a log lies beside it: without that it is not the newest state.
        if cannot_share(&error) && log == 0 {
            open(true)
        } else {
            Err(error)
        }
    })
}

/// Reads again where SQLite says that something could not be written. Whoever may not write what processes
/// share, and looks at it just while a writer changes it, is told that it has to be recovered, and a moment
/// later it need not be.
pub(super) fn despite_writers<T>(mut read: impl FnMut() -> Result<T>) -> Result<T> {
    const ATTEMPTS: usize = 50;
    const PAUSE: Duration = Duration::from_millis(2);
    for _ in 1..ATTEMPTS {
        match read() {
            Err(error) if sqlite_code(&error) == Some(ErrorCode::ReadOnly) => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
    read()
}

fn cannot_share(error: &Error) -> bool {
    matches!(
        sqlite_code(error),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure)
    )
}

fn immutable_uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    let mut uri = "file:".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if plain(byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02x}"));
        }
    }
    uri + "?immutable=1"
}

fn not_a_store_or(path: &Path, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotAStore {
            path: path.to_owned(),
            reason: "it is no SQLite database, or its header is damaged".to_owned(),
        },
        // Nothing but a header that SQLite does not know is wrong with what is asked here.
        Some(ErrorCode::Unknown) => Error::damaged(error.to_string()).in_file(path),
        _ => sqlite_error(path, error),
    }
}

/// Refuses files of other programs, of newer versions, and with other tables than ours.
fn check_format(connection: &Connection, path: &Path) -> Result<()> {
    let failed = |error| not_a_store_or(path, error);
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .map_err(failed)
    };
    if pragma("application_id")? != APPLICATION_ID {
        return Err(Error::NotAStore {
            path: path.to_owned(),
            reason: "it is a database of another program".to_owned(),
        });
    }
    let found = pragma("user_version")?;
    if found < 1 {
        return Err(Error::NotAStore {
            path: path.to_owned(),
            reason: format!("its format has the number {found}"),
        });
    }
    if found > FORMAT_VERSION {
        return Err(Error::NewerFormat {
            path: path.to_owned(),
            found,
            supported: FORMAT_VERSION,
        });
    }
    let mut query = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        .map_err(failed)?;
    // As bytes: damage may have made them no text.
    let bytes = |row: &Row, column: usize| -> rusqlite::Result<Vec<u8>> {
        Ok(row.get_ref(column)?.as_bytes().unwrap_or_default().to_vec())
    };
    let found: Vec<(Vec<u8>, Vec<u8>)> = query
        .query_map([], |row| Ok((bytes(row, 0)?, bytes(row, 1)?)))
        .and_then(Iterator::collect)
        .map_err(failed)?;
    let mut expected = TABLES;
    expected.sort_unstable();
    let same = found
        .iter()
        .map(|(name, sql)| (&name[..], &sql[..]))
        .eq(expected.map(|(name, sql)| (name.as_bytes(), sql.as_bytes())));
    if same {
        Ok(())
    } else {
        Err(Error::damaged("its tables are not those of a store").in_file(path))
    }
}
