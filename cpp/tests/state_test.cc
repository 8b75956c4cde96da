// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

/// A layer of three by three tiles, the last ones partly filled, with a base, and slices with marks
/// in several leaves and nodes of z.
Twin several_tiles(int threads) {
    Random random(21);
    Twin twin(300, 270, threads);
    twin.insert_base(random.values(300, 270, 400));
    for (const std::int32_t z : {1, 2, 3, 6, 8, 15, 16, 100, 127, 128, 129, 300}) {
        twin.insert_slice(z, random.deltas(300, 270, 300), random.values(300, 270, z % 4 ? 0 : 30));
    }
    return twin;
}

}  // namespace

TEST_CASE("an empty layer is all zeros") {
    const Twin twin(9, 9, 1);
    twin.check_states({});
    twin.check_states({{1, last_z}});
    CHECK(sparse_state(twin.grid, {}, twin.whole()).values.empty());
}

TEST_CASE("states of any region after any slices") {
    const std::vector<std::vector<ZSpan>> times = {
        {},
        {{1, 1}},
        {{1, 8}},
        {{2, 6}},
        {{1, 127}},
        {{1, 300}},
        {{1, last_z}},
        {{128, 128}},
        {{16, 300}, {1, 15}},
        {{9, 16}, {1, 8}},
        {{301, last_z}},
        {{3, 3}, {8, 8}, {100, 129}},
    };
    const std::vector<Region> regions = {
        {0, 300, 0, 270},   {0, 1, 0, 1},       {299, 300, 269, 270}, {7, 9, 7, 9},
        {127, 129, 0, 270}, {5, 290, 127, 129}, {128, 256, 128, 256}, {13, 200, 99, 100},
        {0, 300, 250, 270}, {0, 0, 0, 270},     {0, 300, 5, 5},
    };
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const Twin twin = several_tiles(threads);
        for (std::size_t i = 0; i < times.size(); ++i) {
            CAPTURE(i);
            for (std::size_t k = 0; k < regions.size(); ++k) {
                if (k > 0 && (i + k) % 3 != 0) continue;  // each with some of the others will do
                CAPTURE(k);
                twin.check_states(times[i], regions[k]);
            }
        }
    }
}

TEST_CASE("slices are added in the order of the spans") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        // Each order of these three gives other bits.
        Twin twin(1, 1, threads);
        twin.insert_base({{0, 0, 1.0f}});
        twin.insert_slice(1, {{0, 0, 16777216.0f}});
        twin.insert_slice(2, {{0, 0, -16777216.0f}});
        twin.insert_slice(3, {{0, 0, 0.3f}});
        std::set<std::uint32_t> answers;
        for (const auto& spans :
             std::vector<std::vector<ZSpan>>{{{1, 3}}, {{3, 3}, {1, 2}}, {{2, 3}, {1, 1}}}) {
            twin.check_states(spans);
            answers.insert(bits_of(sparse_state(twin.grid, spans, twin.whole()).values.at(0)));
        }
        CHECK(answers.size() == 3);
    }
}

TEST_CASE("a mark replaces the sum, later deltas go on from it") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(2, 20, threads);
        twin.insert_base({{0, 0, 1.0f}, {0, 9, 1.0f}, {1, 19, float_of(0x7f800001)}});
        twin.insert_slice(1, {{0, 0, 0.5f}, {0, 9, 0.5f}});
        twin.insert_slice(2, {{0, 0, 0.25f}}, {{0, 0, 0.75f}, {0, 9, float_of(0x80000000)}});
        twin.insert_slice(3, {{0, 0, 0.125f}, {1, 19, 1.0f}});
        // Marks where there are no deltas at all: another tile of time.
        twin.insert_slice(500, {}, {{0, 0, 0.0f}, {1, 18, 8.0f}});
        twin.insert_slice(501, {{0, 0, 1e-40f}});
        for (const std::int32_t last : {1, 2, 3, 499, 500, 501}) {
            CAPTURE(last);
            twin.check_states({{1, last}});
        }
        twin.check_states({{500, 501}, {1, 3}});
    }
}

TEST_CASE("only +0.0 is absent from a sparse state") {
    Twin twin(2, 3, 1);
    twin.insert_base({{0, 0, float_of(0x80000000)}, {0, 1, 1.0f}, {1, 2, 1e-45f}});
    twin.insert_slice(1, {{0, 1, -1.0f}, {1, 0, -1e-45f}});
    twin.insert_slice(2, {{1, 0, 1e-45f}});
    twin.check_states({{1, 1}});
    twin.check_states({{1, 2}});
    const SparseState state = sparse_state(twin.grid, std::vector<ZSpan>{{1, 2}}, twin.whole());
    CHECK(state.row_offsets == std::vector<std::uint64_t>{0, 1, 2});
    CHECK(state.cols == std::vector<std::int32_t>{0, 2});
    CHECK(difference(state.values, {float_of(0x80000000), 1e-45f}) == "");
}

TEST_CASE("a dense state writes its own region and no more") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const Twin twin = several_tiles(threads);
        const Region region{5, 140, 3, 131};
        const std::size_t size = 135 * 128;
        std::vector<float> out(size + 64, 0.0f);
        std::fill(out.begin(), out.begin() + 32, 42.0f);
        std::fill(out.end() - 32, out.end(), 42.0f);
        dense_state(twin.grid, std::vector<ZSpan>{{1, 300}}, region,
                    Span<float>(out.data() + 32, size));
        CHECK(std::vector<float>(out.begin(), out.begin() + 32) == std::vector<float>(32, 42.0f));
        CHECK(std::vector<float>(out.end() - 32, out.end()) == std::vector<float>(32, 42.0f));
    }
}

TEST_CASE("rows, columns and times of several upper nodes") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(31);
        Twin twin(10000, 9000, threads);
        twin.insert_base(random.values(10000, 9000, 200));
        const std::vector<std::int32_t> zs = {1, 4095, 4096, 8191, 8192, 1000000000, last_z};
        std::vector<Voxel> corners;
        for (const std::int32_t row : {0, 4095, 4096, 8191, 8192, 9999}) {
            for (const std::int32_t col : {0, 4095, 4096, 8999})
                corners.push_back({row, col, 0.1f});
        }
        for (const std::int32_t z : zs) {
            twin.insert_slice(z, corners,
                              z % 2 ? random.values(10000, 9000, 50) : std::vector<Voxel>{});
        }
        twin.check_states({{1, last_z}});
        twin.check_states({{1, 4095}});
        twin.check_states({{4096, last_z}, {1, 4095}});
        twin.check_states({{1, last_z}}, {4000, 4200, 4000, 4200});
        twin.check_states({{1, last_z}}, {8190, 9999, 8998, 9000});
        twin.check_slices(zs);
        twin.check_lives({{0, 0}, {4096, 4095}, {9999, 8999}, {1, 1}}, {{1, last_z}});
        twin.check_lives({{0, 0}, {4096, 4095}, {9999, 8999}, {1, 1}}, {{8192, last_z}, {1, 8191}});
        twin.clear({8192, last_z});
        twin.fold({{4096, 8191}, {1, 4095}});
        twin.check_states({});
    }
}
