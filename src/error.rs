use std::io;
use std::ops::Range;
use std::path::PathBuf;

use crate::MAX_STEP;

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
    /// The runtime went away before the work was done.
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
    /// The changes of a step that was never stored, or of the base, which has none.
    #[error("there are no changes of step {step}: the nearest steps with changes are {} and {}", or_none(*before), or_none(*after))]
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
    /// A file that cannot be read as a layer.
    #[error("{}: not a layer that can be read: {reason}", path.display())]
    NotALayer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
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
    /// Anything else that C++ code threw.
    #[error("unexpected exception: {message}")]
    Unexpected {
        /// Its message.
        message: String,
    },
    /// The runtime was shut down before the work was done.
    #[error("the async runtime was shut down before the work was done")]
    Cancelled,
    /// A panic while the layer was being written has left it in an unknown state.
    #[error("an earlier panic interrupted a write to this layer: drop it and open it again")]
    Poisoned,
}

fn or_none(step: Option<usize>) -> String {
    step.map_or_else(|| "none".to_owned(), |step| step.to_string())
}

impl Error {
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
            | Error::InvalidThreshold { .. } => ErrorKind::InvalidInput,
            Error::StepOutOfOrder { .. }
            | Error::BaseFixed { .. }
            | Error::ShapeMismatch { .. }
            | Error::ExactMark { .. } => ErrorKind::Conflict,
            Error::Pruned { .. } | Error::NoSuchStep { .. } => ErrorKind::NotRetained,
            Error::NotALayer { .. } => ErrorKind::BadFile,
            Error::Io { .. } => ErrorKind::Io,
            Error::OutOfMemory => ErrorKind::OutOfMemory,
            Error::Cancelled => ErrorKind::Cancelled,
            Error::OpenVdb { .. } | Error::Unexpected { .. } | Error::Poisoned => {
                ErrorKind::Internal
            }
        }
    }
}
