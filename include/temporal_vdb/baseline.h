// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>
#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/voxel.h>

#include <string>

namespace temporal_vdb {

// The same work as OpenVDB's documentation shows it, voxel by voxel, on one thread: what the
// benchmarks compare the kernels with. Deltas only, no exact marks.

/// Sets the voxels of slice z one by one through an accessor, in the order given.
void set_voxelwise(TemporalGrid& grid, std::int32_t z, Span<const Voxel> voxels);

/// Walks the active voxels of slices 0..=last and adds each into a second grid at z = 0.
TemporalGrid sum_voxelwise(const TemporalGrid& grid, std::int32_t last);

/// Writes the deltas through io::File.
void write_plainly(const TemporalGrid& grid, const std::string& path);

}  // namespace temporal_vdb
