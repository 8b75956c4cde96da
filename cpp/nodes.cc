// SPDX-License-Identifier: MIT OR Apache-2.0
#include "nodes.h"

#include <memory>

namespace temporal_vdb {

namespace {

/// The lower nodes that meet `span`.
std::vector<Lower*> nodes_in(Tree& tree, ZSpan span) {
    auto nodes = lower_nodes(tree);
    const auto outside = [span](const Lower* node) {
        const std::int32_t z = node->origin().z();
        return z > span.last || z + (tile_dim - 1) < span.first;
    };
    nodes.erase(std::remove_if(nodes.begin(), nodes.end(), outside), nodes.end());
    return nodes;
}

}  // namespace

Lower& touch_lower(Tree& tree, const openvdb::Coord& xyz) {
    if (auto* node = tree.probeNode<Lower>(xyz)) return *node;
    auto lower =
        std::make_unique<Lower>(xyz, 0.0f, false);  // first: an upper node is not left empty
    auto* upper = tree.probeNode<Upper>(xyz);
    if (!upper) {
        auto made = std::make_unique<Upper>(xyz, 0.0f, false);
        tree.root().addChild(made.get());
        upper = made.release();
    }
    upper->addChild(lower.get());
    return *lower.release();
}

void remove_empty(Tree& tree, const Workers& workers, LeafPool& pool, ZSpan span) {
    const auto nodes = nodes_in(tree, span);
    workers.for_each(nodes.size() * bands_per_tile, walk_work(nodes), [&](std::size_t task) {
        Lower& node = *nodes[task / bands_per_tile];
        std::vector<std::unique_ptr<Leaf>> emptied;
        for_each_leaf(node, static_cast<int>(task % bands_per_tile), [&](int, Leaf& leaf) {
            if (!leaf.isEmpty() || !z_mask(leaf.origin().z(), span)) return;
            std::unique_ptr<Leaf> taken(node.stealNode<Leaf>(leaf.origin(), 0.0f, false));
            emptied.push_back(std::move(taken));
        });
        pool.give(std::move(emptied));
    });
    for (Lower* node : nodes) {
        if (!node->isEmpty()) continue;
        const openvdb::Coord xyz = node->origin();
        auto* upper = tree.probeNode<Upper>(xyz);
        upper->addTile(Lower::LEVEL + 1, xyz, 0.0f, false);
        if (upper->isEmpty()) tree.root().addTile(upper->origin(), 0.0f, false);
    }
    tree.root().eraseBackgroundTiles();
}

}  // namespace temporal_vdb
