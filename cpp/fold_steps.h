// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "band.h"

// Folding in steps, for callers that fold and insert as one change: everything that can fail
// (making leaves) comes before anything that a reader could see.

namespace temporal_vdb {

/// Makes the leaves of the base that folding `spans` will write. Changes no value.
void prepare_fold(TemporalGrid& grid, Span<const ZSpan> spans);

/// Adds the slices to the base and switches them off. Needs prepare_fold.
void apply_fold(TemporalGrid& grid, Span<const ZSpan> spans);

/// Removes what is empty among the leaves and nodes that meet `span`, in both trees.
void remove_empty(TemporalGrid& grid, ZSpan span);

}  // namespace temporal_vdb
