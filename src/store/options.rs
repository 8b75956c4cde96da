use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use crate::detect::{check_snapped, check_threshold};
use crate::error::Result;
use crate::store::note::Note;

/// When an acknowledged step is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A step that is acknowledged survives the process being killed, and power loss.
    #[default]
    Immediate,
    /// A step that is acknowledged survives the process being killed. Power loss may take the last
    /// steps, but never part of one.
    Eventual,
}

/// What a store saves on: space, or the time that reading an old step takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Favor {
    /// Keyframes take at most a quarter of what the changes take.
    #[default]
    Size,
    /// Keyframes may take as much as the changes: old steps are read several times faster.
    Reads,
}

/// How changes are coded where slabs are merged into longer groups. The newest steps are always in
/// the fast coding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// Quick to write and to read.
    Fast,
    /// Each change by how likely it is for a weight of its size and past: 0.6 to 0.8 times the bytes
    /// for weights of 16 bits, 0.95 times for those of 32, at two to five times the time. Changes
    /// that are hardly smaller for it stay in the fast coding.
    #[default]
    Dense,
}

/// How a store works, whatever it holds.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// When an acknowledged step is safe.
    pub durability: Durability,
    /// How many keyframes there are.
    pub favor: Favor,
    /// How merged slabs are coded.
    pub codec: Codec,
    /// Threads for each heavy call; `None` is one per core. Results do not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// Bytes of blocks, as they are in the file, to keep in memory for the next reads.
    pub cache_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            durability: Durability::default(),
            favor: Favor::default(),
            codec: Codec::default(),
            threads: None,
            cache_bytes: 4 << 20,
        }
    }
}

/// Which changes of a weight are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Threshold {
    /// All: every tensor comes back bit for bit.
    #[default]
    Lossless,
    /// Those by more than this; what is given back is within it. Finite, at least 0.
    Absolute(f32),
    /// Those by more than this share of the standard deviation of the tensor's elements at the step.
    Relative(f32),
    /// Those by more than this; what is given back is within it. What is recorded is snapped: instead
    /// of the changes to the very weights, multiples of one step, about twice the threshold, that lead
    /// to within it of them. Similar changes become the same, which takes a fraction of the bytes.
    /// Above 0.
    SnappedAbsolute(f32),
    /// Those by more than this share of the standard deviation of the tensor's elements at the step,
    /// snapped as by `SnappedAbsolute`. Above 0.
    SnappedRelative(f32),
}

impl Threshold {
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Threshold::Lossless => Ok(()),
            Threshold::Absolute(bound) | Threshold::Relative(bound) => check_threshold(bound),
            Threshold::SnappedAbsolute(bound) | Threshold::SnappedRelative(bound) => {
                check_snapped(bound)
            }
        }
    }

    pub(crate) fn snaps(self) -> bool {
        matches!(
            self,
            Threshold::SnappedAbsolute(_) | Threshold::SnappedRelative(_)
        )
    }
}

/// How a checkpoint is recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordOptions {
    /// Which changes are recorded. A layer's first state is always recorded exactly.
    pub threshold: Threshold,
    /// Take tensors that the store does not have as new layers, from this step on.
    pub allow_new_layers: bool,
    /// Kept with the step.
    pub notes: BTreeMap<String, Note>,
}
