//! Where the checkpoints of a run come from.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;
use temporal_vdb::{Checkpoint, Tensor};

use super::checkpoint_format::CheckpointFormat;
use crate::background;

/// The checkpoints of a run, in the order of time. They stay on the disk: one or two of them are in
/// memory at a time.
pub struct RunSource {
    name: String,
    /// At least two.
    files: Vec<PathBuf>,
    format: CheckpointFormat,
}

impl RunSource {
    /// A run of at least two files, one for each step; `None` where there are fewer. `name` is what
    /// the report calls it.
    pub fn new(name: String, files: Vec<PathBuf>, format: CheckpointFormat) -> Option<Self> {
        (files.len() >= 2).then_some(RunSource {
            name,
            files,
            format,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// All steps, from 0 on.
    pub(super) fn steps(&self) -> Range<usize> {
        0..self.files.len()
    }

    /// The newest step.
    pub(super) fn last(&self) -> usize {
        self.files.len() - 1
    }

    /// The file of a step.
    pub(super) fn file(&self, step: usize) -> &Path {
        &self.files[step]
    }

    /// The checkpoint of a step.
    pub(super) async fn read(&self, step: usize) -> Result<Checkpoint> {
        Ok(self.load(step, Vec::new()).await?.checkpoint)
    }

    /// The file of a step, in memory that is there already, as far as it suffices.
    pub(super) async fn load(&self, step: usize, mut buffer: Vec<u8>) -> Result<Loaded> {
        let (path, parse) = (self.file(step).to_owned(), self.format.parse);
        let load = move || {
            let mut file = File::open(&path)?;
            buffer.clear();
            buffer
                .try_reserve_exact(usize::try_from(file.metadata()?.len())?)
                .context("there is not enough memory for it")?;
            file.read_to_end(&mut buffer)?;
            let bytes = Bytes::from(buffer);
            let checkpoint = parse(bytes.clone())?;
            Ok(Loaded { bytes, checkpoint })
        };
        background::run(load)
            .await
            .with_context(|| format!("cannot read the checkpoint {}", self.file(step).display()))
    }
}

/// A checkpoint, and the file's bytes that its tensors are parts of.
pub(super) struct Loaded {
    pub(super) bytes: Bytes,
    pub(super) checkpoint: Checkpoint,
}

/// Whether the tensor is kept as a matrix over time, whose weights change one by one.
pub(super) fn is_weights(tensor: &Tensor) -> bool {
    tensor.dtype.is_weights() && !tensor.data.is_empty()
}

/// What all checkpoints of a run have in common.
#[derive(Clone, Copy)]
pub struct Model {
    /// How many tensors there are.
    pub tensors: usize,
    /// How many of them are weights, which change one by one.
    pub layers: usize,
    /// How many elements those have.
    pub weights: u64,
    /// Bytes of all tensors in their own types.
    pub dense_bytes: u64,
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
