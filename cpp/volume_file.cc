// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/volume_file.h>

#include <temporal_vdb/error.h>

#include "vdb_archive.h"

#include <openvdb/tools/Dense.h>

namespace temporal_vdb {

VolumeFile::VolumeFile(double voxel_size, const std::array<double, 3>& first) {
    openvdb::initialize();
    // Viewers take the first grid, or the one of this name, for what scatters light.
    constexpr const char* names[] = {"density", "fall", "rise"};
    const auto transform = openvdb::math::Transform::createLinearTransform(voxel_size);
    transform->postTranslate({first[0], first[1], first[2]});
    for (std::size_t i = 0; i < grids_.size(); ++i) {
        grids_[i] = openvdb::FloatGrid::create(0.0f);
        grids_[i]->setName(names[i]);
        grids_[i]->setGridClass(openvdb::GRID_FOG_VOLUME);
        grids_[i]->setSaveFloatAsHalf(true);
        grids_[i]->setTransform(transform->copy());
    }
}

void VolumeFile::fill(Grid which, const openvdb::Coord& origin, const openvdb::Coord& dims,
                      Span<const float> values) {
    const openvdb::CoordBBox filled(origin, origin + dims.offsetBy(-1));
    if (filled.empty() || filled.volume() != values.size) {
        throw Error(ErrorCode::invalid_argument, "a box of " + std::to_string(filled.volume()) +
                                                     " voxels was given " +
                                                     std::to_string(values.size) + " values");
    }
    // OpenVDB's view of a dense block does not take a const pointer, and does not write through it.
    const openvdb::tools::Dense<float, openvdb::tools::LayoutZYX> dense(
        filled, const_cast<float*>(values.data));
    openvdb::tools::copyFromDense(dense, *grids_.at(static_cast<std::size_t>(which)), 0.0f);
}

void VolumeFile::hold_bounds(const openvdb::Coord& first, const openvdb::Coord& last) {
    for (const auto& grid : grids_) {
        grid->tree().setActiveState(first, true);
        grid->tree().setActiveState(last, true);
    }
}

void VolumeFile::set(const std::string& key, std::int32_t value) {
    for (const auto& grid : grids_) grid->insertMeta(key, openvdb::Int32Metadata(value));
}

void VolumeFile::set(const std::string& key, float value) {
    for (const auto& grid : grids_) grid->insertMeta(key, openvdb::FloatMetadata(value));
}

void VolumeFile::set(const std::string& key, const std::string& value) {
    for (const auto& grid : grids_) grid->insertMeta(key, openvdb::StringMetadata(value));
}

void VolumeFile::write(const std::string& path) const {
    save_vdb({grids_.begin(), grids_.end()}, path);
}

}  // namespace temporal_vdb
