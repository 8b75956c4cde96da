//! The bridge to the C++ kernels. `include/temporal_vdb/bridge.h` reads the same; only `grid.rs` may
//! use this.
#![allow(unsafe_code)]

use cxx::{ExternType, kind, type_id};

use super::zspan::{ZSpan, ZValue};
use crate::values::{Figures, Region, Voxel};
use crate::vdb::{Extent, TreeBytes};

#[cxx::bridge(namespace = "temporal_vdb::bridge")]
mod bridge {
    // SAFETY: the C++ side checks what it is given and throws rather than break memory; the plain
    // structs have the same layout on both sides (asserted below and in bridge.cc).
    unsafe extern "C++" {
        include!("temporal_vdb/bridge.h");

        #[namespace = "temporal_vdb"]
        type Voxel = crate::values::Voxel;
        #[namespace = "temporal_vdb"]
        type ZSpan = crate::grids::zspan::ZSpan;
        #[namespace = "temporal_vdb"]
        type ZValue = crate::grids::zspan::ZValue;
        #[namespace = "temporal_vdb"]
        type Region = crate::values::Region;
        #[namespace = "temporal_vdb"]
        type Figures = crate::values::Figures;
        #[namespace = "temporal_vdb"]
        type FloatSpan = super::FloatSpan;
        #[namespace = "temporal_vdb"]
        type TreeBytes = crate::vdb::TreeBytes;
        #[namespace = "temporal_vdb"]
        type Extent = crate::vdb::Extent;
        #[namespace = "temporal_vdb"]
        type TemporalGrid;
        #[namespace = "temporal_vdb"]
        type SparseState;
        #[namespace = "temporal_vdb"]
        type Slices;
        #[namespace = "temporal_vdb"]
        type Histories;
        #[namespace = "temporal_vdb"]
        type ChangeTimes;

        fn new_grid(
            name: &str,
            rows: i32,
            cols: i32,
            threads: i32,
            spare_bytes: usize,
        ) -> Result<UniquePtr<TemporalGrid>>;
        fn grid_name(grid: &TemporalGrid) -> Result<String>;
        fn grid_rows(grid: &TemporalGrid) -> i32;
        fn grid_cols(grid: &TemporalGrid) -> i32;
        fn has_exact(grid: &TemporalGrid) -> bool;
        fn figures(grid: &TemporalGrid) -> Result<Figures>;

        fn insert_base(grid: Pin<&mut TemporalGrid>, voxels: &[Voxel]) -> Result<()>;
        fn insert_slice(
            grid: Pin<&mut TemporalGrid>,
            fold: &[ZSpan],
            z: i32,
            deltas: &[Voxel],
            marks: &[Voxel],
        ) -> Result<()>;
        fn accumulate(grid: Pin<&mut TemporalGrid>, z: i32, voxels: &[Voxel]) -> Result<()>;
        fn fold(grid: Pin<&mut TemporalGrid>, spans: &[ZSpan]) -> Result<()>;
        fn clear(grid: Pin<&mut TemporalGrid>, span: ZSpan) -> Result<()>;
        fn prune(grid: Pin<&mut TemporalGrid>, base: i32, merges: &[ZSpan]) -> Result<()>;
        fn growth_by_prune(grid: &TemporalGrid, base: i32, merges: &[ZSpan]) -> Result<i64>;

        /// # Safety
        ///
        /// What `outs` name can be written, and nobody else uses it meanwhile.
        unsafe fn dense_states(
            grid: &TemporalGrid,
            spans: &[ZSpan],
            stops: &[usize],
            region: Region,
            outs: &[FloatSpan],
        ) -> Result<()>;
        fn sparse_state(
            grid: &TemporalGrid,
            spans: &[ZSpan],
            region: Region,
        ) -> Result<UniquePtr<SparseState>>;
        fn state_row_offsets(state: &SparseState) -> &[u64];
        fn state_cols(state: &SparseState) -> &[i32];
        fn state_values(state: &SparseState) -> &[f32];

        fn delta_slices(grid: &TemporalGrid, zs: &[i32]) -> Result<UniquePtr<Slices>>;
        fn exact_slices(grid: &TemporalGrid, zs: &[i32]) -> Result<UniquePtr<Slices>>;
        fn slice_offsets(slices: &Slices) -> &[u64];
        fn slice_voxels(slices: &Slices) -> &[Voxel];

        fn histories(
            grid: &TemporalGrid,
            weights: &[Voxel],
            before: &[ZSpan],
            spans: &[ZSpan],
        ) -> Result<UniquePtr<Histories>>;
        fn history_starts(histories: &Histories) -> &[f32];
        fn history_offsets(histories: &Histories) -> &[u64];
        fn history_changes(histories: &Histories) -> &[ZValue];
        fn change_times(
            grid: &TemporalGrid,
            weights: &[Voxel],
            spans: &[ZSpan],
        ) -> Result<UniquePtr<ChangeTimes>>;
        fn times_offsets(times: &ChangeTimes) -> &[u64];
        fn times_zs(times: &ChangeTimes) -> &[i32];
        fn change_counts(grid: &TemporalGrid, spans: &[ZSpan], out: &mut [u32]) -> Result<()>;

        fn slices_in_use(grid: &TemporalGrid) -> Result<Vec<i32>>;
        fn marks(grid: &TemporalGrid) -> u64;
        fn digest(grid: &TemporalGrid, text: &str) -> Result<u64>;
        fn write_vdb(grid: &TemporalGrid, keys: &[&str], texts: &[&str], path: &[u8])
        -> Result<()>;
        fn read_vdb(
            path: &[u8],
            trees: &[TreeBytes],
            name: &str,
            extent: Extent,
            threads: i32,
            spare_bytes: usize,
        ) -> Result<UniquePtr<TemporalGrid>>;

        fn set_voxelwise(grid: Pin<&mut TemporalGrid>, z: i32, voxels: &[Voxel]) -> Result<()>;
        fn sum_voxelwise(grid: &TemporalGrid, last: i32) -> Result<UniquePtr<TemporalGrid>>;
        fn write_plainly(grid: &TemporalGrid, path: &[u8]) -> Result<()>;

        /// Throws one of what can be thrown, so that the way of errors itself is tested.
        #[allow(dead_code)] // for the tests below
        fn throw_exception(which: i32) -> Result<()>;
    }
}

