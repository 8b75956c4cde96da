// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/histories.h>

#include "mask_words.h"
#include "nodes.h"

namespace temporal_vdb {

namespace {

/// The columns of voxels of one tree in `span`. Which leaves a column lies in is found once for the
/// 64 columns that share them, as long as weights come row by row of a tile, or in order at all.
class Columns {
public:
    Columns(const Nodes& nodes, NodeOfPair which, ZSpan span)
        : nodes_(&nodes), which_(which), span_(span) {}

    /// Calls body(z, value) for the active voxels of column (row, col), ascending.
    template <typename Body>
    void for_each_change(std::int32_t row, std::int32_t col, const Body& body) {
        const int row_in_leaf = row & (leaf_dim - 1);
        const int shift = leaf_dim * (col & (leaf_dim - 1));
        for (const Placed& at : leaves(row, col)) {
            const auto word = mask_word(*at.leaf, row_in_leaf) & at.zs;
            const float* run = at.leaf->buffer().data() + 64 * row_in_leaf + shift;
            for_each_on((word >> shift) & 0xffu, [&](int step) { body(at.z + step, run[step]); });
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
        Run& run = runs_[y % leaves_per_row];
        if (run.x == x && run.y == y) return run.leaves;
        run.x = x;
        run.y = y;
        run.leaves.clear();
        const NodeRun tile = nodes_->tile_of(row, col);
        for (std::size_t i = tile.begin; i < tile.end; ++i) {
            const NodePair& pair = nodes_->pairs()[i];
            const Lower* node = (pair.*which_)();
            if (node && meets(span_, pair.origin().z(), tile_dim)) add(*node, row, col, run.leaves);
        }
        return run.leaves;
    }

    void add(const Lower& node, std::int32_t row, std::int32_t col,
             std::vector<Placed>& leaves) const {
        for (int n = 0; n < leaves_per_row; ++n) {
            const std::int32_t z = node.origin().z() + leaf_dim * n;
            if (!meets(span_, z, leaf_dim)) continue;
            const Leaf* leaf = node.probeConstLeaf(to_3d(row, col, z));
            if (leaf) leaves.push_back({leaf, z, z_mask(z, span_)});
        }
    }

    const Nodes* nodes_;
    NodeOfPair which_;
    ZSpan span_;
    Run runs_[leaves_per_row];
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
            deltas_.emplace_back(grid.nodes(), of_deltas, span);
            if (grid.exact()) exact_.emplace_back(grid.nodes(), of_exact, span);
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
    Columns base(grid.nodes(), of_deltas, {0, 0});
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
    const Nodes& nodes = grid.nodes();
    const auto width = static_cast<std::size_t>(grid.cols());
    const std::size_t tasks = nodes.tiles().size() * bands_per_tile;
    grid.workers().for_each(tasks, nodes.work(), [&](std::size_t task) {
        const NodeRun tile = nodes.tiles()[task / bands_per_tile];
        const int band = static_cast<int>(task % bands_per_tile);
        for (std::size_t i = tile.begin; i < tile.end; ++i) {
            const NodePair& pair = nodes.pairs()[i];
            for (const ZSpan span : spans) {
                const auto count = [&](int n, const Leaf* deltas, const Leaf* exact) {
                    const std::int32_t z = pair.origin().z() + leaf_dim * child_z(n);
                    const std::uint64_t zs = z_mask(z, span);
                    std::uint32_t* counts = out.data + pair.origin().y() + leaf_dim * child_y(n) +
                                            (pair.origin().x() + leaf_dim * band) * width;
                    for (int row = 0; row < leaf_dim; ++row, counts += width) {
                        const auto word = (deltas ? mask_word(*deltas, row) : 0) |
                                          (exact ? mask_word(*exact, row) : 0);
                        for_each_weight(word & zs, [&](int col, unsigned steps) {
                            counts[col] += static_cast<std::uint32_t>(count_on(steps));
                        });
                    }
                };
                for_each_leaf_pair(pair.deltas(), pair.exact(), band, span, count);
            }
        }
    });
}

}  // namespace temporal_vdb
