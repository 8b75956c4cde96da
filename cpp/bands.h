// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/voxel.h>

#include <cstdint>

// What a lower node is to the kernels.
//
// In a lower node (128^3) the children of one (row, col) column are neighbours in the table, in
// ascending z; and the table splits into 16 bands of 8 rows. So the kernels work on (lower node,
// band): inside it the tree's own order is time order for every weight.

namespace temporal_vdb {

using Tree = TemporalGrid::Tree;
using Upper = TemporalGrid::Upper;
using Lower = TemporalGrid::Lower;
using Leaf = TemporalGrid::Leaf;

constexpr int leaf_dim = 8;
constexpr int tile_dim = 128;
constexpr int leaf_size = leaf_dim * leaf_dim * leaf_dim;
constexpr int leaves_per_row = tile_dim / leaf_dim;
constexpr int leaves_per_band = leaves_per_row * leaves_per_row;
constexpr int bands_per_tile = tile_dim / leaf_dim;

static_assert(Leaf::DIM == leaf_dim && Lower::DIM == tile_dim, "the standard 5-4-3 tree");
static_assert(Leaf::SIZE == leaf_size && Lower::NUM_VALUES == bands_per_tile * leaves_per_band);

/// Whether some of the `dim` slices from z on are in `span`.
inline bool meets(ZSpan span, std::int32_t z, int dim) {
    return z <= span.last && z + (dim - 1) >= span.first;
}

/// Column and z of a node's child within the node, in leaves.
inline int child_y(int n) { return (n / leaves_per_row) % leaves_per_row; }
inline int child_z(int n) { return n % leaves_per_row; }

/// Row, column and z of a voxel within its leaf, of its place in it.
inline int voxel_row(int at) { return at / (leaf_dim * leaf_dim); }
inline int voxel_col(int at) { return at / leaf_dim % leaf_dim; }
inline int voxel_z(int at) { return at % leaf_dim; }

}  // namespace temporal_vdb
