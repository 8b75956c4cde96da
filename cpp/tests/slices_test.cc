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
