// SPDX-License-Identifier: MIT OR Apache-2.0
#include "batch.h"

#include <temporal_vdb/error.h>

namespace temporal_vdb {

namespace {

std::string text(const Voxel& voxel) {
    return "(" + std::to_string(voxel.row) + ", " + std::to_string(voxel.col) + ")";
}

}  // namespace

Batch::Batch(Span<const Voxel> voxels, std::int32_t rows, std::int32_t cols) {
    std::vector<char> met;  // per column of tiles: has this row of tiles a voxel there?
    std::int32_t tile_row = -1;
    std::size_t first_tile = 0;
    const auto end_tile_row = [&] {
        for (std::size_t i = 0; i < met.size(); ++i) {
            if (met[i]) tiles_.emplace_back(tile_row * tile_dim, static_cast<int>(i) * tile_dim, 0);
            met[i] = 0;
        }
    };
    const Voxel* before = nullptr;
    std::int32_t band_row = -1;
    for (const Voxel& voxel : voxels) {
        if (voxel.row < 0 || voxel.row >= rows || voxel.col < 0 || voxel.col >= cols) {
            throw Error(ErrorCode::invalid_argument, "voxel " + text(voxel) + " is outside " +
                                                         std::to_string(rows) + " x " +
                                                         std::to_string(cols));
        }
        if (before &&
            !(before->row < voxel.row || (before->row == voxel.row && before->col < voxel.col))) {
            throw Error(ErrorCode::invalid_argument,
                        "voxel " + text(voxel) + " does not come after " + text(*before));
        }
        if (voxel.row / leaf_dim != band_row) {
            band_row = voxel.row / leaf_dim;
            if (voxel.row / tile_dim != tile_row) {
                end_tile_row();
                tile_row = voxel.row / tile_dim;
                first_tile = tiles_.size();
            }
            bands_.push_back({&voxel, &voxel, first_tile});
        }
        bands_.back().end = &voxel + 1;
        const auto tile_col = static_cast<std::size_t>(voxel.col / tile_dim);
        if (tile_col >= met.size()) met.resize(tile_col + 1);
        met[tile_col] = 1;
        before = &voxel;
    }
    end_tile_row();
}

std::vector<Lower*> Batch::find_nodes(Tree& tree, std::int32_t z) const {
    std::vector<Lower*> nodes;
    nodes.reserve(tiles_.size());
    for (const auto& tile : tiles_) nodes.push_back(tree.probeNode<Lower>({tile.x(), tile.y(), z}));
    return nodes;
}

std::vector<Lower*> Batch::touch_nodes(Tree& tree, std::int32_t z) const {
    std::vector<Lower*> nodes;
    nodes.reserve(tiles_.size());
    for (const auto& tile : tiles_) nodes.push_back(&touch_lower(tree, {tile.x(), tile.y(), z}));
    return nodes;
}

}  // namespace temporal_vdb
