/// One active voxel of a slice: a weight and a value for it.
///
/// In batches voxels ascend by (row, col).
// The layout is shared with `temporal_vdb::Voxel` in C++; see `grids/ffi.rs`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Voxel {
    /// Row of the weight, from 0.
    pub row: i32,
    /// Column of the weight, from 0.
    pub col: i32,
    /// A delta, an exact mark, or a state: what the batch is about.
    pub value: f32,
}

impl Voxel {
    pub(crate) fn key(&self) -> (i32, i32) {
        (self.row, self.col)
    }
}
