// SPDX-License-Identifier: MIT OR Apache-2.0
#include "bits.h"
#include "random.h"

#include <temporal_vdb/fold.h>
#include <temporal_vdb/histories.h>
#include <temporal_vdb/insert.h>
#include <temporal_vdb/prune.h>
#include <temporal_vdb/slices.h>
#include <temporal_vdb/state.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <thread>

// Every kernel on two threads, and at once, for the thread sanitizer to look on: `./run test`
// builds this file alone with it. The layer is just large enough for the work to be shared out, and
// what comes out is compared with what one thread makes, since a model would take minutes here.

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

constexpr std::int32_t rows = 300;
constexpr std::int32_t cols = 260;
constexpr std::size_t many = 9000;

/// What one call is given is the same for each grid.
std::vector<Voxel> deltas(std::uint32_t seed) { return Random(seed).deltas(rows, cols, many); }
std::vector<Voxel> marks(std::uint32_t seed) { return Random(seed).values(rows, cols, many); }
std::vector<Voxel> quarters(std::uint32_t seed) {
    Random random(seed);
    return random.voxels(rows, cols, many, [&] { return random.once_in(2) ? 0.25f : -0.25f; });
}

TemporalGrid filled(int threads) {
    TemporalGrid grid("layer", rows, cols, threads);
    insert_base(grid, marks(1));
    for (const std::int32_t z : {1, 7, 8, 130}) {
        const auto seed = static_cast<std::uint32_t>(z);
        insert_slice(grid, {}, z, deltas(seed), z == 8 ? marks(seed) : std::vector<Voxel>());
    }
    return grid;
}

std::string difference(const TemporalGrid::Tree& got, const TemporalGrid::Tree& wanted) {
    auto at = got.cbeginValueOn();
    for (auto voxel = wanted.cbeginValueOn(); voxel; ++voxel, ++at) {
        if (!at || at.getCoord() != voxel.getCoord()) return "other voxels";
        if (bits_of(*at) != bits_of(*voxel)) return "another value";
    }
    return at ? "more voxels" : "";
}

void check_same(const TemporalGrid& got, const TemporalGrid& wanted) {
    CHECK(difference(got.deltas(), wanted.deltas()) == "");
    REQUIRE((got.exact() == nullptr) == (wanted.exact() == nullptr));
    if (got.exact()) CHECK(difference(*got.exact(), *wanted.exact()) == "");
    CHECK(figures(got).leaves == figures(wanted).leaves);
}

std::vector<float> state(const TemporalGrid& grid, const std::vector<ZSpan>& spans) {
    std::vector<float> out(std::size_t{rows} * cols);
    const FloatSpan to(out.data(), out.size());
    const std::size_t stop = spans.size();
    dense_states(grid, spans, {&stop, 1}, {0, rows, 0, cols}, {&to, 1});
    return out;
}

}  // namespace

TEST_CASE("two threads make what one makes") {
    TemporalGrid one = filled(1), two = filled(2);
    check_same(two, one);
    const std::vector<std::pair<const char*, std::function<void(TemporalGrid&)>>> calls = {
        {"accumulate", [](TemporalGrid& grid) { accumulate(grid, 131, quarters(2)); }},
        {"accumulate, some cancel out",
         [](TemporalGrid& grid) { accumulate(grid, 131, quarters(3)); }},
        {"a ring turns",
         [](TemporalGrid& grid) {
             const ZSpan oldest{1, 1};
             insert_slice(grid, {&oldest, 1}, 1, deltas(4), marks(4));
         }},
        {"prune",
         [](TemporalGrid& grid) {
             const std::vector<ZSpan> merges = {{2, 8}, {9, 131}};
             const auto before = static_cast<std::int64_t>(figures(grid).memory_bytes);
             const auto growth = growth_by_prune(grid, 1, merges);
             prune(grid, 1, merges);
             CHECK(static_cast<std::int64_t>(figures(grid).memory_bytes) == before + growth);
         }},
        {"clear",
         [](TemporalGrid& grid) {
             clear(grid, {131, 131});
         }},
        {"insert into emptied leaves",
         [](TemporalGrid& grid) { insert_slice(grid, {}, 200, deltas(5), marks(5)); }},
        {"fold",
         [](TemporalGrid& grid) {
             const ZSpan all{1, 200};
             fold(grid, {&all, 1});
         }},
    };
    for (const auto& [name, call] : calls) {
        CAPTURE(name);
        call(one);
        call(two);
        check_same(two, one);
    }
}

// The first reader after a change lists the grid's nodes, which all of them walk.
TEST_CASE("threads read one grid at once, the first time after a change") {
    TemporalGrid grid = filled(2);
    const auto expected = state(filled(1), {{1, 130}});
    std::vector<std::vector<float>> states(3);
    std::vector<std::uint32_t> counts(std::size_t{rows} * cols);
    std::size_t voxels = 0;
    std::vector<std::thread> readers;
    for (auto& out : states) {
        readers.emplace_back([&grid, &out] { out = state(grid, {{1, 130}}); });
    }
    readers.emplace_back([&] {
        voxels = delta_slices(grid, std::vector<std::int32_t>{1, 130}).voxels.size();
    });
    readers.emplace_back([&] {
        change_counts(grid, std::vector<ZSpan>{{1, 130}}, {counts.data(), counts.size()});
    });
    for (auto& reader : readers) reader.join();
    for (const auto& out : states) CHECK(difference(out, expected) == "");
    CHECK(voxels == deltas(1).size() + deltas(130).size());
    CHECK(*std::max_element(counts.begin(), counts.end()) > 1);
}
