use std::num::NonZeroUsize;

use super::grid::GridOptions;
use crate::values::Ring;

/// How a storage of one layer works, whatever it holds.
#[derive(Clone, Copy, Debug)]
pub struct StorageOptions {
    /// Use z as a circular buffer: a write folds the steps that the ring has no slot for any more.
    pub ring: Option<Ring>,
    /// Threads for each heavy call; `None` is one per core. Results do not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// Bytes of emptied leaves to keep for the next inserts, which then fault in no fresh memory.
    /// Worth raising for a ring, whose slices empty and fill in turn.
    pub spare_bytes: usize,
}

impl Default for StorageOptions {
    fn default() -> Self {
        StorageOptions {
            ring: None,
            threads: None,
            spare_bytes: 64 << 20,
        }
    }
}

impl StorageOptions {
    pub(crate) fn grid(&self) -> GridOptions {
        GridOptions {
            threads: self.threads,
            spare_bytes: self.spare_bytes,
        }
    }
}
