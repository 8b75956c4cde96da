// SPDX-License-Identifier: MIT OR Apache-2.0
#include "folder.h"

#include <temporal_vdb/error.h>
#include <temporal_vdb/volume_file.h>

#include <doctest/doctest.h>
#include <openvdb/io/File.h>

#include <vector>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

openvdb::FloatGrid::Ptr read(const std::string& path, const std::string& name) {
    openvdb::io::File file(path);
    file.open(/*delayLoad=*/false);
    return openvdb::gridPtrCast<openvdb::FloatGrid>(file.readGrid(name));
}

}  // namespace

TEST_CASE("a box of a volume lies where it was put, z running fastest") {
    // A dense block of OpenVDB's can run either way: the wrong one showed time lying down.
    const Folder folder;
    const std::string path = folder.path("a.vdb");
    const openvdb::Coord origin(3, 20, 7), dims(2, 3, 4);
    std::vector<float> values;
    for (int i = 0; i < 24; ++i) values.push_back(static_cast<float>(i) / 32);
    VolumeFile file(0.5, {1.0, 2.0, 3.0});
    file.fill(VolumeFile::Grid::rise, origin, dims, values);
    file.set("step", 7);
    file.set("scale", 0.25f);
    file.set("layer", std::string("fc1"));
    file.write(path);

    const auto rise = read(path, "rise");
    CHECK(rise->getGridClass() == openvdb::GRID_FOG_VOLUME);
    CHECK(rise->saveFloatAsHalf());
    CHECK(rise->activeVoxelCount() == 23);  // 0 stays inactive
    for (int x = 0; x < 2; ++x) {
        for (int y = 0; y < 3; ++y) {
            for (int z = 0; z < 4; ++z) {
                const auto at = origin.offsetBy(x, y, z);
                CHECK(rise->tree().getValue(at) == static_cast<float>(12 * x + 4 * y + z) / 32);
            }
        }
    }
    CHECK(rise->indexToWorld(openvdb::Coord(0, 0, 0)) == openvdb::Vec3d(1, 2, 3));
    CHECK(rise->indexToWorld(openvdb::Coord(2, 0, 4)) == openvdb::Vec3d(2, 2, 5));
    CHECK(rise->metaValue<std::int32_t>("step") == 7);
    CHECK(rise->metaValue<float>("scale") == 0.25f);
    CHECK(rise->metaValue<std::string>("layer") == "fc1");
    CHECK(read(path, "density")->empty());
    CHECK(folder.names() == std::set<std::string>{"a.vdb"});
}

TEST_CASE("boxes side by side keep each other's voxels, and bounds are held where nothing is") {
    const Folder folder;
    const std::string path = folder.path("a.vdb");
    VolumeFile file(1.0, {0.0, 0.0, 0.0});
    const std::vector<float> ones(30, 1.0f);
    // Both in one leaf.
    file.fill(VolumeFile::Grid::density, {0, 0, 0}, {2, 3, 5}, ones);
    file.fill(VolumeFile::Grid::density, {4, 0, 0}, {2, 3, 5}, ones);
    file.hold_bounds({0, 0, 0}, {40, 9, 9});
    file.write(path);
    CHECK(read(path, "density")->activeVoxelCount() == 61);
    const openvdb::CoordBBox box({0, 0, 0}, {40, 9, 9});
    for (const char* name : {"density", "fall", "rise"}) {
        CHECK(read(path, name)->evalActiveVoxelBoundingBox() == box);
    }
}

TEST_CASE("a box of another size than its values is refused") {
    VolumeFile file(1.0, {0.0, 0.0, 0.0});
    const std::vector<float> values(5, 1.0f);
    CHECK_THROWS_AS(file.fill(VolumeFile::Grid::fall, {0, 0, 0}, {2, 3, 1}, values), Error);
    CHECK_THROWS_AS(file.fill(VolumeFile::Grid::fall, {0, 0, 0}, {-1, -5, 1}, values), Error);
}
