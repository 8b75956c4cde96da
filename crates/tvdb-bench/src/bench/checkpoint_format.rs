use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use temporal_vdb::Checkpoint;

/// How checkpoints lie in files, which is for the caller to know: the files of a run are read, those of
/// a made-up run written.
#[derive(Clone, Copy)]
pub struct CheckpointFormat {
    /// What file names end in, without the dot.
    pub extension: &'static str,
    /// The checkpoint that all bytes of a file are. Its tensors should be parts of them, not copies.
    pub parse: fn(Bytes) -> Result<Checkpoint>,
    /// Writes a checkpoint to a file, over an older one.
    pub write: fn(&Path, &Checkpoint) -> Result<()>,
}
