use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::dtype::Dtype;
use crate::limits::MAX_STEP;

/// The result of this library's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The values of this call are wrong in themselves: mend the call.
    InvalidInput,
    /// The values do not fit the layer as it stands: look at its steps or shape first.
    Conflict,
    /// The step asked for is not retained, or never was.
    NotRetained,
    /// The file is no layer of this library, or a damaged one.
    BadFile,
    /// The operating system refused: a full disk, a missing folder, no permission.
    Io,
    /// Memory ran out.
    OutOfMemory,
    /// The work was stopped before it was done.
    Cancelled,
    /// A fault of this library or of OpenVDB.
    Internal,
}

/// An error, with the value that caused it. A call that fails has changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A step of changes that cannot exist: 0 is the base's, and z ends at 2^31 - 1.
    #[error("step {step} cannot hold changes: steps are 1 to {MAX_STEP}, step 0 is the base")]
    InvalidStep {
        /// The step given.
        step: usize,
    },
    /// Time moves forward: no step before or at the latest can be stored.
    #[error("step {step} does not come after the latest step {latest}: use a step from {next} on", next = latest + 1)]
    StepOutOfOrder {
        /// The step given.
        step: usize,
        /// The newest step there is, or the base's label where there is none.
        latest: usize,
    },
    /// The base was given after changes had been stored upon the old one.
    #[error(
        "the base is fixed: the layer holds changes up to step {latest} upon it; store the base first, or roll back to step 0"
    )]
    BaseFixed {
        /// The newest step there is.
        latest: usize,
    },
    /// A step before the oldest one that is retained.
    #[error("step {step} is pruned: the oldest retained step is {oldest}")]
    Pruned {
        /// The step given.
        step: usize,
        /// The label of the base.
        oldest: usize,
    },
    /// A step that was never stored, or has been merged into a later one; or the changes of the
    /// base, which has none.
    #[error("there is no step {step}: the nearest ones are {} and {}", or_none(*before), or_none(*after))]
    NoSuchStep {
        /// The step given.
        step: usize,
        /// The newest step before it.
        before: Option<usize>,
        /// The oldest step after it.
        after: Option<usize>,
    },
    /// A weight outside the layer.
    #[error("weight ({row}, {col}) is outside the layer of {} rows and {} columns", shape.0, shape.1)]
    OutOfShape {
        /// Row given.
        row: i32,
        /// Column given.
        col: i32,
        /// Rows and columns of the layer.
        shape: (i32, i32),
    },
    /// A region that is empty or reaches outside the layer.
    #[error("rows {rows:?} and columns {cols:?} are no region of a layer of {} rows and {} columns", shape.0, shape.1)]
    InvalidRegion {
        /// Rows given.
        rows: Range<i32>,
        /// Columns given.
        cols: Range<i32>,
        /// Rows and columns of the layer.
        shape: (i32, i32),
    },
    /// One weight twice in a batch.
    #[error("weight ({row}, {col}) is there twice in one batch: give each weight once")]
    DuplicateCoordinate {
        /// Row of the weight.
        row: i32,
        /// Column of the weight.
        col: i32,
    },
    /// A voxel that does not come after the one before it, in a batch given as sorted.
    #[error("weight ({row}, {col}) is out of order: a sorted batch ascends by row, then column")]
    NotSorted {
        /// Row of the weight.
        row: i32,
        /// Column of the weight.
        col: i32,
    },
    /// A delta, or a sum of them, that is NaN or infinite.
    #[error(
        "the delta of weight ({row}, {col}) is {value}: deltas are finite (a weight that becomes NaN or infinite is recorded by an exact mark)"
    )]
    NotFinite {
        /// Row of the weight.
        row: i32,
        /// Column of the weight.
        col: i32,
        /// The delta or the sum.
        value: f32,
    },
    /// Accumulation onto a weight whose value in the open step is fixed by an exact mark.
    #[error("weight ({row}, {col}) has an exact mark in step {step}: accumulate into a new step")]
    ExactMark {
        /// Row of the weight.
        row: i32,
        /// Column of the weight.
        col: i32,
        /// The step.
        step: usize,
    },
    /// Weights or changes of another shape than the layer's.
    #[error("shape {} x {} given where {} x {} is expected", found.0, found.1, expected.0, expected.1)]
    ShapeMismatch {
        /// Rows and columns expected.
        expected: (i32, i32),
        /// Rows and columns given.
        found: (i32, i32),
    },
    /// A shape without rows or columns.
    #[error("a layer has at least 1 row and 1 column, not {rows} x {cols}")]
    InvalidShape {
        /// Rows given.
        rows: i32,
        /// Columns given.
        cols: i32,
    },
    /// An array whose length is not rows x columns, or parts of a matrix that do not fit together.
    #[error("{what} has {found} elements where {expected} are expected")]
    LengthMismatch {
        /// Which array.
        what: &'static str,
        /// Elements expected.
        expected: usize,
        /// Elements given.
        found: usize,
    },
    /// A ring of fewer than two slots, or of more than z has.
    #[error("a ring of {length} cannot hold a history: give 2 to {MAX_STEP} slots")]
    InvalidRing {
        /// The length given.
        length: usize,
    },
    /// A threshold that is negative, infinite or NaN.
    #[error("threshold {threshold} is no bound: give a finite number of at least 0")]
    InvalidThreshold {
        /// The threshold given.
        threshold: f32,
    },
    /// A score outside of (0, 1].
    #[error("score {above} is no limit: give a number above 0, and at most 1")]
    InvalidScore {
        /// The limit given.
        above: f64,
    },
    /// Changes are to be snapped, and every weight is to come back bit for bit.
    #[error("snapping needs a threshold above 0: give one, or record without snapping")]
    NothingToSnap,
    /// A policy that keeps no step.
    #[error(
        "'{retention}' keeps nothing: keep at least 1 step, and in each tier 1 of every 1 or more"
    )]
    KeepsNothing {
        /// The policy given, as its text.
        retention: String,
    },
    /// A tier whose steps the finer one before it does not keep.
    #[error(
        "a tier of every {coarser} steps does not nest in one of every {finer}: give a multiple of {finer}"
    )]
    TiersDoNotNest {
        /// `every` of the tier before.
        finer: usize,
        /// `every` of the tier.
        coarser: usize,
    },
    /// A text that is no policy.
    #[error("'{text}' is no policy: give 'all', 'last 1000' or 'tiers 10,40@10,50@100'")]
    UnknownRetention {
        /// The text given.
        text: String,
    },
    /// A name that no tag can have.
    #[error(
        "'{name}' cannot name a step: give a text that is no number, without control characters"
    )]
    InvalidTag {
        /// The name given.
        name: String,
    },
    /// A tag that is there already.
    #[error(
        "there is a tag '{name}' already, at step {step}: take it away first, or give another name"
    )]
    TagExists {
        /// The name given.
        name: String,
        /// The step it is at.
        step: usize,
    },
    /// A tag that is not there.
    #[error("there is no tag '{name}'{}", nearest_text(nearest))]
    NoSuchTag {
        /// The name given.
        name: String,
        /// Tags with names like it.
        nearest: Vec<String>,
    },
    /// A step that would go and has a tag.
    #[error("step {step} is pinned by tag '{tag}': take the tag away first")]
    Pinned {
        /// The step.
        step: usize,
        /// One of its tags.
        tag: String,
    },
    /// Tags or a policy for a layer whose steps go round in a ring.
    #[error(
        "the layer is a ring of {length} slots, which decides alone what stays: use one without a ring"
    )]
    FixedByRing {
        /// Slots of the ring.
        length: usize,
    },
    /// A rollback to before a layer began that cannot be taken out of the store, since others came
    /// after it.
    #[error(
        "layer '{name}' began at step {created}, after step {step}, and layers that stay came after it: roll back to {created} or later"
    )]
    LayerBeganLater {
        /// The layer.
        name: String,
        /// The step it began at.
        created: usize,
        /// The step to go back to.
        step: usize,
    },
    /// A scale that is NaN or infinite.
    #[error("scale {scale} is no number to multiply with: give a finite one")]
    InvalidScale {
        /// The scale given.
        scale: f32,
    },
    /// A file that cannot be read as a layer.
    #[error("{}: not a layer that can be read: {reason}", path.display())]
    NotALayer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that is no store of this library.
    #[error("{}: not a store: {reason}", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A store that a newer version has written.
    #[error("{}: the store has format {found}, and this version reads up to {supported}: use a newer one", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        found: i32,
        /// The newest that can be read.
        supported: i32,
    },
    /// A new store was to be made where there is a file.
    #[error("{}: there is a file already: open it, or give another name", path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// Another process, or another handle in this one, has the store open for writing.
    #[error("{}: in use: another process or handle is recording into it; read it beside, or wait", path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// A write to a store that was opened for reading.
    #[error("{}: opened for reading only: open it for writing first", path.display())]
    ReadOnly {
        /// The store.
        path: PathBuf,
    },
    /// Bytes of a store that are not what was written.
    #[error("{}damaged: {what}", path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default())]
    Damaged {
        /// The store, where it is known.
        path: Option<PathBuf>,
        /// What is wrong with it.
        what: String,
    },
    /// What keeps the store's rows could not do what it was asked.
    #[error("{}: {source}", path.display())]
    Database {
        /// The store.
        path: PathBuf,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A layer that the store does not have.
    #[error("there is no layer '{name}'{}", nearest_text(nearest))]
    NoSuchLayer {
        /// The name given.
        name: String,
        /// Layers with names like it.
        nearest: Vec<String>,
    },
    /// A layer that the store has already.
    #[error("there is a layer '{name}' already")]
    LayerExists {
        /// The name given.
        name: String,
    },
    /// A layer that is kept whole was asked for as a matrix.
    #[error(
        "'{name}' is {dtype}, which is kept whole: only F32, BF16 and F16 tensors with elements are matrices over time"
    )]
    NotAMatrix {
        /// The layer.
        name: String,
        /// Its type.
        dtype: Dtype,
    },
    /// A checkpoint without a tensor that the store has.
    #[error("the checkpoint lacks tensor '{name}', which the store has: a step has all layers")]
    MissingTensor {
        /// The tensor.
        name: String,
    },
    /// A checkpoint with a tensor that the store does not have.
    #[error("the checkpoint has a new tensor '{name}': allow new layers to add it")]
    NewTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor of another type or shape than the layer's.
    #[error("tensor '{name}' is {found} where the store has {expected}")]
    TensorMismatch {
        /// The tensor.
        name: String,
        /// Type and shape of the layer.
        expected: String,
        /// Type and shape given.
        found: String,
    },
    /// A checkpoint with two tensors of one name, or a step with two contributions to one layer.
    #[error("'{name}' is there twice in one step: give each layer once")]
    DuplicateTensor {
        /// The name.
        name: String,
    },
    /// Data whose length is not what the tensor's shape says.
    #[error("tensor '{name}' has {found} bytes where its shape needs {expected}")]
    TensorLength {
        /// The tensor.
        name: String,
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// A result that is no value of the layer's type.
    #[error(
        "weight ({row}, {col}) would become {value}, which is no {dtype}: store such deltas in an F32 layer"
    )]
    OffLattice {
        /// Row of the weight.
        row: i32,
        /// Column of the weight.
        col: i32,
        /// What the delta leads to.
        value: f32,
        /// The layer's type.
        dtype: Dtype,
    },
    /// A step that changes nothing in no layer.
    #[error("step {step} names no layer: give it tensors or changes")]
    EmptyStep {
        /// The step.
        step: usize,
    },
    /// An option of a volume that cannot be.
    #[error("{option} {value} cannot be: give {expected}")]
    InvalidVolume {
        /// Which option.
        option: &'static str,
        /// The value given.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A volume of layers that did not move, or by nothing that could be seen.
    #[error(
        "there is nothing to show: no weight moved from step {from} to {to} (layers asked for: {layers})"
    )]
    NothingMoves {
        /// How many layers were asked for.
        layers: usize,
        /// The state that movements would begin from.
        from: usize,
        /// The last step.
        to: usize,
    },
    /// A volume whose voxels would take more bytes than it may.
    #[error(
        "the volume would take up to {bytes} bytes, and may take {limit}: pool more weights to a voxel, or leave out steps"
    )]
    VolumeTooLarge {
        /// Of all its voxels.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A frame of an earlier sequence that would go on after a new, shorter one.
    #[error("{}: a frame of an earlier, longer sequence: remove those frames, or give another name", path.display())]
    StaleFrames {
        /// The first of them.
        path: PathBuf,
    },
    /// A failure of the file system.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Memory ran out.
    #[error("out of memory: prune or roll back some history, or use a smaller region")]
    OutOfMemory,
    /// An exception of OpenVDB that no call should have caused.
    #[error("OpenVDB: {exception}: {message}")]
    OpenVdb {
        /// Class of the exception, such as `KeyError`.
        exception: String,
        /// Its message.
        message: String,
    },
    /// What should not have come about: a fault of this library, or anything else that C++ code threw.
    #[error("unexpected: {message}")]
    Unexpected {
        /// What it was.
        message: String,
    },
    /// The runtime was shut down before the work was done, or a [`Progress`](crate::Progress) was
    /// cancelled.
    #[error("the work was cancelled before it was done")]
    Cancelled,
    /// A panic while the layer was being written has left it in an unknown state.
    #[error("an earlier panic interrupted a write to this layer: drop it and open it again")]
    Poisoned,
}

