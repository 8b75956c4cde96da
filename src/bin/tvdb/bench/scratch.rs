//! The folder for what is written only to be measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::Result;

use crate::failure::with_hint;

/// A folder that goes with this value, and all that is in it.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new folder in `parent`, or in the system's folder for temporary files.
    pub(super) fn new(parent: Option<&Path>) -> Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = parent.join(format!("tvdb-bench-{}", process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Ok(Scratch(path)),
            Err(error) => Err(with_hint(
                anyhow::Error::new(error).context(format!("cannot make {}", path.display())),
                "name a folder that is there and has room with --scratch",
            )),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The store that is measured.
    pub(super) fn store(&self) -> PathBuf {
        self.0.join("run.tvdb")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left: there is nothing else to do about it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
