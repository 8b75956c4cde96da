//! What a run takes in memory and on disk, and what the same history takes in other forms.

use std::collections::HashMap;
use std::mem::size_of;

use anyhow::Result;

use super::folder::Volume;
use super::recording::Recording;
use super::training::STEPS;

/// Bytes, except where said.
pub(super) struct Sizes {
    /// The grids in memory.
    pub(super) grids: u64,
    /// Leaves of the grids: a count.
    pub(super) leaves: u64,
    /// Exact marks in the grids: a count.
    pub(super) marks: u64,
    /// A `HashMap<(i32, i32), f32>` of deltas for each step and matrix.
    pub(super) hash_maps: u64,
    /// The volumes on disk.
    pub(super) volumes: u64,
    /// All weights as f32 for each step, base included: in memory as on disk. (A safetensors file
    /// has a few hundred bytes of names and shapes more.)
    pub(super) checkpoints: u64,
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

/// What a hash map has allocated.
///
/// The standard library does not say, but its table (hashbrown) follows from the capacity: it has
/// a power of two of buckets, of which 7/8 may be used (all but one where there are at most 8),
/// and each bucket takes an entry and a control byte. A few bytes of padding are left out.
pub(super) fn hash_map_bytes<K, V>(map: &HashMap<K, V>) -> u64 {
    let buckets = match map.capacity() {
        0 => 0,
        capacity @ 1..8 => capacity + 1,
        capacity => (capacity * 8 / 7).next_power_of_two(),
    };
    (buckets * (size_of::<(K, V)>() + 1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_with_room_for(count: usize) -> u64 {
        hash_map_bytes(&HashMap::<(i32, i32), f32>::with_capacity(count))
    }

    #[test]
    fn hash_maps_have_a_power_of_two_of_buckets() {
        const BUCKET: u64 = 12 + 1;
        for (count, buckets) in [
            (0, 0),
            (1, 4),
            (7, 8),
            (28, 32),
            (29, 64),
            (57_344, 65_536),
            (57_345, 131_072),
        ] {
            assert_eq!(bytes_with_room_for(count), buckets * BUCKET, "{count}");
        }
    }
}
