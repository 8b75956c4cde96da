// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

#include <openvdb/tools/Count.h>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

/// The figures, counted by OpenVDB itself.
void check_figures(const TemporalGrid& grid) {
    const Figures got = figures(grid);
    std::uint64_t base = 0, voxels = 0, exact = 0;
    for (auto voxel = grid.deltas().cbeginValueOn(); voxel; ++voxel) {
        base += voxel.getCoord().z() == 0;
    }
    voxels = grid.deltas().activeVoxelCount();
    std::uint64_t leaves = 0, lower = 0, upper = 0, bytes = 0;
    for (const TemporalGrid::Tree* tree : {&grid.deltas(), grid.exact()}) {
        if (!tree) continue;
        const auto counts = tree->nodeCount();
        leaves += counts[0];
        lower += counts[1];
        upper += counts[2];
        bytes += openvdb::tools::memUsage(*tree);
    }
    if (grid.exact()) exact = grid.exact()->activeVoxelCount();
    CHECK(got.base_voxels == base);
    CHECK(got.delta_voxels == voxels - base);
    CHECK(got.exact_voxels == exact);
    CHECK(got.leaves == leaves);
    CHECK(got.lower_nodes == lower);
    CHECK(got.upper_nodes == upper);
    CHECK(got.memory_bytes == bytes);
    CHECK(got.spare_bytes == grid.pool().bytes());
}

}  // namespace

TEST_CASE("figures are what OpenVDB counts") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(61);
        Twin twin(5000, 300, threads);
        check_figures(twin.grid);
        twin.insert_base(random.values(5000, 300, 500));
        check_figures(twin.grid);
        for (const std::int32_t z : {1, 2, 8, 128, 5000}) {
            // Marks at z = 1 share leaves with z = 0, where they are no base.
            twin.insert_slice(z, random.deltas(5000, 300, 200), random.values(5000, 300, 20));
            check_figures(twin.grid);
        }
        twin.fold({{1, 2}});
        check_figures(twin.grid);
        twin.clear({1, last_z});
        check_figures(twin.grid);
        CHECK(figures(twin.grid).exact_voxels == 0);
        CHECK(figures(twin.grid).delta_voxels == 0);
        CHECK(figures(twin.grid).spare_bytes > 0);
    }
}
