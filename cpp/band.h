// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "nodes.h"

#include <temporal_vdb/span.h>

#include <cstring>

namespace temporal_vdb {

/// The states of eight rows of a tile while slices are added to them, in time order. 4 KB: it
/// stays in the first-level cache while the leaves stream by.
class Band {
public:
    /// Begins with the base of band `band` of a tile whose nodes are pairs[run.begin..run.end].
    template <typename NodeT>
    Band(const std::vector<NodePair<NodeT>>& pairs, NodeRun run, int band) : band_(band) {
        std::memset(state_, 0, sizeof state_);
        const auto& first = pairs[run.begin];
        if (first.origin.z() != 0 || !first.deltas) return;
        for_each_leaf(*first.deltas, band_, [&](int n, const Leaf& leaf) {
            if (child_z(n) != 0) return;
            const float* values = leaf.buffer().data();
            for (int row = 0; row < leaf_dim; ++row) {
                for (auto bits = mask_word(leaf, row) & every_byte; bits; bits &= bits - 1) {
                    const int i = __builtin_ctzll(bits);
                    // Set, not added: 0 + -0 would lose the sign, and NaN its payload.
                    state_[row][leaf_dim * child_y(n) + i / leaf_dim] = values[64 * row + i];
                }
            }
        });
    }

    /// Adds the slices of `spans`, in their order.
    template <typename NodeT>
    void add(const std::vector<NodePair<NodeT>>& pairs, NodeRun run, Span<const ZSpan> spans) {
        for (const ZSpan span : spans) {
            for (std::size_t i = run.begin; i < run.end; ++i) {
                const std::int32_t z = pairs[i].origin.z();
                if (z > span.last) break;
                if (z + (tile_dim - 1) >= span.first) add(pairs[i], span);
            }
        }
    }

    /// Whether there are leaves that adding `span` would read.
    template <typename NodeT>
    bool meets(const std::vector<NodePair<NodeT>>& pairs, NodeRun run, ZSpan span) const {
        for (std::size_t i = run.begin; i < run.end; ++i) {
            const std::uint64_t children = child_mask(pairs[i].origin.z(), span);
            for (int word = 4 * band_; children && word < 4 * band_ + 4; ++word) {
                if (child_word(pairs[i].deltas, word) & children) return true;
                if (child_word(pairs[i].exact, word) & children) return true;
            }
        }
        return false;
    }

    const float* row(int row_in_band) const { return state_[row_in_band]; }

    /// Bit y is set when a slice that was added since clear_touched has voxels in columns 8 y ..= 8
    /// y + 7.
    unsigned touched() const { return touched_; }
    void clear_touched() { touched_ = 0; }

private:
    struct LeafPair {
        const Leaf* deltas;
        const Leaf* exact;
        std::uint64_t zs;
        int y;
    };

    template <typename NodeT>
    void add(const NodePair<NodeT>& pair, ZSpan span) {
        // The leaves first, so that the sums can ask memory for the next ones in time.
        LeafPair leaves[256];
        int count = 0;
        for_each_leaf_pair(pair, band_, span, [&](int n, const Leaf* deltas, const Leaf* exact) {
            const std::uint64_t zs = z_mask(pair.origin.z() + leaf_dim * child_z(n), span);
            leaves[count++] = {deltas, exact, zs, child_y(n)};
        });
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
            if (bits) __builtin_prefetch(values + 64 * row + __builtin_ctzll(bits));
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
        while (bits) {
            const int col = __builtin_ctzll(bits) / leaf_dim;
            const float* run = deltas + leaf_dim * col;
            unsigned steps = (bits >> (8 * col)) & 0xffu;
            float state = states[col];
            do {
                state += run[__builtin_ctz(steps)];
                steps &= steps - 1;
            } while (steps);
            states[col] = state;
            bits &= ~(std::uint64_t{0xff} << (8 * col));
        }
    }

    static void add_row(std::uint64_t delta_bits, std::uint64_t exact_bits, const float* deltas,
                        const float* exact, float* states) {
        for (std::uint64_t bits = delta_bits | exact_bits; bits; bits &= bits - 1) {
            const int i = __builtin_ctzll(bits);
            float& state = states[i / leaf_dim];
            if ((exact_bits >> i) & 1) {
                state = exact[i];
            } else {
                state += deltas[i];
            }
        }
    }

    alignas(64) float state_[leaf_dim][tile_dim];
    int band_;
    unsigned touched_ = 0;
};

/// Whether a state counts as present: its bits are not those of +0.0. (Compared as bits: a host's
/// denormals-are-zero mode must not hide a subnormal, nor -0.0 pass for absent.)
inline bool present(float state) {
    std::uint32_t bits;
    std::memcpy(&bits, &state, sizeof bits);
    return bits != 0;
}

}  // namespace temporal_vdb
