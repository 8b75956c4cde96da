/// Sizes of a layer as it stands in memory, base and exact marks included.
// The layout is shared with `temporal_vdb::Figures` in C++; see `grids/ffi.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Figures {
    /// Weights present in the base (active voxels at z = 0).
    pub base_voxels: u64,
    /// Deltas of all retained steps (active voxels at z > 0).
    pub delta_voxels: u64,
    /// Exact marks of all retained steps.
    pub exact_voxels: u64,
    /// Leaves: nodes of 8^3 voxels, 2 KB each however few are active.
    pub leaves: u64,
    /// Lower internal nodes, of 128^3 voxels.
    pub lower_nodes: u64,
    /// Upper internal nodes, of 4096^3 voxels.
    pub upper_nodes: u64,
    /// Bytes of both trees.
    pub memory_bytes: u64,
    /// Bytes of emptied leaves that are kept for the next inserts; see
    /// [`StorageOptions::spare_bytes`](crate::StorageOptions::spare_bytes).
    pub spare_bytes: u64,
}
