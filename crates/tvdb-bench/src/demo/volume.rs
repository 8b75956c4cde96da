use std::path::PathBuf;

/// A weight matrix over time, as it was written: an OpenVDB file of one grid, x the row, y the column,
/// z the step.
pub struct Volume {
    /// The file.
    pub path: PathBuf,
    /// The file's size.
    pub bytes: u64,
}