fn or_none(step: Option<usize>) -> String {
    step.map_or_else(|| "none".to_owned(), |step| step.to_string())
}

fn nearest_text(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!(": is it {}?", quoted.join(" or "))
}

impl Error {
    /// Damage in a store whose path the caller knows.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Error::Damaged {
            path: None,
            what: what.into(),
        }
    }

    /// This error with a file, where it is about one that it does not name.
    pub(crate) fn in_file(self, file: &Path) -> Self {
        match self {
            Error::Damaged { path: None, what } => Error::Damaged {
                path: Some(file.to_owned()),
                what,
            },
            other => other,
        }
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::InvalidStep { .. }
            | Error::OutOfShape { .. }
            | Error::InvalidRegion { .. }
            | Error::DuplicateCoordinate { .. }
            | Error::NotSorted { .. }
            | Error::NotFinite { .. }
            | Error::InvalidShape { .. }
            | Error::LengthMismatch { .. }
            | Error::InvalidRing { .. }
            | Error::InvalidThreshold { .. }
            | Error::InvalidScore { .. }
            | Error::NothingToSnap
            | Error::DuplicateTensor { .. }
            | Error::TensorLength { .. }
            | Error::EmptyStep { .. }
            | Error::KeepsNothing { .. }
            | Error::TiersDoNotNest { .. }
            | Error::UnknownRetention { .. }
            | Error::InvalidTag { .. }
            | Error::InvalidScale { .. }
            | Error::InvalidVolume { .. }
            | Error::VolumeTooLarge { .. } => ErrorKind::InvalidInput,
            Error::StepOutOfOrder { .. }
            | Error::BaseFixed { .. }
            | Error::ShapeMismatch { .. }
            | Error::ExactMark { .. }
            | Error::AlreadyExists { .. }
            | Error::InUse { .. }
            | Error::ReadOnly { .. }
            | Error::NoSuchLayer { .. }
            | Error::LayerExists { .. }
            | Error::NotAMatrix { .. }
            | Error::MissingTensor { .. }
            | Error::NewTensor { .. }
            | Error::TensorMismatch { .. }
            | Error::OffLattice { .. }
            | Error::TagExists { .. }
            | Error::NoSuchTag { .. }
            | Error::Pinned { .. }
            | Error::LayerBeganLater { .. }
            | Error::FixedByRing { .. }
            | Error::NothingMoves { .. }
            | Error::StaleFrames { .. } => ErrorKind::Conflict,
            Error::Pruned { .. } | Error::NoSuchStep { .. } => ErrorKind::NotRetained,
            Error::NotALayer { .. }
            | Error::NotAStore { .. }
            | Error::NewerFormat { .. }
            | Error::Damaged { .. } => ErrorKind::BadFile,
            Error::Io { .. } | Error::Database { .. } => ErrorKind::Io,
            Error::OutOfMemory => ErrorKind::OutOfMemory,
            Error::Cancelled => ErrorKind::Cancelled,
            Error::OpenVdb { .. } | Error::Unexpected { .. } | Error::Poisoned => {
                ErrorKind::Internal
            }
        }
    }
}
