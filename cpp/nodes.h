// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/voxel.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

// How the kernels walk a tree.
//
// In a lower node (128^3) the children of one (row, col) column are neighbours in the table, in
// ascending z; and the table splits into 16 bands of 8 rows, each with mask words of its own. So
// the kernels work on (lower node, band): inside it the tree's own order is time order for every
// weight, and different bands of one node can be worked on, even written, by different threads.

namespace temporal_vdb {

using Tree = TemporalGrid::Tree;
using Upper = TemporalGrid::Upper;
using Lower = TemporalGrid::Lower;
using Leaf = TemporalGrid::Leaf;

constexpr int leaf_dim = 8;
constexpr int tile_dim = 128;
constexpr int bands_per_tile = tile_dim / leaf_dim;
constexpr std::uint64_t every_byte = 0x0101010101010101u;

static_assert(Leaf::DIM == leaf_dim && Lower::DIM == tile_dim, "the standard 5-4-3 tree");
static_assert(sizeof(openvdb::util::NodeMask<4>::Word) == 8, "a band owns whole mask words");

/// The bits of one word of a leaf's mask (one row: eight columns by eight steps) whose z lies in
/// `span`, for a leaf that begins at `z`.
inline std::uint64_t z_mask(std::int32_t z, ZSpan span) {
    const std::int32_t first = std::max(span.first, z);
    const std::int32_t last = std::min(span.last, z + (leaf_dim - 1));
    if (first > last) return 0;
    const unsigned byte = (0xffu >> (7 - (last - z))) & (0xffu << (first - z)) & 0xffu;
    return byte * every_byte;
}

/// The children whose z lies in `span`, of a lower node that begins at `z`: bits for any word of
/// its child mask, which is four columns of 16 leaves each.
inline std::uint64_t child_mask(std::int32_t z, ZSpan span) {
    const std::int32_t first = std::max(span.first, z);
    const std::int32_t last = std::min(span.last, z + (tile_dim - 1));
    if (first > last) return 0;
    const std::uint64_t column =
        (0xffffu >> (15 - (last - z) / leaf_dim)) & (0xffffu << ((first - z) / leaf_dim));
    return (column & 0xffffu) * 0x0001000100010001u;
}

inline std::uint64_t mask_word(const Leaf& leaf, int row_in_leaf) {
    return leaf.getValueMask().getWord<std::uint64_t>(row_in_leaf);
}

/// The nodes of the two trees that cover the same 128^3 voxels; one of them may be null.
template <typename NodeT>
struct NodePair {
    openvdb::Coord origin;
    NodeT* deltas = nullptr;
    NodeT* exact = nullptr;
};

/// The lower nodes of a tree, ascending by (x, y, z): per tile of weights in time order.
template <typename TreeT>
auto lower_nodes(TreeT& tree) {
    using NodeT = std::conditional_t<std::is_const_v<TreeT>, const Lower, Lower>;
    std::vector<NodeT*> nodes;
    for (auto upper = tree.root().beginChildOn(); upper; ++upper) {
        for (auto lower = upper->beginChildOn(); lower; ++lower) nodes.push_back(&*lower);
    }
    std::sort(nodes.begin(), nodes.end(),
              [](const Lower* a, const Lower* b) { return a->origin() < b->origin(); });
    return nodes;
}

/// The lower nodes of both trees, paired, ascending by (x, y, z). `exact` may be null.
template <typename TreeT>
auto node_pairs(TreeT& deltas, TreeT* exact) {
    using NodeT = std::conditional_t<std::is_const_v<TreeT>, const Lower, Lower>;
    std::vector<NodePair<NodeT>> pairs;
    for (NodeT* node : lower_nodes(deltas)) pairs.push_back({node->origin(), node, nullptr});
    if (!exact) return pairs;
    for (NodeT* node : lower_nodes(*exact)) {
        const auto at =
            std::lower_bound(pairs.begin(), pairs.end(), node->origin(),
                             [](const NodePair<NodeT>& pair, const openvdb::Coord& xyz) {
                                 return pair.origin < xyz;
                             });
        if (at != pairs.end() && at->origin == node->origin()) {
            at->exact = node;
        } else {
            pairs.insert(at, {node->origin(), nullptr, node});
        }
    }
    return pairs;
}

/// The work of a walk over all leaves, for Workers: a leaf is worth some voxels.
template <typename NodeT>
std::size_t walk_work(const std::vector<NodeT*>& nodes) {
    std::size_t leaves = 0;
    for (const NodeT* node : nodes) leaves += node->getChildMask().countOn();
    return 8 * leaves;
}

template <typename NodeT>
std::size_t walk_work(const std::vector<NodePair<NodeT>>& pairs) {
    std::size_t leaves = 0;
    for (const auto& pair : pairs) {
        if (pair.deltas) leaves += pair.deltas->getChildMask().countOn();
        if (pair.exact) leaves += pair.exact->getChildMask().countOn();
    }
    return 8 * leaves;
}

/// A run of equal (x, y), or of equal x, in a sorted list of nodes: list[begin..end].
struct NodeRun {
    std::size_t begin;
    std::size_t end;
};

template <typename List, typename Same>
std::vector<NodeRun> node_runs(const List& list, const Same& same) {
    std::vector<NodeRun> runs;
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (runs.empty() || !same(list[runs.back().begin], list[i])) runs.push_back({i, i});
        runs.back().end = i + 1;
    }
    return runs;
}

