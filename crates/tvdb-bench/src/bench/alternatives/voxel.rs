//! One FloatGrid, walked by a voxel iterator into another.

use std::collections::HashSet;

use anyhow::Result;
use temporal_vdb::baseline::VoxelwiseGrid;
use temporal_vdb::{Delta, Voxel};

/// A grid of all steps, z counting them from 1. The base is not in it, which would be dearer.
pub(in crate::bench) fn fill(shape: (i32, i32), steps: &[(usize, Delta)]) -> Result<VoxelwiseGrid> {
    let mut grid = VoxelwiseGrid::new(shape.0, shape.1)?;
    for (z, (_, delta)) in (1..).zip(steps) {
        grid.set(z, delta.deltas())?;
    }
    Ok(grid)
}

/// How many leaves of 8 x 8 x 8 voxels such a grid has.
pub(in crate::bench) fn leaves(steps: &[(usize, Delta)]) -> usize {
    let leaf = |z: i32, voxel: &Voxel| (voxel.row / 8, voxel.col / 8, z / 8);
    let mut leaves = HashSet::new();
    for (z, (_, delta)) in (1..).zip(steps) {
        // Neighbours share a leaf: most need not be looked up.
        let mut before = None;
        for voxel in delta.deltas() {
            let here = Some(leaf(z, voxel));
            if here != before {
                leaves.extend(here);
                before = here;
            }
        }
    }
    leaves.len()
}
