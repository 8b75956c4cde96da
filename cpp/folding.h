// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "band.h"

namespace temporal_vdb {

/// A fold in steps, for callers that fold and insert as one change: everything that can fail
/// (making leaves and lists) comes before anything that a reader could see.
class Fold {
public:
    /// Makes the leaves of the base that folding `spans` will write. Changes no value. If it
    /// throws, empty leaves may be left at z = 0.
    Fold(TemporalGrid& grid, Span<const ZSpan> spans);

    /// Adds the slices to the base and switches them off.
    void apply();

    /// Removes what is empty then.
    void clean_up() noexcept;

private:
    TemporalGrid& grid_;
    Span<const ZSpan> spans_;
    std::vector<NodePair<Lower>> pairs_;
    std::vector<NodeRun> tiles_;
};

/// Switches the voxels of `spans` off and to 0. Empty leaves stay: see remove_empty.
void switch_off(const Workers& workers, const std::vector<NodePair<Lower>>& pairs,
                Span<const ZSpan> spans);

/// Removes what is empty among the leaves and nodes that meet `span`, in both trees. Where there is
/// no memory even for that, empty leaves stay: they cost memory, and say nothing.
void remove_empty(TemporalGrid& grid, ZSpan span) noexcept;

}  // namespace temporal_vdb
