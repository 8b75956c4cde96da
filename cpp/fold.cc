// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/fold.h>

#include "folding.h"

#include <new>
#include <optional>

namespace temporal_vdb {

Fold::Fold(TemporalGrid& grid, Span<const ZSpan> spans) : grid_(grid), spans_(spans) {
    Tree& deltas = grid.deltas_for_writing();
    pairs_ = node_pairs(deltas, grid.exact_for_writing());
    for (const auto& pair : pairs_) {
        touch_lower(deltas, to_3d(pair.origin.x(), pair.origin.y()));
    }
    pairs_ = node_pairs(deltas, grid.exact_for_writing());  // each tile begins at z = 0 now
    tiles_ = tiles_of(pairs_);
    grid.workers().for_each_with(
        tiles_.size() * bands_per_tile, walk_work(pairs_),
        [&] { return LeafPool::Share(grid.pool()); },
        [&](LeafPool::Share& spare, std::size_t task) {
            const NodeRun tile = tiles_[task / bands_per_tile];
            const int band = static_cast<int>(task % bands_per_tile);
            Lower& base = *pairs_[tile.begin].deltas;
            const auto touch_base = [&](int n, const Leaf& leaf) {
                const int at = n & ~15;  // the same column of leaves at z = 0
                if (base.getChildMask().isOn(at)) return;
                bool changed = false;
                for (const ZSpan span : spans_) {
                    const std::uint64_t zs = z_mask(leaf.origin().z(), span);
                    for (int row = 0; zs && row < leaf_dim; ++row) {
                        changed |= (mask_word(leaf, row) & zs) != 0;
                    }
                }
                if (!changed) return;
                base.addLeaf(spare.take(to_3d(leaf.origin().x(), leaf.origin().y())));
            };
            for (std::size_t i = tile.begin; i < tile.end; ++i) {
                if (pairs_[i].deltas) for_each_leaf(*pairs_[i].deltas, band, touch_base);
                if (pairs_[i].exact) for_each_leaf(*pairs_[i].exact, band, touch_base);
            }
        });
}

void Fold::apply() {
    const std::size_t tasks = tiles_.size() * bands_per_tile;
    grid_.workers().for_each(tasks, walk_work(pairs_), [&](std::size_t task) {
        const NodeRun tile = tiles_[task / bands_per_tile];
        const int index = static_cast<int>(task % bands_per_tile);
        Band band(pairs_, tile, index);
        band.add(pairs_, tile, spans_);
        for (unsigned touched = band.touched(); touched; touched &= touched - 1) {
            const int y = __builtin_ctz(touched);
            const Lower& node = *pairs_[tile.begin].deltas;
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
    switch_off(grid_.workers(), pairs_, spans_);
}

void Fold::clean_up() noexcept {
    remove_empty(grid_, {0, 0});
    for (const ZSpan span : spans_) remove_empty(grid_, span);
}

void switch_off(const Workers& workers, const std::vector<NodePair<Lower>>& pairs,
                Span<const ZSpan> spans) {
    workers.for_each(pairs.size() * bands_per_tile, walk_work(pairs), [&](std::size_t task) {
        const auto& pair = pairs[task / bands_per_tile];
        const int band = static_cast<int>(task % bands_per_tile);
        for (const ZSpan span : spans) {
            const std::uint64_t children = child_mask(pair.origin.z(), span);
            if (!children) continue;
            const auto off = [span](int, Leaf& leaf) {
                const std::uint64_t zs = z_mask(leaf.origin().z(), span);
                float* values = leaf.buffer().data();
                for (int row = 0; row < leaf_dim; ++row) {
                    auto& word = leaf.getValueMask().getWord<std::uint64_t>(row);
                    for (std::uint64_t bits = word & zs; bits; bits &= bits - 1) {
                        values[64 * row + __builtin_ctzll(bits)] = 0.0f;
                    }
                    word &= ~zs;
                }
            };
            if (pair.deltas) for_each_leaf(*pair.deltas, band, children, off);
            if (pair.exact) for_each_leaf(*pair.exact, band, children, off);
        }
    });
}

void remove_empty(TemporalGrid& grid, ZSpan span) noexcept {
    try {
        remove_empty(grid.deltas_for_writing(), grid.workers(), grid.pool(), span);
        if (auto* exact = grid.exact_for_writing()) {
            remove_empty(*exact, grid.workers(), grid.pool(), span);
        }
        grid.drop_empty_exact();
    } catch (const std::bad_alloc&) {
    }
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
    const auto pairs = node_pairs(grid.deltas_for_writing(), grid.exact_for_writing());
    switch_off(grid.workers(), pairs, {&span, 1});
    remove_empty(grid, span);
}

}  // namespace temporal_vdb
