// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>
#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/voxel.h>

namespace temporal_vdb {

// Batches are strictly ascending by (row, col) and inside the grid's shape; anything else is an
// Error (invalid_argument) that names the voxel. Every function here does all or nothing.

/// Makes `voxels` the base (z = 0) of a grid that holds no slices. Values may have any bits but
/// those of +0.0, which means absent.
void insert_base(TemporalGrid& grid, Span<const Voxel> voxels);

/// Fills slice z >= 1, which must be empty, with deltas (finite and non-zero) and exact marks (any
/// bits). The slices of `fold`, in time order, are folded into the base and dropped first, in the
/// same step: that is how a ring makes room. `fold` may contain z.
void insert_slice(TemporalGrid& grid, Span<const ZSpan> fold, std::int32_t z,
                  Span<const Voxel> deltas, Span<const Voxel> marks);

/// Adds to slice z: to the delta where there is one, else from 0. A sum of exactly 0 leaves the
/// voxel inactive. A sum that is not finite is not_finite; a weight with an exact mark in the
/// slice is exact_mark.
void accumulate(TemporalGrid& grid, std::int32_t z, Span<const Voxel> voxels);

/// The same for one weight.
void accumulate_temporal_gradient(TemporalGrid& grid, std::int32_t row, std::int32_t col,
                                  float gradient, std::int32_t timestep);

}  // namespace temporal_vdb
