//! Where the volumes go.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};

use super::recording::Recording;
use crate::failure::with_hint;
use crate::progress::Progress;

/// A folder with one folder for each run in it.
pub(super) struct Folder {
    path: PathBuf,
}

/// A volume that was written.
pub(super) struct Volume {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

impl Folder {
    /// Makes the folders and tries to write in them, to fail now rather than after the work.
    pub(super) fn prepare<'a>(
        path: &Path,
        runs: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        for run in runs {
            let folder = path.join(run);
            fs::create_dir_all(&folder)
                .and_then(|()| try_to_write(&folder))
                .with_context(|| format!("cannot write to the folder {}", folder.display()))
                .map_err(|error| with_hint(error, "name a folder you may write to: --out DIR"))?;
        }
        Ok(Folder {
            path: path.to_owned(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes each matrix of a run as `<run>/<matrix>.vdb`.
    pub(super) async fn export(
        &self,
        recording: &Recording,
        progress: &Progress,
    ) -> Result<Vec<Volume>> {
        let mut volumes = Vec::new();
        for matrix in &recording.matrices {
            let file = format!("{}.vdb", matrix.name);
            let path = self.path.join(recording.name).join(file);
            matrix.storage.export_vdb(&path).await?;
            let bytes = fs::metadata(&path)
                .with_context(|| format!("cannot see the size of {}", path.display()))?
                .len();
            volumes.push(Volume { path, bytes });
            progress.advance();
        }
        Ok(volumes)
    }
}

fn try_to_write(folder: &Path) -> std::io::Result<()> {
    let file = folder.join(format!(".tvdb-{}", process::id()));
    fs::write(&file, b"?")?;
    fs::remove_file(&file)
}
