// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>
#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/voxel.h>

#include <cstdint>
#include <vector>

namespace temporal_vdb {

// The state of a weight after some slices: its base, plus each active delta in the order of the
// spans, in IEEE binary32; an exact mark replaces the sum by its value. Inactive voxels are not
// added. `spans` lists the slices in time order and does not contain z = 0. The same bits come out
// for any number of threads, since each weight is summed by one of them.

/// Where a matrix of floats goes.
using FloatSpan = Span<float>;

/// Writes several states of a region in one walk: that after spans[0..stops[i]], row by row, into
/// outs[i] (rows x cols of the region). `stops` ascend. `outs` must come zeroed: where the grid has
/// no node, nothing is written.
void dense_states(const TemporalGrid& grid, Span<const ZSpan> spans, Span<const std::size_t> stops,
                  Region region, Span<const FloatSpan> outs);

/// The states of a region whose bits are not those of +0.0, in compressed sparse rows. Rows and
/// columns count from the region's corner.
struct SparseState {
    std::vector<std::uint64_t> row_offsets;  ///< one more than the region has rows
    std::vector<std::int32_t> cols;
    std::vector<float> values;
};

SparseState sparse_state(const TemporalGrid& grid, Span<const ZSpan> spans, Region region);

}  // namespace temporal_vdb
