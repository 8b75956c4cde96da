// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

Twin forty_steps(int threads, std::int32_t rows, std::int32_t cols) {
    Random random(51);
    Twin twin(rows, cols, threads);
    twin.insert_base(random.values(rows, cols, 60));
    for (std::int32_t z = 1; z <= 40; ++z) {
        twin.insert_slice(z, random.deltas(rows, cols, 40),
                          random.values(rows, cols, z % 5 ? 0 : 8));
    }
    return twin;
}

}  // namespace

TEST_CASE("folding keeps the states from the last folded step on") {
    for (const int threads : thread_counts()) {
        for (const std::int32_t last : {1, 8, 15, 39, 40}) {
            CAPTURE(threads);
            CAPTURE(last);
            Twin twin = forty_steps(threads, 150, 140);
            std::vector<States> before;
            for (std::int32_t t = last; t <= 40; ++t) before.push_back(twin.model.states({{1, t}}));
            twin.fold({{1, last}});
            for (std::int32_t t = last; t <= 40; ++t) {
                CAPTURE(t);
                CHECK(difference(walk_states(twin.grid, {{last + 1, t}}),
                                 before[static_cast<std::size_t>(t - last)]) == "");
            }
            twin.check_states({{last + 1, 40}});
        }
    }
}

TEST_CASE("folding a ring that has wrapped around, and folding nothing") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin = forty_steps(threads, 20, 300);
        const auto before = twin.model.states({{31, 40}, {1, 10}});
        twin.fold({{31, 40}, {1, 10}});
        CHECK(difference(walk_states(twin.grid, {}), before) == "");
        twin.check_states({{11, 30}});
        const auto same = figures(twin.grid);
        twin.fold({});
        twin.fold({{1, 10}});
        twin.fold({{41, last_z}});
        CHECK(figures(twin.grid).memory_bytes == same.memory_bytes);
        twin.fold({{1, last_z}});
        CHECK(twin.grid.exact() == nullptr);
        twin.check_states({});
    }
}

TEST_CASE("folding writes every kind of state into the base") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(2, 40, threads);
        twin.insert_base(
            {{0, 0, 1.0f}, {0, 1, float_of(0x7f800001)}, {0, 2, float_of(0x80000000)}});
        std::vector<Voxel> marks;
        for (std::int32_t i = 0; i < static_cast<std::int32_t>(odd_values().size()); ++i) {
            marks.push_back({1, i, odd_values()[static_cast<std::size_t>(i)]});
        }
        marks.push_back({1, 39, 0.0f});
        twin.insert_slice(1, {{0, 0, -1.0f}, {0, 1, 1.0f}}, marks);  // (0, 0) becomes +0.0
        twin.fold({{1, 1}});
        CHECK(difference(walk_voxels(&twin.grid.deltas()), twin.model.deltas) == "");
        CHECK_FALSE(twin.grid.deltas().isValueOn(to_3d(0, 0)));
        CHECK_FALSE(twin.grid.deltas().isValueOn(to_3d(1, 39)));
        CHECK(bits_of(twin.grid.deltas().getValue(to_3d(0, 2))) == 0x80000000);  // was not touched
        // All of the base goes.
        twin.insert_slice(2, {}, {{0, 1, 0.0f}, {0, 2, 0.0f}});
        marks.pop_back();
        for (Voxel& mark : marks) mark.value = 0.0f;
        twin.insert_slice(3, {}, marks);
        twin.fold({{2, 3}});
        CHECK(twin.grid.deltas().root().empty());
    }
}

TEST_CASE("folding makes a base where there is none") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(53);
        Twin twin(300, 300, threads);
        // Far enough in time for other lower and upper nodes, marks alone in some of them.
        twin.insert_slice(1000, random.deltas(300, 300, 50));
        twin.insert_slice(5000, {}, random.values(300, 300, 50));
        twin.insert_slice(20000, random.deltas(300, 300, 50), random.values(300, 300, 50));
        twin.fold({{1000, 5000}});
        twin.check_states({{20000, 20000}});
        twin.fold({{1, last_z}});
        twin.check_states({});
        CHECK(twin.grid.deltas().root().getTableSize() == 1);
    }
}

TEST_CASE("clearing drops slices and nothing else") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin = forty_steps(threads, 130, 20);
        twin.clear({40, 40});
        twin.check_states({{1, 40}});
        twin.clear({17, 17});
        twin.clear({14, 18});  // two leaves, each in part
        twin.check_states({{1, 40}});
        twin.clear({9, 16});  // a leaf, whole
        twin.clear({100, 200});
        twin.check_states({{1, 40}});
        twin.clear({30, last_z});
        twin.check_states({{1, 40}});
        twin.insert_slice(17, {{0, 0, 1.0f}});
        twin.clear({1, std::numeric_limits<std::int32_t>::max()});
        CHECK(twin.grid.exact() == nullptr);
        twin.check_states({{1, 40}});
        CHECK_FALSE(twin.model.deltas.empty());
    }
}
