use std::num::NonZeroUsize;

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
