use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cxx::UniquePtr;

use super::ffi;
use crate::error::{Error, Result};

/// The grids of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FogGrid {
    Density,
    Fall,
    Rise,
}

/// The safe owner of a volume's grids in C++.
pub(super) struct VolumeFile(UniquePtr<ffi::VolumeFile>);

impl VolumeFile {
    /// Of voxels of one size, the centre of the first one at `first`, in units of the scene.
    pub(super) fn new(voxel_size: f64, first: [f64; 3]) -> Result<Self> {
        Ok(VolumeFile(ffi::new_volume_file(voxel_size, first)?))
    }

    /// Sets a box of voxels; z runs fastest. Those of 0 stay inactive.
    pub(super) fn fill(
        &mut self,
        grid: FogGrid,
        origin: [i32; 3],
        dims: [i32; 3],
        values: &[f32],
    ) -> Result<()> {
        let file = self.0.pin_mut();
        Ok(ffi::fill_volume(file, grid as u8, origin, dims, values)?)
    }

    /// Makes two voxels active in all grids, whatever they hold.
    pub(super) fn hold_bounds(&mut self, first: [i32; 3], last: [i32; 3]) -> Result<()> {
        Ok(ffi::hold_bounds(self.0.pin_mut(), first, last)?)
    }

    pub(super) fn set_number(&mut self, key: &str, value: i32) -> Result<()> {
        Ok(ffi::set_number(self.0.pin_mut(), key, value)?)
    }

    pub(super) fn set_float(&mut self, key: &str, value: f32) -> Result<()> {
        Ok(ffi::set_float(self.0.pin_mut(), key, value)?)
    }

    pub(super) fn set_text(&mut self, key: &str, value: &str) -> Result<()> {
        Ok(ffi::set_text(self.0.pin_mut(), key, value)?)
    }

    /// Writes the file whole or not at all. Errors: `Io`.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        ffi::write_volume(&self.0, path.as_os_str().as_bytes()).map_err(|exception| {
            match Error::from(exception) {
                Error::Io { source, .. } => Error::Io {
                    path: path.to_owned(),
                    source,
                },
                other => other,
            }
        })
    }
}
