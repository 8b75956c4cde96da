use std::ops::Range;
use std::sync::Arc;

use crate::store::database::digest::Sum;

/// Where the blobs of a group or keyframe are, and what they must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blobs {
    /// Tiles in each blob's run; the last may have fewer.
    pub(crate) per_run: usize,
    /// Id of the first; the others follow.
    pub(crate) first: u64,
    /// Bytes of all of them.
    pub(crate) bytes: u64,
    /// A checksum for each, over its key and content.
    pub(crate) sums: Arc<[u64]>,
}

impl Blobs {
    /// Of a row whose blobs have not been written yet.
    pub(crate) fn none() -> Self {
        Blobs {
            per_run: 1,
            first: 0,
            bytes: 0,
            sums: [].into(),
        }
    }

    pub(super) fn manifest(&self) -> Vec<u8> {
        self.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()
    }

    pub(super) fn sums_of(manifest: &[u8]) -> Arc<[u64]> {
        let (sums, _) = manifest.as_chunks::<8>();
        sums.iter().map(|sum| u64::from_le_bytes(*sum)).collect()
    }

    pub(crate) fn ids(&self) -> Range<u64> {
        self.first..self.first.saturating_add(self.sums.len() as u64)
    }

    /// The id of a run's blob, and its checksum; `None` where there are fewer.
    pub(crate) fn of_run(&self, run: usize) -> Option<(u64, u64)> {
        let sum = *self.sums.get(run)?;
        Some((self.first.checked_add(run as u64)?, sum))
    }

    /// Bytes of the file that these take, manifest included.
    pub(crate) fn cost(&self) -> u64 {
        self.bytes + 8 * self.sums.len() as u64
    }
}

/// Whose blobs they are, which their checksums cover too: so that no blob passes for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlobOwner {
    Group { layer: u32, first: i32, last: i32 },
    Keyframe { layer: u32, step: i32 },
}

impl BlobOwner {
    /// The checksum of the blob of a run.
    pub(crate) fn sum(self, run: usize, data: &[u8]) -> u64 {
        let owner = match self {
            BlobOwner::Group { layer, first, last } => {
                Sum::of("block").number(layer).number(first).number(last)
            }
            BlobOwner::Keyframe { layer, step } => Sum::of("keyframe").number(layer).number(step),
        };
        owner.count(run as u64).bytes(data).sum() as u64
    }
}
