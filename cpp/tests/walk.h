// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "model.h"

#include <temporal_vdb/temporal_grid.h>

#include <algorithm>

// A grid as OpenVDB's own voxel iterators see it, with nothing of the kernels' ways of walking.

namespace temporal_vdb {
namespace test {

inline Voxels walk_voxels(const TemporalGrid::Tree* tree) {
    Voxels voxels;
    if (!tree) return voxels;
    for (auto voxel = tree->cbeginValueOn(); voxel; ++voxel) {
        const auto xyz = voxel.getCoord();
        voxels[{xyz.x(), xyz.y(), xyz.z()}] = *voxel;
    }
    return voxels;
}

/// The states after `spans` of all weights whose bits are not those of +0.0.
inline States walk_states(const TemporalGrid& grid, const std::vector<ZSpan>& spans) {
    struct Change {
        std::size_t span;
        std::int32_t z;
        Weight weight;
        float value;
        bool exact;
    };
    std::vector<Change> changes;
    States states;
    const auto gather = [&](const TemporalGrid::Tree& tree, bool exact) {
        for (auto voxel = tree.cbeginValueOn(); voxel; ++voxel) {
            const auto xyz = voxel.getCoord();
            const Weight weight{xyz.x(), xyz.y()};
            if (!exact && xyz.z() == 0) states[weight] = *voxel;
            if (!exact && grid.exact() && grid.exact()->isValueOn(xyz)) continue;
            for (std::size_t i = 0; i < spans.size(); ++i) {
                if (spans[i].first <= xyz.z() && xyz.z() <= spans[i].last) {
                    changes.push_back({i, xyz.z(), weight, *voxel, exact});
                }
            }
        }
    };
    gather(grid.deltas(), false);
    if (grid.exact()) gather(*grid.exact(), true);
    std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
        return std::tie(a.span, a.z) < std::tie(b.span, b.z);
    });
    for (const Change& change : changes) {
        float& state = states[change.weight];
        state = change.exact ? change.value : state + change.value;
    }
    for (auto at = states.begin(); at != states.end();) {
        at = bits_of(at->second) == 0 ? states.erase(at) : std::next(at);
    }
    return states;
}

}  // namespace test
}  // namespace temporal_vdb
