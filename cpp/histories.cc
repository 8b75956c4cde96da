// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/histories.h>

#include "band.h"

namespace temporal_vdb {

namespace {

/// The columns of voxels of one tree in `span`. Which leaves a column lies in is found once for the
/// 64 columns that share them, as long as weights come row by row of a tile, or in order at all.
class Columns {
public:
    Columns(const Tree& tree, ZSpan span) : tree_(&tree), span_(span) {}

    /// Calls body(z, value) for the active voxels of column (row, col), ascending.
    template <typename Body>
    void for_each_change(std::int32_t row, std::int32_t col, const Body& body) {
        const int row_in_leaf = row & (leaf_dim - 1);
        const int shift = leaf_dim * (col & (leaf_dim - 1));
        for (const Placed& at : leaves(row, col)) {
            const auto word = mask_word(*at.leaf, row_in_leaf) & at.zs;
            unsigned steps = (word >> shift) & 0xffu;
            const float* run = at.leaf->buffer().data() + 64 * row_in_leaf + shift;
            for (; steps; steps &= steps - 1) {
                const int step = __builtin_ctz(steps);
                body(at.z + step, run[step]);
            }
        }
    }

private:
    /// A leaf, the z that it begins at, and which of its voxels are in the span, for each row.
    struct Placed {
        const Leaf* leaf;
        std::int32_t z;
        std::uint64_t zs;
    };

    struct Run {
        std::int32_t x = -1;
        std::int32_t y = -1;
        std::vector<Placed> leaves;
    };

    const std::vector<Placed>& leaves(std::int32_t row, std::int32_t col) {
        const std::int32_t x = row / leaf_dim, y = col / leaf_dim;
        Run& run = runs_[y % runs_per_tile];
        if (run.x == x && run.y == y) return run.leaves;
        run.x = x;
        run.y = y;
        run.leaves.clear();
        // The root's table is ordered by (x, y, z), so equal (x, y) come in ascending z.
        for (auto upper = tree_->root().cbeginChildOn(); upper; ++upper) {
            const auto& origin = upper->origin();
            const int dim = static_cast<int>(Upper::DIM);
            if (origin.x() != (row & ~(dim - 1)) || origin.y() != (col & ~(dim - 1)) ||
                origin.z() > span_.last || origin.z() + (dim - 1) < span_.first) {
                continue;
            }
            const auto n = Upper::coordToOffset({row, col, 0});
            for (auto child = n; child < n + (1u << 5); ++child) {
                if (upper->getChildMask().isOn(child)) {
                    add(*upper->getTable()[child].getChild(), row, col, run.leaves);
                }
            }
        }
        return run.leaves;
    }

    void add(const Lower& lower, std::int32_t row, std::int32_t col,
             std::vector<Placed>& leaves) const {
        const std::int32_t z0 = lower.origin().z();
        const std::int32_t first = std::max(span_.first, z0);
        const std::int32_t last = std::min(span_.last, z0 + (tile_dim - 1));
        if (first > last) return;
        const auto begin = Lower::coordToOffset({row, col, first});
        const auto end = Lower::coordToOffset({row, col, last});
        for (auto n = begin; n <= end; ++n) {
            if (!lower.getChildMask().isOn(n)) continue;
            const std::int32_t z = z0 + leaf_dim * child_z(static_cast<int>(n));
            leaves.push_back({lower.getTable()[n].getChild(), z, z_mask(z, span_)});
        }
    }

    static constexpr int runs_per_tile = tile_dim / leaf_dim;

    const Tree* tree_;
    ZSpan span_;
    Run runs_[runs_per_tile];
};

struct Change {
    std::int32_t z;
    float value;
    bool exact;
};

/// What happens to weights in one span after the other.
class Lives {
public:
    Lives(const TemporalGrid& grid, Span<const ZSpan> spans) {
        for (const ZSpan span : spans) {
            deltas_.emplace_back(grid.deltas(), span);
            if (grid.exact()) exact_.emplace_back(*grid.exact(), span);
        }
    }

    /// Calls body(change) for the deltas and marks of one weight, ascending in each span; a mark
    /// stands in for its step's delta.
    template <typename Body>
    void for_each_change(const Voxel& weight, const Body& body) {
        for (std::size_t i = 0; i < deltas_.size(); ++i) {
            changes_.clear();
            deltas_[i].for_each_change(weight.row, weight.col, [&](std::int32_t z, float value) {
                changes_.push_back({z, value, false});
            });
            if (!exact_.empty()) add_marks(exact_[i], weight);
            for (const Change& change : changes_) body(change);
        }
    }

private:
    void add_marks(Columns& marks, const Voxel& weight) {
        marks.for_each_change(weight.row, weight.col, [&](std::int32_t z, float value) {
            const auto at =
                std::lower_bound(changes_.begin(), changes_.end(), z,
                                 [](const Change& c, std::int32_t to) { return c.z < to; });
            if (at != changes_.end() && at->z == z) {
                *at = {z, value, true};
            } else {
                changes_.insert(at, {z, value, true});
            }
        });
    }

    std::vector<Columns> deltas_;
    std::vector<Columns> exact_;
    std::vector<Change> changes_;
};

}  // namespace

Histories histories(const TemporalGrid& grid, Span<const Voxel> weights, Span<const ZSpan> before,
                    Span<const ZSpan> spans) {
    const FloatMode ieee;
    Histories found;
    found.starts.reserve(weights.size);
    found.offsets.reserve(weights.size + 1);
    found.offsets.push_back(0);
    Columns base(grid.deltas(), {0, 0});
    Lives earlier(grid, before), lives(grid, spans);
    for (const Voxel& weight : weights) {
        float state = 0.0f;
        base.for_each_change(weight.row, weight.col,
                             [&](std::int32_t, float value) { state = value; });
        const auto go = [&](const Change& change) {
            state = change.exact ? change.value : state + change.value;
        };
        earlier.for_each_change(weight, go);
        found.starts.push_back(state);
        lives.for_each_change(weight, [&](const Change& change) {
            go(change);
            found.changes.push_back({change.z, state});
        });
        found.offsets.push_back(found.changes.size());
    }
    return found;
}

ChangeTimes change_times(const TemporalGrid& grid, Span<const Voxel> weights,
                         Span<const ZSpan> spans) {
    ChangeTimes times;
    times.offsets.reserve(weights.size + 1);
    times.offsets.push_back(0);
    Lives lives(grid, spans);
    for (const Voxel& weight : weights) {
        lives.for_each_change(weight, [&](const Change& change) { times.zs.push_back(change.z); });
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
