//! What a run takes in each of the other forms.

use anyhow::{Context, Result};
use rayon::prelude::*;
use temporal_vdb::{Checkpoint, Tensor};

use super::delta_formats::{Changed, xor};
use super::run_source::{Loaded, RunSource, is_weights};
use crate::background;
use crate::progress::Progress;

/// Bytes of all steps after the first.
#[derive(Clone, Copy, Default)]
pub(super) struct FormatSizes {
    pub(super) changes: u64,
    pub(super) gap_coded: u64,
    pub(super) bitmap: u64,
    pub(super) xor: u64,
}

impl FormatSizes {
    /// Encodes what each checkpoint changed in the one before. Two of them are in memory at a time.
    pub(super) async fn measure(run: &RunSource, progress: &Progress) -> Result<Self> {
        let mut sum = FormatSizes::default();
        let mut before = None;
        for file in &run.files {
            let after = Loaded::read(file).await?.checkpoint;
            before = Some(match before {
                None => after,
                Some(before) => {
                    let encode = move || Ok((FormatSizes::of_step(&before, &after)?, after));
                    let (sizes, after) = background::run(encode)
                        .await
                        .with_context(|| format!("what {} changed", file.display()))?;
                    sum = sum.plus(sizes);
                    after
                }
            });
            progress.advance();
        }
        Ok(sum)
    }

    fn of_step(before: &Checkpoint, after: &Checkpoint) -> Result<Self> {
        let of_tensor = |tensor: &Tensor| {
            let mut others = before.tensors.iter();
            let before = others
                .find(|other| other.name == tensor.name)
                .with_context(|| format!("adds tensor '{}'", tensor.name))?;
            FormatSizes::of_tensor(&before.data, &tensor.data, tensor.dtype.size())
        };
        let tensors = after.tensors.par_iter().filter(|tensor| is_weights(tensor));
        tensors
            .map(of_tensor)
            .try_reduce(FormatSizes::default, |a, b| Ok(a.plus(b)))
    }

    fn of_tensor(before: &[u8], after: &[u8], size: usize) -> Result<Self> {
        let changed = Changed::between(before, after, size)?;
        if changed.len() == 0 {
            return Ok(FormatSizes::default());
        }
        let bytes = |parts: [Vec<u8>; 2]| parts.iter().map(|part| part.len() as u64).sum();
        Ok(FormatSizes {
            changes: changed.len() as u64,
            gap_coded: bytes(changed.gap_coded()?),
            bitmap: bytes(changed.bitmap()?),
            xor: xor(before, after, size)?.len() as u64,
        })
    }

    fn plus(self, other: Self) -> Self {
        FormatSizes {
            changes: self.changes + other.changes,
            gap_coded: self.gap_coded + other.gap_coded,
            bitmap: self.bitmap + other.bitmap,
            xor: self.xor + other.xor,
        }
    }
}
