use std::ops::Range;

use crate::store::options::Codec;

/// Consecutive steps of a layer that are to become one group.
pub(super) struct Job {
    pub(super) layer: u32,
    /// Places in [`LayerIndex::steps`].
    pub(super) steps: Range<usize>,
    /// Those of them that stay steps, the last one among them. What the others changed goes into
    /// the next one that stays.
    pub(super) stays: Vec<usize>,
    pub(super) codec: Codec,
    /// How many weights the steps changed; at most, where some do not stay.
    pub(super) changes: u64,
    /// Of sealed groups, not of the journal.
    pub(super) compacts: bool,
}
