// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/slices.h>

#include "band.h"

#include <climits>

namespace temporal_vdb {

namespace {

using ConstNodes = std::vector<const Lower*>;

/// Calls body(index into zs, leaf, z within the leaf) for the leaves of a band that hold one of
/// the slices `zs`, ascending by column for each slice.
template <typename Body>
void for_each_slice_leaf(const ConstNodes& nodes, NodeRun run, int band,
                         Span<const std::int32_t> zs, const Body& body) {
    for (std::size_t i = run.begin; i < run.end; ++i) {
        const std::int32_t z = nodes[i]->origin().z();
        const auto first = std::lower_bound(zs.begin(), zs.end(), z);
        if (first == zs.end() || *first > z + (tile_dim - 1)) continue;
        for_each_leaf(*nodes[i], band, [&](int n, const Leaf& leaf) {
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
void append(const Workers& workers, const ConstNodes& nodes, const std::vector<NodeRun>& tile_rows,
            Span<const std::int32_t> zs, Slices& out) {
    const std::size_t bands = tile_rows.size() * bands_per_tile;
    const std::size_t stride = zs.size * leaf_dim;
    const std::size_t work = walk_work(nodes);
    std::vector<std::uint64_t> places(bands * stride, 0);
    workers.for_each(bands, work, [&](std::size_t task) {
        std::uint64_t* counts = &places[task * stride];
        for_each_slice_leaf(
            nodes, tile_rows[task / bands_per_tile], static_cast<int>(task % bands_per_tile), zs,
            [&](std::size_t i, const Leaf& leaf, int z) {
                for (int row = 0; row < leaf_dim; ++row) {
                    counts[i * leaf_dim + row] +=
                        __builtin_popcountll(mask_word(leaf, row) & (every_byte << z));
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
            nodes, tile_rows[task / bands_per_tile], static_cast<int>(task % bands_per_tile), zs,
            [&](std::size_t i, const Leaf& leaf, int z) {
                const float* values = leaf.buffer().data();
                const auto origin = leaf.origin();
                for (int row = 0; row < leaf_dim; ++row) {
                    auto bits = mask_word(leaf, row) & (every_byte << z);
                    auto& to = place[i * leaf_dim + row];
                    for (; bits; bits &= bits - 1) {
                        const int at = __builtin_ctzll(bits);
                        out.voxels[to++] = {origin.x() + row, origin.y() + at / leaf_dim,
                                            values[64 * row + at]};
                    }
                }
            });
    });
}

/// Calls body(z, value) for the active voxels of column (row, col) in `span`, ascending. Absent
/// nodes are skipped whole.
template <typename Body>
void for_each_change(const Tree& tree, std::int32_t row, std::int32_t col, ZSpan span,
                     const Body& body) {
    const int row_in_leaf = row & (leaf_dim - 1);
    const int col_in_leaf = col & (leaf_dim - 1);
    const auto leaf_runs = [&](const Lower& lower) {
        const std::int32_t z0 = lower.origin().z();
        const std::int32_t first = std::max(span.first, z0);
        const std::int32_t last = std::min(span.last, z0 + (tile_dim - 1));
        if (first > last) return;
        const auto begin = Lower::coordToOffset({row, col, first});
        const auto end = Lower::coordToOffset({row, col, last});
        for (auto n = begin; n <= end; ++n) {
            if (!lower.getChildMask().isOn(n)) continue;
            const Leaf& leaf = *lower.getTable()[n].getChild();
            const std::int32_t z = z0 + leaf_dim * child_z(static_cast<int>(n));
            const auto word = mask_word(leaf, row_in_leaf) & z_mask(z, span);
            unsigned steps = (word >> (leaf_dim * col_in_leaf)) & 0xffu;
            const float* run = leaf.buffer().data() + 64 * row_in_leaf + leaf_dim * col_in_leaf;
            for (; steps; steps &= steps - 1) {
                const int step = __builtin_ctz(steps);
                body(z + step, run[step]);
            }
        }
    };
    // The root's table is ordered by (x, y, z), so equal (x, y) come in ascending z.
    for (auto upper = tree.root().cbeginChildOn(); upper; ++upper) {
        const auto& origin = upper->origin();
        if (origin.x() != (row & ~(static_cast<int>(Upper::DIM) - 1)) ||
            origin.y() != (col & ~(static_cast<int>(Upper::DIM) - 1)) || origin.z() > span.last ||
            origin.z() + static_cast<int>(Upper::DIM - 1) < span.first) {
            continue;
        }
        const auto n = Upper::coordToOffset({row, col, 0});
        for (auto child = n; child < n + (1u << 5); ++child) {
            if (upper->getChildMask().isOn(child)) leaf_runs(*upper->getTable()[child].getChild());
        }
    }
}

struct Change {
    std::int32_t z;
    float value;
    bool exact;
};

/// Deltas and marks of one weight in `span`, ascending; a mark stands in for its step's delta.
void changes_of(const TemporalGrid& grid, std::int32_t row, std::int32_t col, ZSpan span,
                std::vector<Change>& changes) {
    changes.clear();
    for_each_change(grid.deltas(), row, col, span, [&](std::int32_t z, float value) {
        changes.push_back({z, value, false});
    });
    if (!grid.exact()) return;
    for_each_change(*grid.exact(), row, col, span, [&](std::int32_t z, float value) {
        const auto at = std::lower_bound(changes.begin(), changes.end(), z,
                                         [](const Change& c, std::int32_t to) { return c.z < to; });
        if (at != changes.end() && at->z == z) {
            *at = {z, value, true};
        } else {
            changes.insert(at, {z, value, true});
        }
    });
}

}  // namespace

Slices slices(const Workers& workers, const Tree& tree, Span<const std::int32_t> zs) {
    const ConstNodes nodes = lower_nodes(tree);
    const auto tile_rows = node_runs(
        nodes, [](const Lower* a, const Lower* b) { return a->origin().x() == b->origin().x(); });
    Slices out;
    out.offsets.reserve(zs.size + 1);
    out.offsets.push_back(0);
    // In groups, so that the table of places stays small however long the history is.
    constexpr std::size_t group = 256;
    for (std::size_t i = 0; i < zs.size; i += group) {
        append(workers, nodes, tile_rows, {zs.data + i, std::min(group, zs.size - i)}, out);
    }
    return out;
}

Histories histories(const TemporalGrid& grid, Span<const Voxel> weights, Span<const ZSpan> before,
                    Span<const ZSpan> spans) {
    const FloatMode ieee;
    Histories lives;
    lives.starts.reserve(weights.size);
    lives.offsets.reserve(weights.size + 1);
    lives.offsets.push_back(0);
    std::vector<Change> changes;
    for (const Voxel& weight : weights) {
        float state = 0.0f;
        for_each_change(grid.deltas(), weight.row, weight.col, {0, 0},
                        [&](std::int32_t, float base) { state = base; });
        const auto live = [&](Span<const ZSpan> some, const auto& see) {
            for (const ZSpan span : some) {
                changes_of(grid, weight.row, weight.col, span, changes);
                for (const Change& change : changes) {
                    state = change.exact ? change.value : state + change.value;
                    see(change.z);
                }
            }
        };
        live(before, [](std::int32_t) {});
        lives.starts.push_back(state);
        live(spans, [&](std::int32_t z) { lives.changes.push_back({z, state}); });
        lives.offsets.push_back(lives.changes.size());
    }
    return lives;
}

ChangeTimes change_times(const TemporalGrid& grid, Span<const Voxel> weights,
                         Span<const ZSpan> spans) {
    ChangeTimes times;
    times.offsets.reserve(weights.size + 1);
    times.offsets.push_back(0);
    std::vector<Change> changes;
    for (const Voxel& weight : weights) {
        for (const ZSpan span : spans) {
            changes_of(grid, weight.row, weight.col, span, changes);
            for (const Change& change : changes) times.zs.push_back(change.z);
        }
        times.offsets.push_back(times.zs.size());
    }
    return times;
}

void change_counts(const TemporalGrid& grid, Span<const ZSpan> spans, Span<std::uint32_t> out) {
    const auto pairs = node_pairs(grid.deltas(), grid.exact());
    const auto tiles = tiles_of(pairs);
    const auto width = static_cast<std::size_t>(grid.cols());
    grid.workers().for_each(tiles.size() * bands_per_tile, walk_work(pairs), [&](std::size_t task) {
        const NodeRun tile = tiles[task / bands_per_tile];
        const int band = static_cast<int>(task % bands_per_tile);
        for (std::size_t i = tile.begin; i < tile.end; ++i) {
            const auto origin = pairs[i].origin;
            for (const ZSpan span : spans) {
                for_each_leaf_pair(
                    pairs[i], band, span, [&](int n, const Leaf* deltas, const Leaf* exact) {
                        const std::uint64_t zs = z_mask(origin.z() + leaf_dim * child_z(n), span);
                        std::uint32_t* counts = out.data + origin.y() + leaf_dim * child_y(n) +
                                                (origin.x() + leaf_dim * band) * width;
                        for (int row = 0; row < leaf_dim; ++row, counts += width) {
                            auto bits = ((deltas ? mask_word(*deltas, row) : 0) |
                                         (exact ? mask_word(*exact, row) : 0)) &
                                        zs;
                            while (bits) {
                                const int col = __builtin_ctzll(bits) / leaf_dim;
                                const auto steps = std::uint64_t{0xff} << (leaf_dim * col);
                                counts[col] += __builtin_popcountll(bits & steps);
                                bits &= ~steps;
                            }
                        }
                    });
            }
        }
    });
}

}  // namespace temporal_vdb
