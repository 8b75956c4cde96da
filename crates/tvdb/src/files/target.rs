//! A file that is to be written beside a store.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use crate::files::kind::FileKind;
use crate::screen::failure::with_hint;

/// Refuses to write over the store that is read, what belongs to it, and any other store. `hint` says
/// how a file is named.
pub(crate) fn refuse_store(store: &Path, out: &Path, hint: &str) -> Result<()> {
    let (own, target) = (resolved(store), resolved(out));
    for ending in ["", "-wal", "-shm", "-journal", ".lock", ".new"] {
        let mut name = OsString::from(&own);
        name.push(ending);
        if target.as_os_str() == name {
            return Err(with_hint(
                anyhow!("{} is part of the store itself", out.display()),
                hint,
            ));
        }
    }
    if FileKind::of_file(out) == Some(FileKind::Database) {
        let error = anyhow!(
            "{} is a database, such as a store: it is not replaced",
            out.display()
        );
        return Err(with_hint(error, hint));
    }
    Ok(())
}

/// The path without links, as far as it leads to something.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match (
        fs::canonicalize(folder.unwrap_or(Path::new("."))),
        path.file_name(),
    ) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_without_their_files() {
        let here = fs::canonicalize(".").unwrap();
        assert_eq!(resolved(Path::new("./none.tvdb")), here.join("none.tvdb"));
        assert_eq!(resolved(Path::new("none.tvdb")), here.join("none.tvdb"));
        assert_eq!(resolved(Path::new("no/where")), Path::new("no/where"));
    }
}
