/// What pruning takes away, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The steps that go, ascending: the base's old label first where the base moves.
    pub steps: Vec<usize>,
    /// The base's label afterwards.
    pub oldest: usize,
    /// Bytes that become free: of grids in memory, or in the file, where later steps use them again
    /// or compaction gives them back. 0 where merging takes more than it gives.
    pub freed_bytes: u64,
}
