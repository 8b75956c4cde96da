// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

#include <algorithm>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

TEST_CASE("the life of a weight, with marks, gaps and a ring that has wrapped around") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(10, 10, threads);
        twin.insert_base({{3, 4, 1.0f}, {9, 9, float_of(0x80000000)}});
        twin.insert_slice(1, {{3, 4, 0.1f}});
        twin.insert_slice(2, {{3, 5, 1.0f}});
        twin.insert_slice(5, {{3, 4, 0.2f}}, {{3, 4, float_of(0x7fc12345)}});
        twin.insert_slice(6, {{3, 4, 1.0f}, {9, 9, 1.0f}});
        twin.insert_slice(130, {}, {{3, 4, 8.0f}});
        twin.insert_slice(131, {{3, 4, -8.0f}});
        const std::vector<Weight> weights = {{3, 4}, {3, 5}, {9, 9}, {0, 0}};
        twin.check_lives(weights, {});
        twin.check_lives(weights, {{1, 5}});
        twin.check_lives(weights, {{1, 131}});
        twin.check_lives(weights, {{2, last_z}});
        twin.check_lives(weights, {{6, 131}, {1, 5}});
        twin.check_lives(weights, {{130, 131}, {5, 6}, {1, 2}});
        twin.check_lives({}, {{1, 131}});
        // What it is, said once by hand.
        const auto life = twin.life({3, 4}, {{1, 131}});
        CHECK(difference(life, {{0, 1.0f},
                                {1, 1.1f},
                                {5, float_of(0x7fc12345)},
                                {6, float_of(0x7fc12345)},
                                {130, 8.0f},
                                {131, 0.0f}}) == "");
    }
}

TEST_CASE("a history of a thousand steps") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(47);
        Twin twin(12, 9, threads);
        const std::vector<Voxel> base{{0, 0, 1.0f}, {11, 8, 0.1f}};
        insert_base(twin.grid, base);
        twin.model.insert_base(base);
        for (std::int32_t z = 1; z <= 1000; ++z) {
            auto deltas = random.voxels(12, 9, 6, [&] { return 0.1f * (1.0f - 2.0f * (z % 2)); });
            if (deltas.front().row != 0 || deltas.front().col != 0) {
                deltas.insert(deltas.begin(), {0, 0, 0.1f});
            }
            const auto marks = random.values(12, 9, z % 50 ? 0 : 1);
            insert_slice(twin.grid, {}, z, deltas, marks);
            twin.model.insert_slice({}, z, deltas, marks);
        }
        twin.check();
        CHECK(twin.life({0, 0}, {{1, 1000}}).size() == 1001);
        const std::vector<Weight> weights = {{0, 0}, {11, 8}, {5, 5}};
        twin.check_lives(weights, {{1, 1000}});
        twin.check_lives(weights, {{501, 1000}, {1, 500}});
        twin.check_lives(weights, {{123, 777}});
        for (const std::int32_t last : {1, 7, 8, 127, 128, 500, 999, 1000}) {
            CAPTURE(last);
            twin.check_states({{1, last}});
        }
        twin.fold({{1, 990}});
        twin.check_lives(weights, {{991, 1000}});
        twin.check_states({{991, 1000}});
    }
}

// Which leaves a column lies in is remembered from weight to weight, in few places.
TEST_CASE("lives of many weights at once, row by row and in any order") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(53);
        Twin twin(40, 300, threads);
        twin.insert_base(random.values(40, 300, 400));
        for (const std::int32_t z : {1, 2, 5, 8, 9, 130, 131, 4100, last_z}) {
            twin.insert_slice(
                z, random.deltas(40, 300, 500),
                z == 5 || z > 4000 ? random.values(40, 300, 40) : std::vector<Voxel>());
        }
        std::vector<Weight> weights;
        for (std::int32_t row = 3; row < 20; ++row) {
            for (std::int32_t col = 0; col < 300; col += 1 + row % 2) weights.push_back({row, col});
        }
        twin.check_lives(weights, {{1, last_z}});
        for (std::size_t i = weights.size(); i > 1; --i) {
            std::swap(weights[i - 1], weights[random.below(static_cast<std::uint32_t>(i))]);
        }
        twin.check_lives(weights, {{8, last_z}, {1, 5}});
        twin.check_lives(weights, {{130, 130}});
    }
}
