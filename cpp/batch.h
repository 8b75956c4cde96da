// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "nodes.h"

#include <temporal_vdb/span.h>
#include <temporal_vdb/voxel.h>

namespace temporal_vdb {

/// The voxels of a batch that fall into one leaf of a slice: at most 64, ascending.
struct LeafBatch {
    LeafBatch() = default;
    /// Copies what is filled only.
    LeafBatch& operator=(const LeafBatch& other) {
        row = other.row;
        col = other.col;
        count = other.count;
        std::copy_n(other.offset, count, offset);
        std::copy_n(other.value, count, value);
        return *this;
    }
    LeafBatch(const LeafBatch&) = delete;

    std::int32_t row;  ///< of the leaf's corner
    std::int32_t col;
    int count;
    std::uint16_t offset[64];  ///< in the leaf's buffer, without z
    float value[64];

    std::int32_t row_of(int i) const { return row + (offset[i] >> 6); }
    std::int32_t col_of(int i) const { return col + ((offset[i] >> 3) & 7); }
};

/// A slice's voxels, ascending by (row, col), seen leaf by leaf.
///
/// Eight rows make a band of leaves. Within a band the eight rows, each ascending in its columns,
/// are merged leaf by leaf, so the voxels arrive in leaf order without being sorted or copied.
class Batch {
public:
    /// Throws invalid_argument for a voxel outside the shape or not above the one before it.
    Batch(Span<const Voxel> voxels, std::int32_t rows, std::int32_t cols);

    /// The nodes that the batch falls into, one for each tile that it meets; null where the tree
    /// has none.
    std::vector<Lower*> find_nodes(Tree& tree, std::int32_t z) const;
    /// The same, with missing nodes made.
    std::vector<Lower*> touch_nodes(Tree& tree, std::int32_t z) const;

    std::size_t bands() const { return bands_.size(); }

    /// Calls body(node, leaf batch) for each leaf of one band, ascending by column. `nodes` comes
    /// from find_nodes or touch_nodes.
    template <typename Body>
    void for_each_leaf(std::size_t band, const std::vector<Lower*>& nodes, const Body& body) const;

private:
    struct Rows {
        const Voxel* begin;
        const Voxel* end;
        std::size_t first_tile;  ///< of its row of tiles, in tiles_
    };

    std::vector<Rows> bands_;
    std::vector<openvdb::Coord> tiles_;  ///< corners of the tiles met, ascending
};

template <typename Body>
void Batch::for_each_leaf(std::size_t band, const std::vector<Lower*>& nodes,
                          const Body& body) const {
    const Rows& rows = bands_[band];
    struct Cursor {
        const Voxel* next;
        const Voxel* end;
    };
    Cursor cursors[leaf_dim];
    int count = 0;
    for (const Voxel* voxel = rows.begin; voxel != rows.end;) {
        const Voxel* begin = voxel;
        while (voxel != rows.end && voxel->row == begin->row) ++voxel;
        cursors[count++] = {begin, voxel};
    }
    LeafBatch leaf;
    leaf.row = rows.begin->row & ~(leaf_dim - 1);
    std::size_t tile = rows.first_tile;
    while (count > 0) {
        std::int32_t col = cursors[0].next->col;
        for (int i = 1; i < count; ++i) col = std::min(col, cursors[i].next->col);
        leaf.col = col & ~(leaf_dim - 1);
        leaf.count = 0;
        int left = 0;
        for (int i = 0; i < count; ++i) {
            Cursor cursor = cursors[i];
            while (cursor.next != cursor.end && (cursor.next->col & ~(leaf_dim - 1)) == leaf.col) {
                leaf.offset[leaf.count] = static_cast<std::uint16_t>((cursor.next->row & 7) << 6 |
                                                                     (cursor.next->col & 7) << 3);
                leaf.value[leaf.count++] = cursor.next->value;
                ++cursor.next;
            }
            if (cursor.next != cursor.end) cursors[left++] = cursor;
        }
        count = left;
        while (tiles_[tile].y() + tile_dim <= leaf.col) ++tile;
        body(nodes[tile], leaf);
    }
}

}  // namespace temporal_vdb
