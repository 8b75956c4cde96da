// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/fold.h>

#include "fold_steps.h"

namespace temporal_vdb {

void prepare_fold(TemporalGrid& grid, Span<const ZSpan> spans) {
    Tree& deltas = grid.deltas_for_writing();
    const auto pairs = node_pairs(deltas, grid.exact_for_writing());
    const auto tiles = tiles_of(pairs);
    std::vector<Lower*> bases;
    bases.reserve(tiles.size());
    for (const NodeRun tile : tiles) {
        const auto& origin = pairs[tile.begin].origin;
        bases.push_back(&touch_lower(deltas, to_3d(origin.x(), origin.y())));
    }
    grid.workers().for_each(tiles.size() * bands_per_tile, walk_work(pairs), [&](std::size_t task) {
        const NodeRun tile = tiles[task / bands_per_tile];
        const int band = static_cast<int>(task % bands_per_tile);
        LeafPool::Share spare(grid.pool());
        const auto touch_base = [&](int n, const Leaf& leaf) {
            bool changed = false;
            for (const ZSpan span : spans) {
                const std::uint64_t zs = z_mask(leaf.origin().z(), span);
                for (int row = 0; zs && row < leaf_dim; ++row)
                    changed |= (mask_word(leaf, row) & zs) != 0;
            }
            if (!changed) return;
            Lower& base = *bases[task / bands_per_tile];
            const int at = n & ~15;  // the same column of leaves at z = 0
            if (base.getChildMask().isOn(at)) return;
            base.addLeaf(spare.take(to_3d(leaf.origin().x(), leaf.origin().y())));
        };
        for (std::size_t i = tile.begin; i < tile.end; ++i) {
            if (pairs[i].deltas) for_each_leaf(*pairs[i].deltas, band, touch_base);
            if (pairs[i].exact) for_each_leaf(*pairs[i].exact, band, touch_base);
        }
    });
}

void apply_fold(TemporalGrid& grid, Span<const ZSpan> spans) {
    const auto pairs = node_pairs(grid.deltas_for_writing(), grid.exact_for_writing());
    const auto tiles = tiles_of(pairs);
    grid.workers().for_each(tiles.size() * bands_per_tile, walk_work(pairs), [&](std::size_t task) {
        const NodeRun tile = tiles[task / bands_per_tile];
        const int index = static_cast<int>(task % bands_per_tile);
        Band band(pairs, tile, index);
        band.add(pairs, tile, spans);
        for (unsigned touched = band.touched(); touched; touched &= touched - 1) {
            const int y = __builtin_ctz(touched);
            const Lower& node = *pairs[tile.begin].deltas;
            Leaf& leaf = *node.getTable()[256 * index + 16 * y].getChild();
            float* values = leaf.buffer().data();
            for (int row = 0; row < leaf_dim; ++row) {
                auto& word = leaf.getValueMask().getWord<std::uint64_t>(row);
                for (int col = 0; col < leaf_dim; ++col) {
                    const float state = band.row(row)[leaf_dim * y + col];
                    const std::uint64_t bit = std::uint64_t{1} << (leaf_dim * col);
                    values[64 * row + leaf_dim * col] = state;
                    word = present(state) ? word | bit : word & ~bit;
                }
            }
        }
    });
    for (const ZSpan span : spans) {
        switch_off(grid.deltas_for_writing(), grid.workers(), span);
        if (auto* exact = grid.exact_for_writing()) switch_off(*exact, grid.workers(), span);
    }
}

void remove_empty(TemporalGrid& grid, ZSpan span) {
    remove_empty(grid.deltas_for_writing(), grid.workers(), grid.pool(), span);
    if (auto* exact = grid.exact_for_writing()) {
        remove_empty(*exact, grid.workers(), grid.pool(), span);
    }
    grid.drop_empty_exact();
}

void fold(TemporalGrid& grid, Span<const ZSpan> spans) {
    try {
        prepare_fold(grid, spans);
    } catch (...) {
        remove_empty(grid, {0, 0});
        throw;
    }
    apply_fold(grid, spans);
    remove_empty(grid, {0, 0});
    for (const ZSpan span : spans) remove_empty(grid, span);
}

void clear(TemporalGrid& grid, ZSpan span) {
    switch_off(grid.deltas_for_writing(), grid.workers(), span);
    if (auto* exact = grid.exact_for_writing()) switch_off(*exact, grid.workers(), span);
    remove_empty(grid, span);
}

}  // namespace temporal_vdb
