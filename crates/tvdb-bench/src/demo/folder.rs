//! Where the volumes go.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::recording::Recording;
use super::runs::RUNS;
use super::volume::Volume;
use crate::Listener;

/// A folder with one folder for each run in it.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folders, where they are missing, and tries to write in them, to fail now rather than
    /// after the work.
    ///
    /// # Errors
    ///
    /// If a folder cannot be made or written to.
    pub fn prepare(path: &Path) -> Result<Self> {
        for (run, _) in RUNS {
            let folder = path.join(run);
            fs::create_dir_all(&folder)
                .and_then(|()| try_to_write(&folder))
                .with_context(|| format!("cannot write to the folder {}", folder.display()))?;
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
        listener: &dyn Listener,
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
            listener.advance();
        }
        Ok(volumes)
    }
}

fn try_to_write(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".tvdb-")
        .make_in(folder, |path| File::create_new(path))?;
    file.write_all(b"?")?;
    file.close()
}
