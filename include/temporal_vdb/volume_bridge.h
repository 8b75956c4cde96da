// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/exceptions.h>
#include <temporal_vdb/volume_file.h>

#include "rust/cxx.h"

#include <array>
#include <memory>

// What src/volumes/ffi.rs declares, in the same order and under the same names.

namespace temporal_vdb {
namespace bridge {

std::unique_ptr<VolumeFile> new_volume_file(double voxel_size, std::array<double, 3> first);
void fill_volume(VolumeFile& file, std::uint8_t grid, std::array<std::int32_t, 3> origin,
                 std::array<std::int32_t, 3> dims, rust::Slice<const float> values);
void hold_bounds(VolumeFile& file, std::array<std::int32_t, 3> first,
                 std::array<std::int32_t, 3> last);
void set_number(VolumeFile& file, rust::Str key, std::int32_t value);
void set_float(VolumeFile& file, rust::Str key, float value);
void set_text(VolumeFile& file, rust::Str key, rust::Str value);
void write_volume(const VolumeFile& file, rust::Slice<const std::uint8_t> path);

}  // namespace bridge
}  // namespace temporal_vdb
