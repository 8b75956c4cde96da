// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "bands.h"

#include <algorithm>
#include <cstdint>
#include <type_traits>

// All loops over words of masks, and all uses of a node's raw table: nothing else in cpp/ has any.
//
// OpenVDB's iterators go from one bit of a mask to the next. Here a span of slices is one and the
// same pattern in every word (z runs fastest), so that one operation leaves out what is not asked
// for, and a weight's steps are one byte, so that its state stays in a register. Where iterators
// cost less than a tenth the kernels use those. How many times as long a call took with them
// instead, on one thread, both ways alternately in one process, of layers like those of
// `./run bench` (scattered 0.1 %, whole rows, scattered 5 %, 50 % of all weights a step):
//
//                        instead                               0.1 %   rows    5 %   50 %
//   for_each_leaf[_pair] NodeMask::OnIterator over a band,
//                        leaves outside of the span skipped:
//                        a state at an early step                2.3    1.5    2.2    1.1
//                        clearing a slice                        5.2    3.5    1.3    1.2
//   Band::add            cbeginValueOn: a state                  0.9    1.1    1.1    2.1
//                        a state at an early step                1.0    1.0    2.0    3.4
//   Band's base          isValueOn of 64 weights: a ring's turn  1.5    1.9    1.4    0.9
//   switch_on            setValueOn for each voxel: inserting    0.9    1.5
//   switch_off           beginValueOn, setValueOff: a fold       0.8    1.2    1.2    2.0
//   mask_without         OnIterator, setOff: planning            1.1    1.1    1.1    2.5
//   slices               isValueOn of 64 weights                 1.9    2.6    1.9    2.4
//   histories            OnIterator from the weight's byte on    1.6    1.1    1.0    1.3
//   change_counts        OnIterator                              0.9    0.9    1.1    4.3

