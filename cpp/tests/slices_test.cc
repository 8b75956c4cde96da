// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

#include <numeric>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

TEST_CASE("slices come back as they went in") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(41);
        Twin twin(290, 150, threads);
        twin.check_slices({0, 1});
        twin.insert_base(random.values(290, 150, 300));
        for (const std::int32_t z : {1, 2, 7, 8, 127, 128, 129, 7000, last_z}) {
            twin.insert_slice(z, random.deltas(290, 150, 200), random.values(290, 150, 20));
        }
        twin.check_slices({});
        twin.check_slices({0});
        twin.check_slices({1, 2});
        twin.check_slices({7, 8});
        twin.check_slices({0, 1, 2, 3, 7, 8, 127, 128, 129, 500, 7000, last_z});
        twin.check_slices({3, 4, 5, 200, 6999, 7001, last_z - 1});
        twin.check_slices({last_z});
    }
}

TEST_CASE("more slices at once than fit one table of places") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(43);
        Twin twin(20, 20, threads);
        for (std::int32_t z = 1; z <= 600; z += 1 + z % 3) {
            insert_slice(twin.grid, {}, z, random.deltas(20, 20, 5), {});
        }
        twin.model.deltas = walk_voxels(&twin.grid.deltas());
        std::vector<std::int32_t> zs(700);
        std::iota(zs.begin(), zs.end(), 0);
        twin.check_slices(zs);
    }
}

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
