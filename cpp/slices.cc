// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/slices.h>

#include "mask_words.h"
#include "nodes.h"

namespace temporal_vdb {

namespace {

/// Calls body(index into zs, leaf, z within the leaf) for the leaves of a band that hold one of
/// the slices `zs`, ascending by column for each slice.
template <typename Body>
void for_each_slice_leaf(const Nodes& nodes, NodeOfPair which, NodeRun run, int band,
                         Span<const std::int32_t> zs, const Body& body) {
    for (std::size_t i = run.begin; i < run.end; ++i) {
        const NodePair& pair = nodes.pairs()[i];
        const std::int32_t z = pair.origin().z();
        const auto first = std::lower_bound(zs.begin(), zs.end(), z);
        if (first == zs.end() || *first > z + (tile_dim - 1)) continue;
        const ZSpan rest{*first, z + (tile_dim - 1)};
        for_each_leaf((pair.*which)(), band, rest, [&](int n, const Leaf& leaf) {
            const std::int32_t leaf_z = z + leaf_dim * child_z(n);
            for (auto at = std::lower_bound(first, zs.end(), leaf_z);
                 at != zs.end() && *at - leaf_z < leaf_dim; ++at) {
                body(static_cast<std::size_t>(at - zs.begin()), leaf, *at - leaf_z);
            }
        });
    }
}

/// Appends a group of slices to `out`. Two walks: how many voxels each row of a band has in each
/// slice, then, each row's place known, the voxels themselves. The bands of both run in parallel.
void append(const Workers& workers, const Nodes& nodes, NodeOfPair which,
            const std::vector<NodeRun>& tile_rows, Span<const std::int32_t> zs, Slices& out) {
    const std::size_t bands = tile_rows.size() * bands_per_tile;
    const std::size_t stride = zs.size * leaf_dim;
    const std::size_t work = nodes.work();
    std::vector<std::uint64_t> places(bands * stride, 0);
    workers.for_each(bands, work, [&](std::size_t task) {
        std::uint64_t* counts = &places[task * stride];
        for_each_slice_leaf(
            nodes, which, tile_rows[task / bands_per_tile], static_cast<int>(task % bands_per_tile),
            zs, [&](std::size_t i, const Leaf& leaf, int z) {
                for (int row = 0; row < leaf_dim; ++row) {
                    counts[i * leaf_dim + row] += count_on(mask_word(leaf, row) & every_byte << z);
                }
            });
    });
    std::uint64_t next = out.voxels.size();
    for (std::size_t i = 0; i < zs.size; ++i) {
        for (std::size_t band = 0; band < bands; ++band) {
            for (int row = 0; row < leaf_dim; ++row) {
                auto& place = places[band * stride + i * leaf_dim + row];
                const auto count = place;
                place = next;
                next += count;
            }
        }
        out.offsets.push_back(next);
    }
    out.voxels.resize(next);
    workers.for_each(bands, work, [&](std::size_t task) {
        std::uint64_t* place = &places[task * stride];
        for_each_slice_leaf(
            nodes, which, tile_rows[task / bands_per_tile], static_cast<int>(task % bands_per_tile),
            zs, [&](std::size_t i, const Leaf& leaf, int z) {
                const float* values = leaf.buffer().data();
                const auto origin = leaf.origin();
                for (int row = 0; row < leaf_dim; ++row) {
                    auto& to = place[i * leaf_dim + row];
                    for_each_on(mask_word(leaf, row) & every_byte << z, [&](int at) {
                        out.voxels[to++] = {origin.x() + row, origin.y() + voxel_col(at),
                                            values[64 * row + at]};
                    });
                }
            });
    });
}

/// The slices `zs` of one of the trees.
Slices slices(const TemporalGrid& grid, NodeOfPair which, Span<const std::int32_t> zs) {
    const Nodes& nodes = grid.nodes();
    const auto tile_rows = rows_of_tiles(nodes);
    Slices out;
    out.offsets.reserve(zs.size + 1);
    out.offsets.push_back(0);
    // In groups, so that the table of places stays small however long the history is.
    constexpr std::size_t group = 256;
    for (std::size_t i = 0; i < zs.size; i += group) {
        append(grid.workers(), nodes, which, tile_rows, {zs.data + i, std::min(group, zs.size - i)},
               out);
    }
    return out;
}

}  // namespace

Slices delta_slices(const TemporalGrid& grid, Span<const std::int32_t> zs) {
    return slices(grid, of_deltas, zs);
}

Slices exact_slices(const TemporalGrid& grid, Span<const std::int32_t> zs) {
    return slices(grid, of_exact, zs);
}

}  // namespace temporal_vdb
