// SPDX-License-Identifier: MIT OR Apache-2.0
#include "batch.h"

#include <temporal_vdb/error.h>

namespace temporal_vdb {

namespace {

std::string text(const Voxel& voxel) {
    return "(" + std::to_string(voxel.row) + ", " + std::to_string(voxel.col) + ")";
}

[[noreturn]] void refuse_outside(const Voxel& voxel, std::int32_t rows, std::int32_t cols) {
    throw Error(ErrorCode::invalid_argument, "voxel " + text(voxel) + " is outside " +
                                                 std::to_string(rows) + " x " +
                                                 std::to_string(cols));
}

[[noreturn]] void refuse_order(const Voxel* voxel) {
    throw Error(ErrorCode::invalid_argument,
                "voxel " + text(*voxel) + " does not come after " + text(*(voxel - 1)));
}

}  // namespace

Batch::Batch(Span<const Voxel> voxels, std::int32_t rows, std::int32_t cols) : voxels_(voxels) {
    // Per column of tiles: has this row of tiles a voxel there?
    std::vector<char> met(static_cast<std::size_t>(cols - 1) / tile_dim + 1);
    std::int32_t tile_row = -1;
    std::size_t first_band = 0;  // of this row of tiles
    const auto end_tile_row = [&] {
        const std::size_t first_tile = tiles_.size();
        for (std::size_t i = 0; i < met.size(); ++i) {
            if (met[i]) tiles_.emplace_back(tile_row * tile_dim, static_cast<int>(i) * tile_dim, 0);
            met[i] = 0;
        }
        for (; first_band < bands_.size(); ++first_band) {
            bands_[first_band].first_tile = first_tile;
            bands_[first_band].end_tile = tiles_.size();
        }
    };
    const auto row_count = static_cast<std::uint32_t>(rows);
    const auto col_count = static_cast<std::uint32_t>(cols);
    std::uint32_t end_row = 0;  // of the band
    std::int64_t before = -1;
    for (const Voxel& voxel : voxels) {
        // Branches that always go one way, but for one a band: scattered voxels come fast. As
        // unsigned numbers those below 0 are too large.
        const auto row = static_cast<std::uint32_t>(voxel.row);
        const auto col = static_cast<std::uint32_t>(voxel.col);
        if (row >= row_count || col >= col_count) refuse_outside(voxel, rows, cols);
        const auto place = static_cast<std::int64_t>(std::uint64_t{row} << 32 | col);
        if (place <= before) refuse_order(&voxel);
        before = place;
        if (row >= end_row) {
            end_row = (row | (leaf_dim - 1)) + 1;
            if (!bands_.empty()) bands_.back().end = &voxel;
            if (voxel.row / tile_dim != tile_row) {
                end_tile_row();
                tile_row = voxel.row / tile_dim;
            }
            bands_.push_back({&voxel, voxels.end(), 0, 0});
        }
        met[col / tile_dim] = 1;
    }
    end_tile_row();
}

std::vector<const Lower*> Batch::find_nodes(const Tree& tree, std::int32_t z) const {
    std::vector<const Lower*> nodes;
    nodes.reserve(tiles_.size());
    for (const auto& tile : tiles_) {
        nodes.push_back(tree.probeConstNode<Lower>({tile.x(), tile.y(), z}));
    }
    return nodes;
}

std::vector<Lower*> Batch::touch_nodes(Tree& tree, std::int32_t z) const {
    std::vector<Lower*> nodes;
    nodes.reserve(tiles_.size());
    for (const auto& tile : tiles_) nodes.push_back(&touch_lower(tree, {tile.x(), tile.y(), z}));
    return nodes;
}

}  // namespace temporal_vdb
