// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/temporal_grid.h>

#include <cstdint>
#include <string>
#include <vector>

namespace temporal_vdb {

/// The digest that a `.vdb` of ours has of its layer: XXH64 with seed 0 over the bytes of `text`,
/// then of the deltas and, after those, of the exact marks: each active voxel, in the order of the
/// tree, as x, y, z and the bits of its value, and then their number; all of it little-endian, the
/// number in eight bytes, the others in four.
std::uint64_t digest(const TemporalGrid& grid, const std::string& text);

/// The z of the slices that hold a delta or an exact mark, ascending; the base is none of them.
std::vector<std::int32_t> slices_in_use(const TemporalGrid& grid);

}  // namespace temporal_vdb
