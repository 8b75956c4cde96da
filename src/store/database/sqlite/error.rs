use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::Error;

/// What SQLite said, as far as a caller can act upon it.
pub(super) fn sqlite_error(path: &Path, source: rusqlite::Error) -> Error {
    let io = |kind: io::ErrorKind| Error::Io {
        path: path.to_owned(),
        source: io::Error::new(kind, source.to_string()),
    };
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => io(io::ErrorKind::StorageFull),
        Some(ErrorCode::OutOfMemory) => Error::OutOfMemory,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch) => {
            Error::Damaged {
                path: Some(path.to_owned()),
                what: source.to_string(),
            }
        }
        Some(ErrorCode::TooBig) => io(io::ErrorKind::FileTooLarge),
        _ => Error::Database {
            path: path.to_owned(),
            source: Box::new(source),
        },
    }
}

/// What SQLite said, in an error that [`sqlite_error`] made.
pub(super) fn sqlite_code(error: &Error) -> Option<ErrorCode> {
    let Error::Database { source, .. } = error else {
        return None;
    };
    source
        .downcast_ref::<rusqlite::Error>()?
        .sqlite_error_code()
}
