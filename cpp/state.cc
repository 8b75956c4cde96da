// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/state.h>

#include "band.h"
#include "presence.h"

namespace temporal_vdb {

namespace {

/// Rows and columns of one band that lie in a region, in the grid's coordinates.
struct Window {
    std::int32_t row_begin, row_end, col_begin, col_end;
    bool empty() const { return row_begin >= row_end || col_begin >= col_end; }
};

/// The grid's bands that can meet a region, and a walk over them in parallel.
class Bands {
public:
    Bands(const TemporalGrid& grid, Region region)
        : workers_(grid.workers()), region_(region), nodes_(grid.nodes()) {
        for (const NodeRun tile : nodes_.tiles()) {
            const auto& origin = nodes_.pairs()[tile.begin].origin();
            if (origin.x() < region.row_end && region.row_begin - origin.x() < tile_dim &&
                origin.y() < region.col_end && region.col_begin - origin.y() < tile_dim) {
                tiles_.push_back(tile);
            }
        }
    }

    std::size_t size() const { return tiles_.size() * bands_per_tile; }

    Window window(std::size_t task) const {
        const auto& origin = nodes_.pairs()[tiles_[task / bands_per_tile].begin].origin();
        const std::int32_t row = origin.x() + leaf_dim * static_cast<int>(task % bands_per_tile);
        return {std::max(row, region_.row_begin),
                static_cast<std::int32_t>(
                    std::min<std::int64_t>(std::int64_t{row} + leaf_dim, region_.row_end)),
                std::max(origin.y(), region_.col_begin),
                static_cast<std::int32_t>(
                    std::min<std::int64_t>(std::int64_t{origin.y()} + tile_dim, region_.col_end))};
    }

    /// Calls body(stop, task, window, states) for each band and each stop, in their order:
    /// states(row)[col] are those of its window after spans[0..stops[stop]].
    template <typename Body>
    void for_each(Span<const ZSpan> spans, Span<const std::size_t> stops, const Body& body) const {
        workers_.for_each(size(), nodes_.work(), [&](std::size_t task) {
            const Window window = this->window(task);
            if (window.empty()) return;
            const NodeRun tile = tiles_[task / bands_per_tile];
            Band band(nodes_, tile, static_cast<int>(task % bands_per_tile));
            const auto states = [&](std::int32_t row) {
                return band.row(row & (leaf_dim - 1)) + (window.col_begin & (tile_dim - 1));
            };
            std::size_t added = 0;
            for (std::size_t stop = 0; stop < stops.size; ++stop) {
                band.add({spans.data + added, stops[stop] - added});
                added = stops[stop];
                body(stop, task, window, states);
            }
        });
    }

private:
    const Workers& workers_;
    Region region_;
    const Nodes& nodes_;
    std::vector<NodeRun> tiles_;
};

/// What one band gives to a sparse state.
struct SparseBand {
    std::uint32_t count[leaf_dim] = {};
    std::vector<std::int32_t> cols;
    std::vector<float> values;
};

}  // namespace

void dense_states(const TemporalGrid& grid, Span<const ZSpan> spans, Span<const std::size_t> stops,
                  Region region, Span<const FloatSpan> outs) {
    const Bands bands(grid, region);
    const std::size_t width = region.col_end - region.col_begin;
    bands.for_each(
        spans, stops, [&](std::size_t stop, std::size_t, const Window& window, const auto& states) {
            for (std::int32_t row = window.row_begin; row < window.row_end; ++row) {
                float* to = outs[stop].data + (row - region.row_begin) * width +
                            (window.col_begin - region.col_begin);
                std::memcpy(to, states(row), sizeof(float) * (window.col_end - window.col_begin));
            }
        });
}

SparseState sparse_state(const TemporalGrid& grid, Span<const ZSpan> spans, Region region) {
    const Bands bands(grid, region);
    std::vector<SparseBand> parts(bands.size());
    bands.for_each(spans, {&spans.size, 1},
                   [&](std::size_t, std::size_t task, const Window& window, const auto& states) {
                       SparseBand& part = parts[task];
                       for (std::int32_t row = window.row_begin; row < window.row_end; ++row) {
                           const float* values = states(row);
                           for (std::int32_t col = window.col_begin; col < window.col_end; ++col) {
                               const float value = values[col - window.col_begin];
                               if (!present(value)) continue;
                               part.cols.push_back(col - region.col_begin);
                               part.values.push_back(value);
                               ++part.count[row & (leaf_dim - 1)];
                           }
                       }
                   });

    SparseState state;
    state.row_offsets.assign(std::size_t(region.row_end - region.row_begin) + 1, 0);
    for (std::size_t task = 0; task < parts.size(); ++task) {
        const Window window = bands.window(task);
        for (std::int32_t row = window.row_begin; row < window.row_end; ++row) {
            state.row_offsets[row - region.row_begin + 1] +=
                parts[task].count[row & (leaf_dim - 1)];
        }
    }
    for (std::size_t row = 1; row < state.row_offsets.size(); ++row) {
        state.row_offsets[row] += state.row_offsets[row - 1];
    }
    state.cols.resize(state.row_offsets.back());
    state.values.resize(state.row_offsets.back());
    // Tiles of one row of tiles follow each other in ascending columns, so each row fills up in
    // order; rows of tiles are independent, but a copy is too cheap to be worth the threads.
    std::vector<std::uint64_t> next(state.row_offsets.begin(), state.row_offsets.end() - 1);
    for (std::size_t task = 0; task < parts.size(); ++task) {
        const Window window = bands.window(task);
        std::size_t from = 0;
        for (std::int32_t row = window.row_begin; row < window.row_end; ++row) {
            const std::uint32_t count = parts[task].count[row & (leaf_dim - 1)];
            auto& to = next[row - region.row_begin];
            std::copy_n(parts[task].cols.begin() + from, count, state.cols.begin() + to);
            std::copy_n(parts[task].values.begin() + from, count, state.values.begin() + to);
            from += count;
            to += count;
        }
        parts[task] = SparseBand();
    }
    return state;
}

}  // namespace temporal_vdb
