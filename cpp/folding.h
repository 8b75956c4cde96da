// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "band.h"
#include "leaves.h"

namespace temporal_vdb {

/// A fold in steps, for callers that fold and insert as one change: everything that can fail
/// (making leaves and lists) comes before anything that a reader could see.
class Fold {
public:
    /// Makes the leaves of the base that folding `spans` will write. Changes no value. If it
    /// throws, empty leaves may be left at z = 0. From here to clean_up no other leaf is made.
    Fold(TemporalGrid& grid, Span<const ZSpan> spans);

    /// Adds the slices to the base and switches them off.
    void apply();

    /// Removes what is empty then.
    void clean_up() noexcept;

private:
    TemporalGrid& grid_;
    Span<const ZSpan> spans_;
    Nodes* nodes_;  ///< the grid's; each tile begins at z = 0
};

/// Switches the voxels of `spans` off and to 0. Empty leaves stay: see remove_empty.
void switch_off(const Workers& workers, Nodes& nodes, Span<const ZSpan> spans);

}  // namespace temporal_vdb