pub(crate) use bridge::*;

/// Where C++ writes a matrix to.
#[repr(C)]
pub(crate) struct FloatSpan {
    data: *mut f32,
    size: usize,
}

/// Writes the states after `spans[..stops[i]]` of a region into `outs[i]`, which has its size and
/// is zeroed.
pub(crate) fn dense_states(
    grid: &TemporalGrid,
    spans: &[ZSpan],
    stops: &[usize],
    region: Region,
    outs: &mut [Vec<f32>],
) -> Result<(), cxx::Exception> {
    let outs: Vec<_> = outs
        .iter_mut()
        .map(|out| FloatSpan {
            data: out.as_mut_ptr(),
            size: out.len(),
        })
        .collect();
    // SAFETY: the vectors are borrowed exclusively until the call returns.
    unsafe { bridge::dense_states(grid, spans, stops, region, &outs) }
}

/// States that a struct is plain data with the layout of its C++ namesake.
macro_rules! same_layout {
    ($type:ty, $name:literal, $size:literal) => {
        // SAFETY: #[repr(C)] structs of plain numbers, in the order of the C++ struct; bridge.cc
        // asserts the same size and offsets.
        unsafe impl ExternType for $type {
            type Id = type_id!($name);
            type Kind = kind::Trivial;
        }
        const _: () = assert!(size_of::<$type>() == $size);
    };
}

same_layout!(Voxel, "temporal_vdb::Voxel", 12);
same_layout!(ZSpan, "temporal_vdb::ZSpan", 8);
same_layout!(ZValue, "temporal_vdb::ZValue", 8);
same_layout!(Region, "temporal_vdb::Region", 16);
same_layout!(Figures, "temporal_vdb::Figures", 64);
same_layout!(FloatSpan, "temporal_vdb::FloatSpan", 16);
same_layout!(TreeBytes, "temporal_vdb::TreeBytes", 24);
same_layout!(Extent, "temporal_vdb::Extent", 12);

// SAFETY: the grid owns all that it points to, and nothing in it is bound to a thread.
unsafe impl Send for TemporalGrid {}
// SAFETY: the functions that take it by shared reference only read; OpenVDB allows many readers of
// a tree that nobody writes, and no accessor is kept between calls.
unsafe impl Sync for TemporalGrid {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn every_exception_becomes_an_error() {
        let classes = [
            "ArithmeticError",
            "IndexError",
            "IoError",
            "KeyError",
            "LookupError",
            "NotImplementedError",
            "ReferenceError",
            "RuntimeError",
            "TypeError",
            "ValueError",
        ];
        let thrown = |which| Error::from(throw_exception(which).unwrap_err());
        for (which, class) in classes.into_iter().enumerate() {
            match thrown(which as i32) {
                Error::OpenVdb { exception, message } => {
                    assert_eq!(exception, class);
                    assert!(message.contains("thrown"), "{message}");
                }
                other => panic!("{class} became {other:?}"),
            }
        }
        assert!(matches!(thrown(10), Error::OutOfMemory));
        assert!(matches!(thrown(11), Error::Unexpected { message } if message == "thrown"));
        assert!(
            matches!(thrown(12), Error::Unexpected { message } if message.contains("no std::exception"))
        );
        assert!(
            matches!(thrown(13), Error::OutOfMemory),
            "a vector beyond all memory"
        );
    }
}
