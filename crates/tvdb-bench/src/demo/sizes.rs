//! What a run takes in memory and on disk, and what the same history takes in other forms.

use anyhow::Result;

use super::recording::Recording;
use super::volume::Volume;
use crate::training::STEPS;

/// What a run takes, and what the same history takes in other forms: bytes, except where said.
pub struct Sizes {
    /// The grids in memory.
    pub grids: u64,
    /// Leaves of the grids: a count.
    pub leaves: u64,
    /// Exact marks in the grids: a count.
    pub marks: u64,
    /// A `HashMap<(i32, i32), f32>` of deltas for each step and matrix.
    pub hash_maps: u64,
    /// The volumes on disk.
    pub volumes: u64,
    /// All weights as f32 for each step, base included: in memory as on disk. (A safetensors file
    /// has a few hundred bytes of names and shapes more.)
    pub checkpoints: u64,
}

impl Sizes {
    pub(super) async fn measure(recording: &Recording, volumes: &[Volume]) -> Result<Self> {
        let mut sizes = Sizes {
            grids: 0,
            leaves: 0,
            marks: 0,
            hash_maps: recording.hash_map_bytes,
            volumes: volumes.iter().map(|volume| volume.bytes).sum(),
            checkpoints: 0,
        };
        for matrix in &recording.matrices {
            let figures = matrix.storage.figures().await?;
            sizes.grids += figures.memory_bytes;
            sizes.leaves += figures.leaves;
            sizes.marks += figures.exact_voxels;
            let weights = matrix.times_changed.len();
            sizes.checkpoints += (weights * size_of::<f32>() * (STEPS + 1)) as u64;
        }
        Ok(sizes)
    }
}
