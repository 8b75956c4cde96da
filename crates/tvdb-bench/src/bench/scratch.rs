//! The folder for what is written only to be measured.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A folder that goes with this value, and all that is in it.
pub struct Scratch(TempDir);

impl Scratch {
    /// A new folder in `parent`, or in the system's folder for temporary files.
    ///
    /// # Errors
    ///
    /// If it cannot be made there.
    pub fn new(parent: Option<&Path>) -> Result<Self> {
        let parent = parent.map_or_else(env::temp_dir, Path::to_owned);
        let folder = tempfile::Builder::new()
            .prefix("tvdb-bench-")
            .tempdir_in(&parent)
            .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        Ok(Scratch(folder))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The store that is measured.
    pub(super) fn store(&self) -> PathBuf {
        self.path().join("run.tvdb")
    }
}
