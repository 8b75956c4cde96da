// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "model.h"

#include <temporal_vdb/temporal_grid.h>

#include "nodes.h"

#include <doctest/doctest.h>

#include <map>
#include <utility>

namespace temporal_vdb {
namespace test {

/// Inactive tiles of an internal node hold 0, active ones do not exist.
template <typename NodeT>
std::string broken_node(const NodeT& node, const char* kind) {
    if (!node.getValueMask().isOff()) return std::string("active tile in a ") + kind;
    if (node.getChildMask().isOff()) return std::string("empty ") + kind;
    for (auto tile = node.getChildMask().beginOff(); tile; ++tile) {
        if (bits_of(node.getTable()[tile.pos()].getValue()) != 0) {
            return std::string("inactive tile that is not +0.0 in a ") + kind;
        }
    }
    return "";
}

inline std::string broken_leaf(const TemporalGrid::Leaf& leaf, const openvdb::Coord& xyz,
                               const TemporalGrid& grid) {
    if (leaf.origin() != xyz) return "leaf with another origin than its place";
    if (leaf.isEmpty()) return "empty leaf";
    if (!leaf.buffer().data()) return "leaf without values";
    const auto& active = leaf.getValueMask();
    for (openvdb::Index i = 0; i < TemporalGrid::Leaf::SIZE; ++i) {
        if (!active.isOn(i)) {
            if (bits_of(leaf.buffer().data()[i]) != 0) return "inactive voxel that is not +0.0";
            continue;
        }
        const auto at = leaf.offsetToGlobalCoord(i);
        if (at.x() < 0 || at.x() >= grid.rows() || at.y() < 0 || at.y() >= grid.cols() ||
            at.z() < 0) {
            return "voxel outside the shape";
        }
    }
    return "";
}

/// What a tree has that the class says no tree of it ever has; "" if it is as it should be.
inline std::string broken_invariant(const TemporalGrid::Tree& tree, const TemporalGrid& grid) {
    if (bits_of(tree.background()) != 0) return "background that is not +0.0";
    if (tree.root().cbeginValueAll()) return "root tile";
    for (auto upper = tree.root().cbeginChildOn(); upper; ++upper) {
        std::string broken = broken_node(*upper, "upper node");
        if (!broken.empty()) return broken;
        for (auto lower = upper->cbeginChildOn(); lower; ++lower) {
            broken = broken_node(*lower, "lower node");
            if (!broken.empty()) return broken;
            for (auto leaf = lower->cbeginChildOn(); leaf; ++leaf) {
                broken = broken_leaf(*leaf, leaf.getCoord(), grid);
                if (!broken.empty()) return broken;
            }
        }
    }
    return "";
}

/// How the grid's list of nodes differs from its trees; "" if it does not. That it is asked for
/// after every call is what tells one that a kernel should have dropped.
inline std::string broken_list(const TemporalGrid& grid) {
    std::map<openvdb::Coord, std::pair<const Lower*, const Lower*>> wanted;
    const auto walk = [](const TemporalGrid::Tree& tree, const auto& found) {
        for (auto upper = tree.root().cbeginChildOn(); upper; ++upper) {
            for (auto lower = upper->cbeginChildOn(); lower; ++lower) found(*lower);
        }
    };
    walk(grid.deltas(), [&](const Lower& node) { wanted[node.origin()].first = &node; });
    if (grid.exact()) {
        walk(*grid.exact(), [&](const Lower& node) { wanted[node.origin()].second = &node; });
    }
    const auto& pairs = grid.nodes().pairs();
    if (pairs.size() != wanted.size()) return "a list of more or fewer nodes than there are";
    auto at = wanted.begin();
    for (const NodePair& pair : pairs) {
        if (pair.origin() != at->first) return "a node is listed in another's place";
        if (pair.deltas() != at->second.first) return "another node of the deltas is listed";
        if (pair.exact() != at->second.second) return "another node of the marks is listed";
        ++at;
    }
    return "";
}

inline void check_invariants(const TemporalGrid& grid) {
    CHECK(broken_invariant(grid.deltas(), grid) == "");
    CHECK(broken_list(grid) == "");
    if (!grid.exact()) return;
    CHECK(broken_invariant(*grid.exact(), grid) == "");
    CHECK_FALSE(grid.exact()->root().empty());
}

}  // namespace test
}  // namespace temporal_vdb
