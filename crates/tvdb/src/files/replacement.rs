//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use tempfile::Builder;

/// Writes a file that takes the place of what is at `path` when it is complete and on the disk.
///
/// What is no regular file (`/dev/stdout`, a pipe) is written to as it is; a symbolic link stays,
/// and the file that it leads to is replaced.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return write(&mut OpenOptions::new().write(true).open(path)?);
    }
    let path = match old {
        Some(_) => fs::canonicalize(path)?,
        None => path.to_owned(),
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Made as any file is, with the permissions that the user's umask leaves.
    let mut file = Builder::new()
        .prefix(".tvdb-")
        .make_in(folder, |path| File::create_new(path))?;
    if let Some(old) = old {
        file.as_file().set_permissions(old.permissions())?;
    }
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    File::open(folder)?.sync_all()
}
