//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process;

/// Tries to find a name for the temporary file; taken ones are left behind by killed processes.
const TRIES: u32 = 1000;

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
    let (mut file, temporary) = Temporary::create(folder)?;
    if let Some(old) = old {
        file.set_permissions(old.permissions())?;
    }
    write(&mut file)?;
    file.sync_all()?;
    fs::rename(&temporary.path, &path)?;
    File::open(folder)?.sync_all()
}

/// A file under a name of its own, which is removed unless the file has been moved away.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn create(folder: &Path) -> io::Result<(File, Self)> {
        let mut last = io::ErrorKind::AlreadyExists.into();
        for number in 0..TRIES {
            let path = folder.join(format!(".tvdb-{}-{number}", process::id()));
            match File::create_new(&path) {
                Ok(file) => return Ok((file, Temporary { path })),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the rename there is nothing of this name.
        let _ = fs::remove_file(&self.path);
    }
}
