//! What a store tells of itself.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::dtype::Dtype;
use crate::store::note::Note;
use crate::values::Checkpoint;

/// The tensors of a model at one time.
#[derive(Clone, Debug)]
pub struct ModelWeights {
    /// The newest step that went into it.
    pub timestep: usize,
    /// The tensors, in the order in which they came into the store, and the metadata of that step.
    pub checkpoint: Checkpoint,
}

/// A layer of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// The tensor's true shape.
    pub shape: Vec<usize>,
    /// Rows and columns of the matrix over time; `None` for a tensor that is kept whole.
    pub matrix: Option<(i32, i32)>,
    /// The oldest step that can be asked for.
    pub oldest: usize,
    /// The newest step.
    pub latest: usize,
}

/// A step of a store.
#[derive(Clone, Debug, PartialEq)]
pub struct StepInfo {
    /// The timestep.
    pub step: usize,
    /// When it was committed; the last time where it was committed layer by layer.
    pub time: SystemTime,
    /// What was noted with it.
    pub notes: BTreeMap<String, Note>,
    /// How many layers it is a step of.
    pub layers: usize,
}

/// Sizes of a store. Bytes are of the file, before file system blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The oldest retained step, if there is any.
    pub oldest: Option<usize>,
    /// The newest one.
    pub latest: Option<usize>,
    /// How many steps there are.
    pub count: usize,
    /// Changed weights of all retained steps after the base.
    pub changes: u64,
    /// The layers' bases: their oldest states.
    pub base_bytes: u64,
    /// Keyframes after the bases, and tensors that are kept whole.
    pub keyframe_bytes: u64,
    /// The journal: steps that are not sealed yet.
    pub journal_bytes: u64,
    /// Sealed blocks.
    pub block_bytes: u64,
    /// The database file.
    pub database_bytes: u64,
    /// The log beside it: what has been committed and is not in that file yet.
    pub log_bytes: u64,
    /// What the retained steps would take as one array of each tensor per step.
    pub raw_bytes: u64,
    /// The layers, in the order in which they came into the store.
    pub layers: Vec<LayerStats>,
}

impl StoreStats {
    /// All bytes on the disk.
    pub fn file_bytes(&self) -> u64 {
        self.database_bytes + self.log_bytes
    }

    /// Journal and blocks over changes; `None` without changes.
    pub fn bytes_per_change(&self) -> Option<f64> {
        self.per_change(self.journal_bytes + self.block_bytes)
    }

    /// All of the file but the bases, over changes; `None` without changes.
    pub fn file_bytes_per_change(&self) -> Option<f64> {
        self.per_change(self.file_bytes().saturating_sub(self.base_bytes))
    }

    fn per_change(&self, bytes: u64) -> Option<f64> {
        (self.changes > 0).then(|| bytes as f64 / self.changes as f64)
    }
}

/// Sizes of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerStats {
    /// The layer itself.
    pub info: LayerInfo,
    /// Retained steps after the base.
    pub steps: usize,
    /// Changed weights of those.
    pub changes: u64,
    /// Base, keyframes, journal and blocks.
    pub bytes: u64,
}

/// What [`TemporalStore::verify`](crate::TemporalStore::verify) has read and found whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Commits of the chain.
    pub commits: u64,
    /// Layers.
    pub layers: u64,
    /// States whose digests were computed anew, and which are what was recorded.
    pub states: u64,
    /// Blobs read.
    pub blobs: u64,
    /// Bytes of those.
    pub bytes: u64,
}

/// What recording a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The step.
    pub step: usize,
    /// How many layers it is a step of.
    pub layers: usize,
    /// How many weights it changed; those of new layers are not counted.
    pub changes: u64,
}
