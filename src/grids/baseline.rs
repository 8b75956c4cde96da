//! The plain way to use a FloatGrid, voxel by voxel as OpenVDB's documentation shows it, so that
//! benchmarks have something to compare with. No part of the public interface.

use std::path::Path;

use super::grid::{Grid, GridOptions};
use crate::error::Result;
use crate::values::{Region, SparseWeights, Voxel};

/// A FloatGrid filled and added up one voxel at a time, on one thread.
pub struct VoxelwiseGrid {
    grid: Grid,
}

impl VoxelwiseGrid {
    /// An empty grid for a layer of rows x cols.
    pub fn new(rows: i32, cols: i32) -> Result<Self> {
        let options = GridOptions {
            threads: None,
            spare_bytes: 0,
        };
        Ok(VoxelwiseGrid {
            grid: Grid::new("voxelwise", rows, cols, options)?,
        })
    }

    /// Sets voxels of slice z in the order given, through an accessor.
    pub fn set(&mut self, z: i32, voxels: &[Voxel]) -> Result<()> {
        self.grid.set_voxelwise(z, voxels)
    }

    /// The slices up to z = `last` added up in a second grid, through a voxel iterator.
    pub fn sum(&self, last: i32) -> Result<VoxelwiseGrid> {
        Ok(VoxelwiseGrid {
            grid: self.grid.sum_voxelwise(last)?,
        })
    }

    /// Writes the grid through OpenVDB's own `io::File`.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.grid.write_plainly(path)
    }

    /// The voxels at z = 0, to check a sum with.
    pub fn base(&self) -> Result<SparseWeights> {
        let (rows, cols) = self.grid.shape();
        self.grid
            .sparse_state(&[], Region::new(0..rows, 0..cols), 0)
    }
}
