// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>
#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/voxel.h>

#include <cstdint>
#include <vector>

namespace temporal_vdb {

/// The lives of some weights: starts[i] is the state of weights[i] after the slices of `before`,
/// and changes[offsets[i]..offsets[i + 1]] are z and the state after it for each slice of `spans`,
/// in time order, that has a delta or a mark for it.
struct Histories {
    std::vector<float> starts;
    std::vector<std::uint64_t> offsets;
    std::vector<ZValue> changes;
};

/// The weights' values are not read. `spans` follow `before` in time.
Histories histories(const TemporalGrid& grid, Span<const Voxel> weights, Span<const ZSpan> before,
                    Span<const ZSpan> spans);

/// When each of some weights changed: zs[offsets[i]..offsets[i + 1]] are the slices, in the order
/// of `spans`, that have a delta or a mark for weights[i]. The weights' values are not read.
struct ChangeTimes {
    std::vector<std::uint64_t> offsets;
    std::vector<std::int32_t> zs;
};

ChangeTimes change_times(const TemporalGrid& grid, Span<const Voxel> weights,
                         Span<const ZSpan> spans);

/// Adds to `out` (rows x cols of the grid, row by row) how many slices of `spans` have a delta or a
/// mark for each weight. Only masks are read.
void change_counts(const TemporalGrid& grid, Span<const ZSpan> spans, Span<std::uint32_t> out);

}  // namespace temporal_vdb
