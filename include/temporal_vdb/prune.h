// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>
#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/voxel.h>

#include <cstdint>

namespace temporal_vdb {

// Slices 1 ..= base are folded into the base, none where `base` is 0. Of the slices of each span of
// `merges` one is left, at its last z: what leads from the state before the span to the state after
// it, as the states tell, not the sum of the deltas. Spans ascend, do not overlap and come after
// `base`; z ascends in time, so a ring cannot be pruned this way.

/// Folds and merges. The state after each slice that stays, and that of the base, keep their bits.
/// All or nothing.
void prune(TemporalGrid& grid, std::int32_t base, Span<const ZSpan> merges);

/// By how many bytes that would change the memory of the grid's trees: below 0 where it becomes
/// less. Changes nothing. The states are made for it, as for pruning itself.
std::int64_t growth_by_prune(const TemporalGrid& grid, std::int32_t base, Span<const ZSpan> merges);

}  // namespace temporal_vdb
