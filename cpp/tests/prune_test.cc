// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

Twin forty_steps(int threads, std::int32_t rows, std::int32_t cols) {
    Random random(61);
    Twin twin(rows, cols, threads);
    twin.insert_base(random.values(rows, cols, 60));
    for (std::int32_t z = 1; z <= 40; ++z) {
        twin.insert_slice(z, random.deltas(rows, cols, 40),
                          random.values(rows, cols, z % 5 ? 0 : 8));
    }
    return twin;
}

}  // namespace

TEST_CASE("merging keeps the states of the slices that stay") {
    const std::vector<std::vector<ZSpan>> merges = {
        {{1, 2}},                            // inside a leaf
        {{6, 11}},                           // across two
        {{2, 5}, {6, 8}, {9, 9}, {30, 40}},  // one after the other, and far away
        {{1, 40}},
    };
    for (const int threads : thread_counts()) {
        for (const auto& spans : merges) {
            for (const std::int32_t base : {0, 1, 5}) {
                if (spans.front().first <= base) continue;
                CAPTURE(threads);
                CAPTURE(spans.size());
                CAPTURE(base);
                Twin twin = forty_steps(threads, 150, 140);
                std::vector<States> before;
                for (std::int32_t t = 0; t <= 40; ++t) {
                    before.push_back(twin.model.states({{1, t ? t : 1}}));
                }
                twin.prune(base, spans);
                for (std::int32_t t = std::max(base, 1); t <= 40; ++t) {
                    bool stays = true;
                    for (const ZSpan span : spans) stays &= t < span.first || t >= span.last;
                    if (!stays) continue;
                    CAPTURE(t);
                    CHECK(difference(walk_states(twin.grid, {{1, t}}),
                                     before[static_cast<std::size_t>(t)]) == "");
                }
                twin.check_states({{1, 40}});
            }
        }
    }
}

TEST_CASE("merging nothing changes nothing") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin = forty_steps(threads, 20, 300);
        const auto same = figures(twin.grid).memory_bytes;
        twin.prune(0, {});
        twin.prune(0, {{41, 300}, {5000, last_z}});
        CHECK(figures(twin.grid).memory_bytes == same);
        Twin empty(20, 300, threads);
        empty.prune(7, {{8, 12}});
        CHECK(empty.grid.deltas().root().empty());
    }
}

TEST_CASE("a merged slice is told by the states, not by the sum of the deltas") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(1, 10, threads);
        twin.insert_base({{0, 0, 1e8f}, {0, 2, 1.0f}, {0, 4, float_of(0x80000000)}});
        twin.insert_slice(1, {{0, 0, 1.0f}, {0, 1, 0.5f}, {0, 2, 1e8f}, {0, 3, 3e38f}});
        twin.insert_slice(2, {{0, 0, 1.0f}, {0, 1, -0.5f}, {0, 2, -1e8f}, {0, 3, 3e38f}});
        twin.insert_slice(3, {{0, 4, 1.0f}}, {{0, 5, float_of(0x7fa00001)}, {0, 6, 0.0f}});
        twin.prune(0, {{1, 3}});
        const auto& deltas = twin.grid.deltas();
        // 1e8 + 1 is 1e8; there and back again is no change at all.
        CHECK_FALSE(deltas.isValueOn(to_3d(0, 0, 3)));
        CHECK_FALSE(deltas.isValueOn(to_3d(0, 1, 3)));
        CHECK(deltas.getValue(to_3d(0, 2, 3)) == -1.0f);
        CHECK(deltas.getValue(to_3d(0, 4, 3)) == 1.0f);
        REQUIRE(twin.grid.exact());
        CHECK(std::isinf(twin.grid.exact()->getValue(to_3d(0, 3, 3))));
        CHECK_FALSE(deltas.isValueOn(to_3d(0, 3, 3)));
        CHECK(bits_of(twin.grid.exact()->getValue(to_3d(0, 5, 3))) == 0x7fa00001);
        CHECK_FALSE(twin.grid.exact()->isValueOn(to_3d(0, 6, 3)));  // it was 0 before
        twin.check_states({{1, 3}});
    }
}

TEST_CASE("marks are made where no addition leads, and go where none is needed") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(3, 300, threads);
        twin.insert_slice(1, {{0, 0, 1.0f}, {2, 299, 1.0f}});
        twin.insert_slice(2, {{0, 0, -1.0f}, {2, 299, -1.0f}});
        twin.insert_slice(3, {{0, 0, 1e-9f}}, {{2, 299, 2.0f}});
        twin.prune(0, {{2, 3}});
        // 1 + (1e-9 - 1) is not 1e-9; 1 + 1 is 2.
        REQUIRE(twin.grid.exact());
        CHECK(twin.grid.exact()->activeVoxelCount() == 1);
        CHECK(twin.grid.exact()->isValueOn(to_3d(0, 0, 3)));
        twin.prune(0, {{1, 3}});
        CHECK(twin.grid.exact() == nullptr);
        twin.check_states({{1, 3}});
    }
}

TEST_CASE("merging across nodes") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(67);
        Twin twin(300, 300, threads);
        // Other lower and upper nodes, marks alone in some of them; the last slices are empty.
        twin.insert_slice(120, random.deltas(300, 300, 50));
        twin.insert_slice(130, {}, random.values(300, 300, 50));
        twin.insert_slice(5000, random.deltas(300, 300, 50), random.values(300, 300, 50));
        twin.insert_slice(20000, {});
        twin.prune(0, {{1, 127}, {128, 4000}, {4001, 20000}});
        twin.check_states({{1, 127}});
        twin.check_states({{1, 20000}});
        twin.prune(127, {{128, last_z}});
        twin.check_states({{1, last_z}});
        twin.prune(last_z, {});
        CHECK(twin.grid.deltas().root().getTableSize() == 1);
    }
}
