// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <cstdint>

namespace temporal_vdb {

/// One active voxel of a slice: `Coord(row, col, z)` with z known from the context.
struct Voxel {
    std::int32_t row;
    std::int32_t col;
    float value;
};

/// A value at a z of one (row, col) column of voxels.
struct ZValue {
    std::int32_t z;
    float value;
};

/// Slices first..=last, both inclusive. Several spans in time order say in which order slices
/// follow each other; a ring that has wrapped around needs two.
struct ZSpan {
    std::int32_t first;
    std::int32_t last;
};

/// Rows row_begin..row_end and columns col_begin..col_end, ends exclusive.
struct Region {
    std::int32_t row_begin;
    std::int32_t row_end;
    std::int32_t col_begin;
    std::int32_t col_end;
};

}  // namespace temporal_vdb