/// The pairs of one tile of weights, in time order, tile by tile.
template <typename NodeT>
std::vector<NodeRun> tiles_of(const std::vector<NodePair<NodeT>>& pairs) {
    return node_runs(pairs, [](const auto& a, const auto& b) {
        return a.origin.x() == b.origin.x() && a.origin.y() == b.origin.y();
    });
}

/// One word of a node's child mask; 0 where there is no node.
inline std::uint64_t child_word(const Lower* node, int word) {
    return node ? node->getChildMask().getWord<std::uint64_t>(word) : 0;
}

/// Calls body(child index, leaf) for the leaves of one band of a node, in table order; only for
/// those in `children` (see child_mask).
template <typename NodeT, typename Body>
void for_each_leaf(NodeT& node, int band, std::uint64_t children, const Body& body) {
    using LeafT = std::conditional_t<std::is_const_v<NodeT>, const Leaf, Leaf>;
    for (int word = 4 * band; word < 4 * band + 4; ++word) {
        for (auto bits = child_word(&node, word) & children; bits; bits &= bits - 1) {
            const int n = 64 * word + __builtin_ctzll(bits);
            LeafT* leaf = node.getTable()[n].getChild();
            body(n, *leaf);
        }
    }
}

template <typename NodeT, typename Body>
void for_each_leaf(NodeT& node, int band, const Body& body) {
    for_each_leaf(node, band, ~std::uint64_t{0}, body);
}

/// Calls body(child index, deltas, exact) for the places of one band that meet `span` and have a
/// leaf in either tree, in table order. One of the leaves may be null.
template <typename NodeT, typename Body>
void for_each_leaf_pair(const NodePair<NodeT>& pair, int band, ZSpan span, const Body& body) {
    const std::uint64_t children = child_mask(pair.origin.z(), span);
    for (int word = 4 * band; children && word < 4 * band + 4; ++word) {
        const std::uint64_t deltas = child_word(pair.deltas, word) & children;
        const std::uint64_t exact = child_word(pair.exact, word) & children;
        for (auto bits = deltas | exact; bits; bits &= bits - 1) {
            const int i = __builtin_ctzll(bits);
            const int n = 64 * word + i;
            const Leaf* delta_leaf =
                (deltas >> i) & 1 ? pair.deltas->getTable()[n].getChild() : nullptr;
            const Leaf* exact_leaf =
                (exact >> i) & 1 ? pair.exact->getTable()[n].getChild() : nullptr;
            body(n, delta_leaf, exact_leaf);
        }
    }
}

/// Column and z of a node's child within the node, in leaves.
inline int child_y(int n) { return (n >> 4) & 15; }
inline int child_z(int n) { return n & 15; }

/// The lower node that holds `xyz`, made if there is none.
Lower& touch_lower(Tree& tree, const openvdb::Coord& xyz);

/// The node's leaf that holds `xyz`, or null.
inline Leaf* find_leaf(Lower* node, const openvdb::Coord& xyz) {
    if (!node) return nullptr;
    const auto n = Lower::coordToOffset(xyz);
    return node->getChildMask().isOn(n) ? node->getTable()[n].getChild() : nullptr;
}

/// The node's leaf that holds `xyz`, made if there is none.
inline Leaf* touch_leaf(Lower& node, const openvdb::Coord& xyz, LeafPool::Share& spare) {
    Leaf* leaf = find_leaf(&node, xyz);
    if (!leaf) {
        leaf = spare.take(xyz);
        node.addLeaf(leaf);
    }
    return leaf;
}

/// Removes the leaves and nodes without active voxels among those that meet `span`.
void remove_empty(Tree& tree, const Workers& workers, LeafPool& pool, ZSpan span);

}  // namespace temporal_vdb
