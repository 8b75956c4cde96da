// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/fold.h>

#include "folding.h"
#include "presence.h"

#include <optional>

namespace temporal_vdb {

namespace {

/// The lower nodes at z = 0 of all tiles that have any node.
void touch_base_nodes(TemporalGrid& grid) {
    std::vector<openvdb::Coord> missing;
    const Nodes& nodes = grid.nodes();
    for (const NodeRun tile : nodes.tiles()) {
        const NodePair& first = nodes.pairs()[tile.begin];
        if (first.origin().z() == 0 && first.deltas()) continue;
        missing.push_back(to_3d(first.origin().x(), first.origin().y()));
    }
    if (missing.empty()) return;
    Tree& deltas = grid.deltas_for_writing();
    for (const auto& xyz : missing) touch_lower(deltas, xyz);
}

/// Whether a leaf has active voxels in `span`.
bool has_voxels(const Leaf& leaf, ZSpan span) {
    for (auto voxel = leaf.cbeginValueOn(); voxel; ++voxel) {
        const std::int32_t z = leaf.origin().z() + voxel_z(static_cast<int>(voxel.pos()));
        if (span.first <= z && z <= span.last) return true;
    }
    return false;
}

}  // namespace

Fold::Fold(TemporalGrid& grid, Span<const ZSpan> spans) : grid_(grid), spans_(spans) {
    touch_base_nodes(grid);
    nodes_ = &grid.nodes_for_writing();
    grid.workers().for_each_with(
        nodes_->tiles().size() * bands_per_tile, nodes_->work(),
        [&] { return LeafPool::Share(grid.pool()); },
        [&](LeafPool::Share& spare, std::size_t task) {
            const NodeRun tile = nodes_->tiles()[task / bands_per_tile];
            const int band = static_cast<int>(task % bands_per_tile);
            Lower& base = *nodes_->pairs()[tile.begin].deltas();
            for (std::size_t i = tile.begin; i < tile.end; ++i) {
                const NodePair& pair = nodes_->pairs()[i];
                for (const ZSpan span : spans_) {
                    const auto touch_base = [&](int, const Leaf& leaf) {
                        const auto xyz = to_3d(leaf.origin().x(), leaf.origin().y());
                        if (base.probeConstLeaf(xyz) || !has_voxels(leaf, span)) return;
                        touch_leaf(base, xyz, spare);
                    };
                    for_each_leaf(pair.deltas(), band, span, touch_base);
                    for_each_leaf(pair.exact(), band, span, touch_base);
                }
            }
        });
}

void Fold::apply() {
    const std::size_t tasks = nodes_->tiles().size() * bands_per_tile;
    grid_.workers().for_each(tasks, nodes_->work(), [&](std::size_t task) {
        const NodeRun tile = nodes_->tiles()[task / bands_per_tile];
        const int index = static_cast<int>(task % bands_per_tile);
        NodePair& first = nodes_->pairs()[tile.begin];
        Band band(*nodes_, tile, index);
        band.add(spans_);
        for (int y = 0; y < leaves_per_row; ++y) {
            if (!band.touched(y)) continue;
            const auto corner = first.origin().offsetBy(leaf_dim * index, leaf_dim * y, 0);
            Leaf& leaf = *first.deltas()->probeLeaf(corner);
            for (int at = 0; at < leaf_size; at += leaf_dim) {
                const float state = band.row(voxel_row(at))[leaf_dim * y + voxel_col(at)];
                leaf.setValueOnly(at, state);
                leaf.setActiveState(at, present(state));
            }
        }
    });
    switch_off(grid_.workers(), *nodes_, spans_);
}

void Fold::clean_up() noexcept {
    remove_empty(grid_, {0, 0});
    for (const ZSpan span : spans_) remove_empty(grid_, span);
}

void switch_off(const Workers& workers, Nodes& nodes, Span<const ZSpan> spans) {
    nodes.for_each_lower(workers, [spans](Lower& node) {
        for (const ZSpan span : spans) {
            for_each_leaf(node, span, [span](int, Leaf& leaf) { switch_off(leaf, span); });
        }
    });
}

void fold(TemporalGrid& grid, Span<const ZSpan> spans) {
    std::optional<Fold> folding;
    try {
        folding.emplace(grid, spans);
    } catch (...) {
        remove_empty(grid, {0, 0});
        throw;
    }
    folding->apply();
    folding->clean_up();
}

void clear(TemporalGrid& grid, ZSpan span) {
    switch_off(grid.workers(), grid.nodes_for_writing(), {&span, 1});
    remove_empty(grid, span);
}

}  // namespace temporal_vdb