namespace temporal_vdb {

constexpr std::uint64_t every_byte = 0x0101010101010101u;

// ---- a leaf: a word of its value mask is a row, eight weights of eight steps each

/// The bits of a word whose z lies in `span`, for a leaf that begins at `z`.
inline std::uint64_t z_mask(std::int32_t z, ZSpan span) {
    const std::int32_t first = std::max(span.first, z);
    const std::int32_t last = std::min(span.last, z + (leaf_dim - 1));
    if (first > last) return 0;
    const unsigned byte = (0xffu >> (7 - (last - z))) & (0xffu << (first - z)) & 0xffu;
    return byte * every_byte;
}

inline std::uint64_t mask_word(const Leaf& leaf, int row_in_leaf) {
    return leaf.getValueMask().getWord<std::uint64_t>(row_in_leaf);
}

inline int count_on(std::uint64_t word) { return __builtin_popcountll(word); }

/// The lowest bit of a word, which has one.
inline int lowest_on(std::uint64_t word) { return __builtin_ctzll(word); }

/// Calls body(bit) for the bits of a word, ascending.
template <typename Body>
void for_each_on(std::uint64_t word, const Body& body) {
    for (; word; word &= word - 1) body(lowest_on(word));
}

/// Calls body(column, its steps as bits 0 to 7) for the weights of a row that have a bit.
template <typename Body>
void for_each_weight(std::uint64_t word, const Body& body) {
    while (word) {
        const int col = lowest_on(word) / leaf_dim;
        body(col, (word >> (leaf_dim * col)) & 0xffu);
        word &= ~(std::uint64_t{0xff} << (leaf_dim * col));
    }
}

/// Switches the voxels of a row on that are bits of `word`.
inline void switch_on(Leaf& leaf, int row_in_leaf, std::uint64_t word) {
    leaf.getValueMask().getWord<std::uint64_t>(row_in_leaf) |= word;
}

/// A leaf's value mask without `span`.
inline openvdb::util::NodeMask<Leaf::LOG2DIM> mask_without(
    openvdb::util::NodeMask<Leaf::LOG2DIM> mask, std::int32_t z, ZSpan span) {
    const std::uint64_t zs = z_mask(z, span);
    for (int row = 0; row < leaf_dim; ++row) mask.getWord<std::uint64_t>(row) &= ~zs;
    return mask;
}

/// Switches the voxels of `span` off and to 0.
inline void switch_off(Leaf& leaf, ZSpan span) {
    const std::uint64_t zs = z_mask(leaf.origin().z(), span);
    float* values = leaf.buffer().data();
    for (int row = 0; row < leaf_dim; ++row) {
        auto& word = leaf.getValueMask().getWord<std::uint64_t>(row);
        for_each_on(word & zs, [&](int at) { values[64 * row + at] = 0.0f; });
        word &= ~zs;
    }
}

// ---- a lower node: a word of its child mask is four columns of leaves, 16 along z in each

/// The bits of a word whose leaves meet `span`, for a node that begins at `z`.
inline std::uint64_t child_mask(std::int32_t z, ZSpan span) {
    const std::int32_t first = std::max(span.first, z);
    const std::int32_t last = std::min(span.last, z + (tile_dim - 1));
    if (first > last) return 0;
    const std::uint64_t column =
        (0xffffu >> (15 - (last - z) / leaf_dim)) & (0xffffu << ((first - z) / leaf_dim));
    return (column & 0xffffu) * 0x0001000100010001u;
}

constexpr int words_per_band = leaves_per_band / 64;

/// Calls body(child index, leaf) for the leaves in the words first..last of a node that meet
/// `span`, in table order.
template <typename NodeT, typename Body>
void for_each_leaf_in_words(NodeT& node, int first, int last, ZSpan span, const Body& body) {
    const std::uint64_t children = child_mask(node.origin().z(), span);
    if (!children) return;
    for (int word = first; word < last; ++word) {
        const auto bits = node.getChildMask().template getWord<std::uint64_t>(word) & children;
        for_each_on(bits, [&](int bit) {
            const int n = 64 * word + bit;
            using LeafT = std::conditional_t<std::is_const_v<NodeT>, const Leaf, Leaf>;
            LeafT& leaf = *node.getTable()[n].getChild();
            body(n, leaf);
        });
    }
}

/// The same for one band. `node` may be null.
template <typename Body>
void for_each_leaf(const Lower* node, int band, ZSpan span, const Body& body) {
    if (!node) return;
    const int first = words_per_band * band;
    for_each_leaf_in_words(*node, first, first + words_per_band, span, body);
}

/// The same for a whole node.
template <typename Body>
void for_each_leaf(Lower& node, ZSpan span, const Body& body) {
    for_each_leaf_in_words(node, 0, words_per_band * bands_per_tile, span, body);
}

/// Calls body(child index, deltas, exact) for the places of one band that meet `span` and have a
/// leaf in either node, in table order. Node and leaf may be null, but not both of them.
template <typename Body>
void for_each_leaf_pair(const Lower* deltas, const Lower* exact, int band, ZSpan span,
                        const Body& body) {
    const std::uint64_t children = child_mask((deltas ? deltas : exact)->origin().z(), span);
    if (!children) return;
    const auto in_word = [children](const Lower* node, int word) {
        return node ? node->getChildMask().getWord<std::uint64_t>(word) & children : 0;
    };
    const auto leaf = [](const Lower* node, std::uint64_t bits, int word, int bit) {
        return (bits >> bit) & 1 ? node->getTable()[64 * word + bit].getChild() : nullptr;
    };
    for (int word = words_per_band * band; word < words_per_band * (band + 1); ++word) {
        const std::uint64_t of_deltas = in_word(deltas, word), of_exact = in_word(exact, word);
        for_each_on(of_deltas | of_exact, [&](int bit) {
            body(64 * word + bit, leaf(deltas, of_deltas, word, bit),
                 leaf(exact, of_exact, word, bit));
        });
    }
}

/// Whether a band of a node has leaves that meet `span`. `node` may be null.
inline bool has_leaves(const Lower* node, int band, ZSpan span) {
    if (!node) return false;
    const std::uint64_t children = child_mask(node->origin().z(), span);
    std::uint64_t found = 0;
    for (int word = words_per_band * band; word < words_per_band * (band + 1); ++word) {
        found |= node->getChildMask().getWord<std::uint64_t>(word) & children;
    }
    return found != 0;
}

}  // namespace temporal_vdb
