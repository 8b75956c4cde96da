//! Plain data about z that crosses the bridge. Layouts are shared with C++; see `ffi.rs`.

/// Slices first..=last. Several in time order say how slices follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct ZSpan {
    pub(crate) first: i32,
    pub(crate) last: i32,
}

/// A value at a z of one column of voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub(crate) struct ZValue {
    pub(crate) z: i32,
    pub(crate) value: f32,
}
