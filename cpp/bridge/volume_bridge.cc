// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/volume_bridge.h>

namespace temporal_vdb {
namespace bridge {

namespace {

openvdb::Coord coord(const std::array<std::int32_t, 3>& xyz) {
    return openvdb::Coord(xyz[0], xyz[1], xyz[2]);
}

}  // namespace

std::unique_ptr<VolumeFile> new_volume_file(double voxel_size, std::array<double, 3> first) {
    return std::make_unique<VolumeFile>(voxel_size, first);
}

void fill_volume(VolumeFile& file, std::uint8_t grid, std::array<std::int32_t, 3> origin,
                 std::array<std::int32_t, 3> dims, rust::Slice<const float> values) {
    file.fill(static_cast<VolumeFile::Grid>(grid), coord(origin), coord(dims),
              {values.data(), values.size()});
}

void hold_bounds(VolumeFile& file, std::array<std::int32_t, 3> first,
                 std::array<std::int32_t, 3> last) {
    file.hold_bounds(coord(first), coord(last));
}

void set_number(VolumeFile& file, rust::Str key, std::int32_t value) {
    file.set(std::string(key), value);
}

void set_float(VolumeFile& file, rust::Str key, float value) { file.set(std::string(key), value); }

void set_text(VolumeFile& file, rust::Str key, rust::Str value) {
    file.set(std::string(key), std::string(value));
}

void write_volume(const VolumeFile& file, rust::Slice<const std::uint8_t> path) {
    file.write(std::string(reinterpret_cast<const char*>(path.data()), path.size()));
}

}  // namespace bridge
}  // namespace temporal_vdb
