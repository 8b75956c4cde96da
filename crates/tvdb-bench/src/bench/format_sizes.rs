//! What a run takes in each of the other forms.

use anyhow::{Context, Result};
use rayon::prelude::*;
use temporal_vdb::{Checkpoint, Tensor};

use super::delta_formats::{Changed, xor};
use super::run_source::{RunSource, is_weights};
use crate::{Listener, background};

/// What all steps after the first take in other forms, each compressed with zstd: bytes.
#[derive(Clone, Copy, Default)]
pub struct FormatSizes {
    /// Weights that differ from one checkpoint to the next, over all steps: a count.
    pub changes: u64,
    /// From one changed weight to the next, and by how many units in the last place each changed.
    pub gap_coded: u64,
    /// A bit for each weight, set where it changed, and the same differences.
    pub bitmap: u64,
    /// The bits of all weights that differ.
    pub xor: u64,
}

impl FormatSizes {
    /// Encodes what each checkpoint changed in the one before. Two of them are in memory at a time.
    pub(super) async fn measure(run: &RunSource, listener: &dyn Listener) -> Result<Self> {
        let mut sum = FormatSizes::default();
        let mut before = None;
        for step in run.steps() {
            let after = run.read(step).await?;
            before = Some(match before {
                None => after,
                Some(before) => {
                    let encode = move || Ok((FormatSizes::of_step(&before, &after)?, after));
                    let (sizes, after) = background::run(encode)
                        .await
                        .with_context(|| format!("what {} changed", run.file(step).display()))?;
                    sum = sum.plus(sizes);
                    after
                }
            });
            listener.advance();
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
