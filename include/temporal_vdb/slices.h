// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>
#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/voxel.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace temporal_vdb {

/// Several slices one after the other, each ascending by (row, col): slice i is
/// voxels[offsets[i]..offsets[i + 1]].
struct Slices {
    std::vector<std::uint64_t> offsets;
    std::vector<Voxel> voxels;
};

/// The deltas of the slices `zs` (ascending, each once); z = 0 is the base.
Slices delta_slices(const TemporalGrid& grid, Span<const std::int32_t> zs);

/// The exact marks of the slices.
Slices exact_slices(const TemporalGrid& grid, Span<const std::int32_t> zs);

}  // namespace temporal_vdb
