// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "leaves.h"

#include <temporal_vdb/span.h>
#include <temporal_vdb/voxel.h>

namespace temporal_vdb {

/// Neighbouring voxels of a batch: one row of one leaf, at most eight.
struct VoxelRun {
    const Voxel* begin;
    const Voxel* end;

    /// Place of a voxel's column in its leaf's row; z is added to it.
    static unsigned col_offset(const Voxel& voxel) {
        return static_cast<unsigned>(voxel.col & (leaf_dim - 1)) * leaf_dim;
    }
    /// Place of the run's row in its leaf's buffer.
    unsigned row_offset() const {
        return static_cast<unsigned>(begin->row & (leaf_dim - 1)) * leaf_dim * leaf_dim;
    }
};

/// A slice's voxels, ascending by (row, col), as the leaves see them.
///
/// Eight rows make a band of leaves. A band remembers its leaves while its rows go by, so that each
/// leaf is looked up, or made, once, and the voxels need no sorting.
class Batch {
public:
    /// Throws invalid_argument for a voxel outside the shape or not above the one before it.
    Batch(Span<const Voxel> voxels, std::int32_t rows, std::int32_t cols);

    /// The nodes that the batch falls into, one for each tile that it meets; null where the tree
    /// has none.
    std::vector<const Lower*> find_nodes(const Tree& tree, std::int32_t z) const;
    /// The same, with missing nodes made.
    std::vector<Lower*> touch_nodes(Tree& tree, std::int32_t z) const;

    std::size_t bands() const { return bands_.size(); }
    std::size_t voxels() const { return voxels_.size; }

    /// Calls body(run) for each run of a band.
    template <typename Body>
    void for_each_run(std::size_t band, const Body& body) const;

    /// A number for a run, below voxels() and different for each.
    std::size_t number_of(VoxelRun run) const { return run.begin - voxels_.begin(); }

    /// Calls body(run, leaf) for each run of a band, where leaf = find(node, row, col) of
    /// the leaf's corner. A leaf that was found is not asked for again. `nodes` comes from
    /// find_nodes or touch_nodes; `leaves` is scratch space, which a task can use for all its
    /// bands.
    template <typename NodeT, typename LeafT, typename Find, typename Body>
    void for_each_run(std::size_t band, const std::vector<NodeT*>& nodes,
                      std::vector<LeafT*>& leaves, const Find& find, const Body& body) const;

private:
    /// Up to eight rows that share their leaves.
    struct Band {
        const Voxel* begin;
        const Voxel* end;
        std::size_t first_tile;  ///< its row of tiles: tiles_[first_tile..end_tile]
        std::size_t end_tile;
    };

    Span<const Voxel> voxels_;
    std::vector<Band> bands_;
    std::vector<openvdb::Coord> tiles_;  ///< corners of the tiles met, ascending
};

template <typename Body>
void Batch::for_each_run(std::size_t index, const Body& body) const {
    const Band& band = bands_[index];
    for (const Voxel* voxel = band.begin; voxel != band.end;) {
        const Voxel* begin = voxel;
        const std::int32_t last_col = begin->col | (leaf_dim - 1);
        do {
            ++voxel;
        } while (voxel != band.end && voxel->row == begin->row && voxel->col <= last_col);
        body(VoxelRun{begin, voxel});
    }
}

template <typename NodeT, typename LeafT, typename Find, typename Body>
void Batch::for_each_run(std::size_t index, const std::vector<NodeT*>& nodes,
                         std::vector<LeafT*>& leaves, const Find& find, const Body& body) const {
    constexpr int leaves_per_tile = tile_dim / leaf_dim;
    const Band& band = bands_[index];
    leaves.assign((band.end_tile - band.first_tile) * leaves_per_tile, nullptr);
    std::size_t tile = band.first_tile;
    std::int32_t row = band.begin->row;
    for_each_run(index, [&](VoxelRun run) {
        if (run.begin->row != row) {
            row = run.begin->row;
            tile = band.first_tile;
        }
        const std::int32_t col = run.begin->col & ~(leaf_dim - 1);
        while (col - tiles_[tile].y() >= tile_dim) ++tile;
        const int leaf_col = (col - tiles_[tile].y()) / leaf_dim;
        LeafT*& leaf = leaves[(tile - band.first_tile) * leaves_per_tile + leaf_col];
        if (!leaf) leaf = find(nodes[tile], row & ~(leaf_dim - 1), col);
        body(run, leaf);
    });
}

}  // namespace temporal_vdb
