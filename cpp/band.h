// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "mask_words.h"
#include "nodes.h"

#include <temporal_vdb/span.h>

#include <cstring>

namespace temporal_vdb {

/// The states of eight rows of a tile while slices are added to them, in time order. 4 KB: it
/// stays in the first-level cache while the leaves stream by.
class Band {
public:
    /// Begins with the base of band `band` of a tile of `nodes`, which have to outlive it.
    Band(const Nodes& nodes, NodeRun tile, int band) : nodes_(&nodes), tile_(tile), band_(band) {
        std::memset(state_, 0, sizeof state_);
        const NodePair& first = nodes.pairs()[tile.begin];
        if (first.origin().z() != 0) return;
        for_each_leaf(first.deltas(), band, {0, 0}, [&](int n, const Leaf& leaf) {
            const float* values = leaf.buffer().data();
            for (int row = 0; row < leaf_dim; ++row) {
                for_each_on(mask_word(leaf, row) & every_byte, [&](int at) {
                    // Set, not added: 0 + -0 would lose the sign, and NaN its payload.
                    state_[row][leaf_dim * child_y(n) + voxel_col(at)] = values[64 * row + at];
                });
            }
        });
    }

    /// Adds the slices of `spans`, in their order.
    void add(Span<const ZSpan> spans) {
        for (const ZSpan span : spans) {
            for (std::size_t i = tile_.begin; i < tile_.end; ++i) {
                const NodePair& pair = nodes_->pairs()[i];
                if (pair.origin().z() > span.last) break;
                if (meets(span, pair.origin().z(), tile_dim)) add(pair, span);
            }
        }
    }

    /// Whether there are leaves that adding `span` would read.
    bool has_leaves_in(ZSpan span) const {
        for (std::size_t i = tile_.begin; i < tile_.end; ++i) {
            const NodePair& pair = nodes_->pairs()[i];
            if (has_leaves(pair.deltas(), band_, span)) return true;
            if (has_leaves(pair.exact(), band_, span)) return true;
        }
        return false;
    }

    const float* row(int row_in_band) const { return state_[row_in_band]; }

    /// Whether a slice that was added since clear_touched has voxels in columns 8 y ..= 8 y + 7.
    bool touched(int y) const { return (touched_ >> y) & 1; }
    void clear_touched() { touched_ = 0; }

private:
    struct LeafPair {
        const Leaf* deltas;
        const Leaf* exact;
        std::uint64_t zs;
        int y;
    };

    void add(const NodePair& pair, ZSpan span) {
        // The leaves first, so that the sums can ask memory for the next ones in time.
        LeafPair leaves[leaves_per_band];
        int count = 0;
        const auto list = [&](int n, const Leaf* deltas, const Leaf* exact) {
            const std::uint64_t zs = z_mask(pair.origin().z() + leaf_dim * child_z(n), span);
            leaves[count++] = {deltas, exact, zs, child_y(n)};
        };
        for_each_leaf_pair(pair.deltas(), pair.exact(), band_, span, list);
        for (int i = 0; i < count; ++i) {
            if (i + 8 < count) prefetch_masks(leaves[i + 8]);
            if (i + 4 < count) prefetch_values(leaves[i + 4]);
            add(leaves[i]);
        }
    }

    static void prefetch_masks(const LeafPair& leaf) {
        if (!leaf.deltas) return;
        __builtin_prefetch(leaf.deltas);
        __builtin_prefetch(reinterpret_cast<const char*>(leaf.deltas) + 64);  // the mask goes on
    }

    /// Of a scattered slice's leaf few lines are needed, which no hardware can foresee.
    static void prefetch_values(const LeafPair& leaf) {
        if (!leaf.deltas) return;
        const float* values = leaf.deltas->buffer().data();
        for (int row = 0; row < leaf_dim; ++row) {
            const std::uint64_t bits = mask_word(*leaf.deltas, row) & leaf.zs;
            if (bits) __builtin_prefetch(values + 64 * row + lowest_on(bits));
        }
    }

    void add(const LeafPair& leaf) {
        const float* deltas = leaf.deltas ? leaf.deltas->buffer().data() : nullptr;
        const float* exact = leaf.exact ? leaf.exact->buffer().data() : nullptr;
        for (int row = 0; row < leaf_dim; ++row) {
            const std::uint64_t delta_bits = deltas ? mask_word(*leaf.deltas, row) & leaf.zs : 0;
            const std::uint64_t exact_bits = exact ? mask_word(*leaf.exact, row) & leaf.zs : 0;
            if (!(delta_bits | exact_bits)) continue;
            touched_ |= 1u << leaf.y;
            float* states = &state_[row][leaf_dim * leaf.y];
            if (!exact_bits) {
                add_row(delta_bits, deltas + 64 * row, states);
            } else {
                add_row(delta_bits, exact_bits, deltas + 64 * row, exact + 64 * row, states);
            }
        }
    }

    // One row of a leaf: eight weights, each with a byte of the mask and a run of eight floats.
    static void add_row(std::uint64_t bits, const float* deltas, float* states) {
        for_each_weight(bits, [&](int col, unsigned steps) {
            const float* run = deltas + leaf_dim * col;
            float state = states[col];
            for_each_on(steps, [&](int step) { state += run[step]; });
            states[col] = state;
        });
    }

    static void add_row(std::uint64_t delta_bits, std::uint64_t exact_bits, const float* deltas,
                        const float* exact, float* states) {
        for_each_on(delta_bits | exact_bits, [&](int at) {
            float& state = states[voxel_col(at)];
            if ((exact_bits >> at) & 1) {
                state = exact[at];
            } else {
                state += deltas[at];
            }
        });
    }

    alignas(64) float state_[leaf_dim][tile_dim];
    const Nodes* nodes_;
    NodeRun tile_;
    int band_;
    unsigned touched_ = 0;
};

}  // namespace temporal_vdb
