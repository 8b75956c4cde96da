//! Where the checkpoints of a run come from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use temporal_vdb::{Checkpoint, Tensor};

use crate::background;
use crate::checkpoint_file;
use crate::failure::with_hint;

/// The checkpoints of a run, in the order of time. They stay on the disk: one or two of them are in
/// memory at a time.
pub(super) struct RunSource {
    /// What to call it.
    pub(super) name: String,
    /// At least two.
    pub(super) files: Vec<PathBuf>,
}

impl RunSource {
    /// The safetensors files of a folder, in the order of their names.
    pub(super) fn in_folder(folder: &Path) -> Result<Self> {
        let files = checkpoint_file::list(folder)?;
        let few = match files.len() {
            0 => "are no checkpoints",
            1 => "is only one checkpoint",
            _ => {
                let name = folder.display().to_string();
                return Ok(RunSource { name, files });
            }
        };
        Err(with_hint(
            anyhow!("there {few} in {}", folder.display()),
            format!(
                "a run is a folder of at least two files named *.{}, one for each step",
                checkpoint_file::EXTENSION
            ),
        ))
    }

    /// The newest step; the first one is 0.
    pub(super) fn last(&self) -> usize {
        self.files.len() - 1
    }
}

/// A checkpoint, and the file's bytes that its tensors are parts of.
pub(super) struct Loaded {
    pub(super) bytes: Bytes,
    pub(super) checkpoint: Checkpoint,
}

impl Loaded {
    pub(super) async fn read(file: &Path) -> Result<Self> {
        Loaded::read_into(file, Vec::new()).await
    }

    /// Reads into memory that is there already, as far as it suffices.
    pub(super) async fn read_into(file: &Path, mut buffer: Vec<u8>) -> Result<Self> {
        let path = file.to_owned();
        let load = move || {
            let mut file = File::open(&path)?;
            buffer.clear();
            buffer
                .try_reserve_exact(usize::try_from(file.metadata()?.len())?)
                .context("there is not enough memory for it")?;
            file.read_to_end(&mut buffer)?;
            let bytes = Bytes::from(buffer);
            let checkpoint = checkpoint_file::parse(bytes.clone())?;
            Ok(Loaded { bytes, checkpoint })
        };
        background::run(load)
            .await
            .with_context(|| format!("cannot read the checkpoint {}", file.display()))
    }
}

/// Whether the tensor is kept as a matrix over time, whose weights change one by one.
pub(super) fn is_weights(tensor: &Tensor) -> bool {
    tensor.dtype.is_weights() && !tensor.data.is_empty()
}

/// What all checkpoints of a run have in common.
#[derive(Clone, Copy)]
pub(super) struct Model {
    pub(super) tensors: usize,
    /// Tensors of weights.
    pub(super) layers: usize,
    /// Elements of those.
    pub(super) weights: u64,
    /// All tensors in their own types.
    pub(super) dense_bytes: u64,
}

impl Model {
    pub(super) fn of(checkpoint: &Checkpoint) -> Self {
        let tensors = &checkpoint.tensors;
        let layers = || tensors.iter().filter(|tensor| is_weights(tensor));
        Model {
            tensors: tensors.len(),
            layers: layers().count(),
            weights: layers()
                .map(|tensor| (tensor.data.len() / tensor.dtype.size()) as u64)
                .sum(),
            dense_bytes: tensors.iter().map(|tensor| tensor.data.len() as u64).sum(),
        }
    }
}
