//! Which tensors of a checkpoint are recorded.

use anyhow::{Result, anyhow, ensure};
use globset::{Glob, GlobMatcher};
use temporal_vdb::Checkpoint;

use crate::failure::with_hint;
use crate::numbers::counted;

/// Tensors by their names; all of them where no glob is given.
pub(super) struct Selection {
    globs: Vec<GlobMatcher>,
}

impl Selection {
    pub(super) fn new(globs: &[Glob]) -> Self {
        Selection {
            globs: globs.iter().map(Glob::compile_matcher).collect(),
        }
    }

    /// What there is to record of a checkpoint. A glob that matches nothing is a slip of the keyboard.
    pub(super) fn apply(&self, mut checkpoint: Checkpoint) -> Result<Checkpoint> {
        ensure!(!checkpoint.tensors.is_empty(), "there are no tensors in it");
        if self.globs.is_empty() {
            return Ok(checkpoint);
        }
        let tensors = &checkpoint.tensors;
        let idle = |glob: &&GlobMatcher| !tensors.iter().any(|tensor| glob.is_match(&tensor.name));
        if let Some(glob) = self.globs.iter().find(idle) {
            let count = counted(tensors.len() as u64, "tensor");
            let error = anyhow!(
                "--layers '{}' matches none of its {count}",
                glob.glob().glob()
            );
            let hint = format!(
                "names are matched as a whole; the first is '{}'",
                tensors[0].name
            );
            return Err(with_hint(error, hint));
        }
        checkpoint
            .tensors
            .retain(|tensor| self.globs.iter().any(|glob| glob.is_match(&tensor.name)));
        Ok(checkpoint)
    }
}
