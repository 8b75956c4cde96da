// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>
#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/voxel.h>

namespace temporal_vdb {

// Spans do not contain z = 0. Afterwards no empty leaf or node is left.

/// Folds the slices of `spans`, in time order, into the base and drops them: every state from the
/// last of them on keeps its bits. All or nothing.
void fold(TemporalGrid& grid, Span<const ZSpan> spans);

/// Drops the slices of a span, base and other slices untouched. Clearing one slice is a span of
/// one; dropping all after t is t + 1 ..= the last z there is.
void clear(TemporalGrid& grid, ZSpan span);

}  // namespace temporal_vdb
