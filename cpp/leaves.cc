// SPDX-License-Identifier: MIT OR Apache-2.0
#include "leaves.h"

#include "mask_words.h"

#include <memory>
#include <new>

namespace temporal_vdb {

namespace {

static_assert(Lower::NUM_VALUES / bands_per_tile == leaves_per_band &&
                  leaves_per_band % (8 * sizeof(openvdb::util::NodeMask<Lower::LOG2DIM>::Word)) ==
                      0,
              "a band owns whole words of its node's masks: see touch_leaf");

/// What tools::InactivePruneOp does, for nodes that meet a span, and leaves go into a pool.
class EmptyPruneOp {
public:
    EmptyPruneOp(LeafPool& pool, ZSpan span) : pool_(pool), span_(span) {}

    void operator()(Lower& node) const {
        std::vector<std::unique_ptr<Leaf>> emptied;
        for_each_leaf(node, span_, [&](int, Leaf& leaf) {
            if (!leaf.isEmpty()) return;
            emptied.emplace_back();  // first: what has been stolen has an owner at once
            emptied.back().reset(node.stealNode<Leaf>(leaf.origin(), 0.0f, false));
        });
        if (!emptied.empty()) pool_.give(std::move(emptied));
    }

    void operator()(Upper& node) const {
        for (auto lower = node.beginChildOn(); lower; ++lower) {
            if (lower->isEmpty()) node.addTile(lower.pos(), 0.0f, false);
        }
    }

    void operator()(Tree::RootNodeType& root) const {
        for (auto upper = root.beginChildOn(); upper; ++upper) {
            if (upper->isEmpty()) root.addTile(upper.getCoord(), 0.0f, false);
        }
        root.eraseBackgroundTiles();
    }

private:
    LeafPool& pool_;
    ZSpan span_;
};

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

Leaf& touch_leaf(Lower& node, const openvdb::Coord& xyz, LeafPool::Share& spare) {
    if (Leaf* leaf = node.probeLeaf(xyz)) return *leaf;
    Leaf* leaf = spare.take(xyz);
    node.addLeaf(leaf);
    return *leaf;
}

void remove_empty(TemporalGrid& grid, ZSpan span) noexcept {
    try {
        grid.nodes_for_writing().bottom_up(grid.workers(), EmptyPruneOp(grid.pool(), span));
    } catch (const std::bad_alloc&) {
    }
    // Whoever remembers a leaf or a node is to look it up again, the list of nodes too.
    grid.deltas_for_writing();
    grid.exact_for_writing();
    grid.drop_empty_exact();
}

}  // namespace temporal_vdb
