// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "invariants.h"
#include "model.h"
#include "random.h"
#include "walk.h"

#include <temporal_vdb/error.h>
#include <temporal_vdb/fold.h>
#include <temporal_vdb/histories.h>
#include <temporal_vdb/insert.h>
#include <temporal_vdb/prune.h>
#include <temporal_vdb/slices.h>
#include <temporal_vdb/state.h>

#include <optional>

namespace temporal_vdb {
namespace test {

/// What `call` throws, if it throws an Error.
template <typename Call>
std::optional<Error> error_of(const Call& call) {
    try {
        call();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

/// One state, dense.
inline void dense_state(const TemporalGrid& grid, Span<const ZSpan> spans, Region region,
                        FloatSpan out) {
    dense_states(grid, spans, {&spans.size, 1}, region, {&out, 1});
}

/// The numbers of threads that tests try: alone, two, as many as there are.
inline const std::vector<int>& thread_counts() {
    static const std::vector<int> counts = {1, 2, 0};
    return counts;
}

/// A grid and the model that it has to agree with. Every change is made to both and checked: that
/// the voxels are the same, bit for bit, and that what always holds still does.
class Twin {
public:
    TemporalGrid grid;
    Model model;

    Twin(std::int32_t rows, std::int32_t cols, int threads,
         std::size_t spare_bytes = TemporalGrid::default_spare_bytes)
        : grid("layer", rows, cols, threads, spare_bytes) {}

    /// Takes a grid as it is.
    explicit Twin(TemporalGrid taken) : grid(std::move(taken)) {
        model.deltas = walk_voxels(&grid.deltas());
        model.marks = walk_voxels(grid.exact());
        check();
    }

    void insert_base(const std::vector<Voxel>& voxels) {
        temporal_vdb::insert_base(grid, voxels);
        model.insert_base(voxels);
        check();
    }

    void insert_slice(std::int32_t z, const std::vector<Voxel>& deltas,
                      const std::vector<Voxel>& marks = {}, const std::vector<ZSpan>& fold = {}) {
        temporal_vdb::insert_slice(grid, fold, z, deltas, marks);
        model.insert_slice(fold, z, deltas, marks);
        check();
    }

    /// Where the model says that a voxel cannot be accumulated, the grid has to name such a one.
    void accumulate(std::int32_t z, const std::vector<Voxel>& voxels) {
        std::map<Weight, ErrorCode> refused;
        for (const Voxel& voxel : voxels) {
            const Weight weight{voxel.row, voxel.col};
            if (!std::isfinite(model.sum(z, voxel))) refused[weight] = ErrorCode::not_finite;
            if (model.marked(z, voxel)) refused[weight] = ErrorCode::exact_mark;
        }
        const auto error = error_of([&] { temporal_vdb::accumulate(grid, z, voxels); });
        CHECK(error.has_value() == !refused.empty());
        if (error) {
            const auto named = refused.find({error->row(), error->col()});
            REQUIRE(named != refused.end());
            CHECK(named->second == error->code());
        } else {
            model.accumulate(z, voxels);
        }
        check();
    }

    void fold(const std::vector<ZSpan>& spans) {
        temporal_vdb::fold(grid, spans);
        model.fold(spans);
        check();
    }

    /// The memory has to change as was foretold.
    void prune(std::int32_t base, const std::vector<ZSpan>& merges) {
        const auto bytes = [this] { return static_cast<std::int64_t>(figures(grid).memory_bytes); };
        const std::int64_t expected = bytes() + growth_by_prune(grid, base, merges);
        check();
        temporal_vdb::prune(grid, base, merges);
        model.prune(base, merges);
        check();
        CHECK(bytes() == expected);
    }

    void clear(ZSpan span) {
        temporal_vdb::clear(grid, span);
        model.clear(span);
        check();
    }

    void check() const {
        check_invariants(grid);
        CHECK(difference(walk_voxels(&grid.deltas()), model.deltas) == "");
        CHECK(difference(walk_voxels(grid.exact()), model.marks) == "");
        CHECK((grid.exact() == nullptr) == model.marks.empty());
    }

    Region whole() const { return {0, grid.rows(), 0, grid.cols()}; }

    /// The states of a region, dense and sparse, against the model and against a walk.
    void check_states(const std::vector<ZSpan>& spans, Region region) const {
        const States wanted = model.states(spans);
        CHECK(difference(walk_states(grid, spans), wanted) == "");

        const SparseState sparse = sparse_state(grid, spans, region);
        CHECK(sparse_difference(sparse, wanted, region) == "");

        const auto size = static_cast<std::size_t>(region.row_end - region.row_begin) *
                          static_cast<std::size_t>(region.col_end - region.col_begin);
        constexpr std::size_t most = std::size_t{1} << 22;
        if (size > most) return;
        std::vector<float> dense(size), states(size);
        dense_state(grid, spans, region, Span<float>(dense.data(), dense.size()));
        for (const auto& [weight, value] : wanted) {
            if (!inside(weight, region)) continue;
            states[static_cast<std::size_t>(weight.first - region.row_begin) *
                       static_cast<std::size_t>(region.col_end - region.col_begin) +
                   static_cast<std::size_t>(weight.second - region.col_begin)] = value;
        }
        CHECK(difference(dense, states) == "");
    }

    void check_states(const std::vector<ZSpan>& spans) const { check_states(spans, whole()); }

    /// The states after none, one, two, ... of the spans, made at once.
    void check_many_states(const std::vector<ZSpan>& spans) const {
        const auto size = static_cast<std::size_t>(grid.rows()) * grid.cols();
        std::vector<std::vector<float>> states(spans.size() + 1, std::vector<float>(size));
        std::vector<std::size_t> stops;
        std::vector<FloatSpan> outs;
        for (std::size_t i = 0; i < states.size(); ++i) {
            stops.push_back(i);
            outs.emplace_back(states[i].data(), size);
        }
        dense_states(grid, spans, stops, whole(), outs);
        for (const std::size_t stop : stops) {
            CAPTURE(stop);
            const std::vector<ZSpan> some(spans.begin(),
                                          spans.begin() + static_cast<std::ptrdiff_t>(stop));
            std::vector<float> single(size);
            dense_state(grid, some, whole(), {single.data(), size});
            CHECK(difference(states[stop], single) == "");
        }
    }

    void check_counts(const std::vector<ZSpan>& spans) const {
        std::vector<std::uint32_t> counts(static_cast<std::size_t>(grid.rows()) * grid.cols());
        change_counts(grid, spans, {counts.data(), counts.size()});
        std::vector<std::uint32_t> expected(counts.size());
        for (const Weight& weight : model.weights()) {
            expected[static_cast<std::size_t>(weight.first) * grid.cols() + weight.second] =
                static_cast<std::uint32_t>(model.change_times(weight, spans).size());
        }
        CHECK(counts == expected);
    }

    /// Slices of both trees, and the life of some weights.
    void check_slices(const std::vector<std::int32_t>& zs) const {
        check_slices(zs, delta_slices(grid, zs), model.deltas);
        check_slices(zs, exact_slices(grid, zs), model.marks);
    }

    void check_lives(const std::vector<Weight>& weights, const std::vector<ZSpan>& spans) const {
        std::vector<Voxel> asked;
        for (const Weight& weight : weights) asked.push_back({weight.first, weight.second, 0.0f});
        const ChangeTimes times = change_times(grid, asked, spans);
        REQUIRE(times.offsets.size() == weights.size() + 1);
        CHECK(times.offsets.front() == 0);
        CHECK(times.offsets.back() == times.zs.size());
        for (std::size_t i = 0; i < weights.size(); ++i) {
            CAPTURE(weights[i].first);
            CAPTURE(weights[i].second);
            const std::vector<std::int32_t> zs(
                times.zs.begin() + static_cast<std::ptrdiff_t>(times.offsets[i]),
                times.zs.begin() + static_cast<std::ptrdiff_t>(times.offsets[i + 1]));
            CHECK(zs == model.change_times(weights[i], spans));
        }
        // Whole lives, and what is left of them after the first spans.
        for (std::size_t skipped = 0; skipped <= spans.size(); ++skipped) {
            const auto middle = spans.begin() + static_cast<std::ptrdiff_t>(skipped);
            const std::vector<ZSpan> before(spans.begin(), middle), rest(middle, spans.end());
            const Histories lives = histories(grid, asked, before, rest);
            REQUIRE(lives.starts.size() == weights.size());
            for (std::size_t i = 0; i < weights.size(); ++i) {
                auto wanted = model.history(weights[i], spans);
                const auto gone = model.history(weights[i], before).size();
                wanted.erase(wanted.begin(),
                             wanted.begin() + static_cast<std::ptrdiff_t>(gone) - 1);
                wanted.front().z = 0;
                CHECK(difference(life(lives, i), wanted) == "");
            }
        }
    }

    /// z and state after it of one weight: the base first.
    std::vector<ZValue> life(const Weight& weight, const std::vector<ZSpan>& spans) const {
        const std::vector<Voxel> asked{{weight.first, weight.second, 0.0f}};
        return life(histories(grid, asked, {}, spans), 0);
    }

private:
    static std::vector<ZValue> life(const Histories& lives, std::size_t i) {
        std::vector<ZValue> states{{0, lives.starts[i]}};
        states.insert(states.end(),
                      lives.changes.begin() + static_cast<std::ptrdiff_t>(lives.offsets[i]),
                      lives.changes.begin() + static_cast<std::ptrdiff_t>(lives.offsets[i + 1]));
        return states;
    }

    static bool inside(const Weight& weight, Region region) {
        return weight.first >= region.row_begin && weight.first < region.row_end &&
               weight.second >= region.col_begin && weight.second < region.col_end;
    }

    static std::string sparse_difference(const SparseState& got, const States& wanted,
                                         Region region) {
        if (got.row_offsets.size() !=
            static_cast<std::size_t>(region.row_end - region.row_begin) + 1) {
            return std::to_string(got.row_offsets.size()) + " row offsets";
        }
        if (got.row_offsets.front() != 0 || got.row_offsets.back() != got.cols.size() ||
            got.cols.size() != got.values.size()) {
            return "offsets, columns and values do not belong together";
        }
        std::vector<Voxel> voxels, expected;
        for (std::size_t row = 0; row + 1 < got.row_offsets.size(); ++row) {
            for (auto i = got.row_offsets[row]; i < got.row_offsets[row + 1]; ++i) {
                voxels.push_back({region.row_begin + static_cast<std::int32_t>(row),
                                  region.col_begin + got.cols[i], got.values[i]});
            }
        }
        for (const auto& [weight, value] : wanted) {
            if (inside(weight, region)) expected.push_back({weight.first, weight.second, value});
        }
        return difference(voxels, expected);
    }

    static void check_slices(const std::vector<std::int32_t>& zs, const Slices& got,
                             const Voxels& wanted) {
        REQUIRE(got.offsets.size() == zs.size() + 1);
        CHECK(got.offsets.front() == 0);
        CHECK(got.offsets.back() == got.voxels.size());
        std::map<std::int32_t, std::vector<Voxel>> expected;
        for (const auto& [place, value] : wanted) {
            expected[std::get<2>(place)].push_back({std::get<0>(place), std::get<1>(place), value});
        }
        for (std::size_t i = 0; i < zs.size(); ++i) {
            CAPTURE(zs[i]);
            const std::vector<Voxel> slice(
                got.voxels.begin() + static_cast<std::ptrdiff_t>(got.offsets[i]),
                got.voxels.begin() + static_cast<std::ptrdiff_t>(got.offsets[i + 1]));
            CHECK(difference(slice, expected[zs[i]]) == "");
        }
    }
};

}  // namespace test
}  // namespace temporal_vdb
