// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/baseline.h>

#include <openvdb/io/File.h>

namespace temporal_vdb {

void set_voxelwise(TemporalGrid& grid, std::int32_t z, Span<const Voxel> voxels) {
    openvdb::tree::ValueAccessor<TemporalGrid::Tree> accessor(grid.deltas_for_writing());
    for (const Voxel& voxel : voxels) {
        accessor.setValue(to_3d(voxel.row, voxel.col, z), voxel.value);
    }
}

TemporalGrid sum_voxelwise(const TemporalGrid& grid, std::int32_t last) {
    TemporalGrid sum(grid.name(), grid.rows(), grid.cols(), /*threads=*/1);
    openvdb::tree::ValueAccessor<TemporalGrid::Tree> accessor(sum.deltas_for_writing());
    const FloatMode ieee;
    for (auto voxel = grid.deltas().cbeginValueOn(); voxel; ++voxel) {
        const openvdb::Coord xyz = voxel.getCoord();
        if (xyz.z() > last) continue;
        const openvdb::Coord weight = to_3d(xyz.x(), xyz.y());
        accessor.setValue(weight, accessor.getValue(weight) + *voxel);
    }
    return sum;
}

void write_plainly(const TemporalGrid& grid, const std::string& path) {
    openvdb::io::File(path).write(openvdb::GridCPtrVec{grid.deltas_grid()});
}

}  // namespace temporal_vdb
