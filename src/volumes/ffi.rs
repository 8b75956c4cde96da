//! The bridge to volumes in C++. `include/temporal_vdb/volume_bridge.h` reads the same; only
//! `volume_file.rs` may use this.
#![allow(unsafe_code)]

#[cxx::bridge(namespace = "temporal_vdb::bridge")]
mod bridge {
    // SAFETY: the C++ side checks what it is given and throws rather than break memory.
    unsafe extern "C++" {
        include!("temporal_vdb/volume_bridge.h");

        #[namespace = "temporal_vdb"]
        type VolumeFile;

        fn new_volume_file(voxel_size: f64, first: [f64; 3]) -> Result<UniquePtr<VolumeFile>>;
        fn fill_volume(
            file: Pin<&mut VolumeFile>,
            grid: u8,
            origin: [i32; 3],
            dims: [i32; 3],
            values: &[f32],
        ) -> Result<()>;
        fn hold_bounds(file: Pin<&mut VolumeFile>, first: [i32; 3], last: [i32; 3]) -> Result<()>;
        fn set_number(file: Pin<&mut VolumeFile>, key: &str, value: i32) -> Result<()>;
        fn set_float(file: Pin<&mut VolumeFile>, key: &str, value: f32) -> Result<()>;
        fn set_text(file: Pin<&mut VolumeFile>, key: &str, value: &str) -> Result<()>;
        fn write_volume(file: &VolumeFile, path: &[u8]) -> Result<()>;
    }
}

pub(super) use bridge::*;

// SAFETY: the file owns its grids, and nothing in them is bound to a thread.
unsafe impl Send for VolumeFile {}
