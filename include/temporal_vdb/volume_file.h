// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>

#include <openvdb/openvdb.h>

#include <array>
#include <cstdint>
#include <string>

namespace temporal_vdb {

/// A .vdb to look at: the fog volumes `density`, `fall` and `rise`, background 0, of one uniform
/// transform, saved as 16-bit floats. Nothing of it is read back by this library.
class VolumeFile {
public:
    enum class Grid { density, fall, rise };

    /// `first` is where the centre of voxel (0, 0, 0) lies. Units are the scene's.
    VolumeFile(double voxel_size, const std::array<double, 3>& first);

    /// Sets the box of `dims` voxels from `origin` on; z runs fastest in `values`. Those of 0 stay
    /// inactive. Errors: invalid_argument where `values` is not as large as the box.
    void fill(Grid which, const openvdb::Coord& origin, const openvdb::Coord& dims,
              Span<const float> values);

    /// Makes the voxels `first` and `last` active in all three grids, whatever they hold: in
    /// frames, so that none is empty and all of a sequence have one bounding box.
    void hold_bounds(const openvdb::Coord& first, const openvdb::Coord& last);

    /// Metadata of all three grids.
    void set(const std::string& key, std::int32_t value);
    void set(const std::string& key, float value);
    void set(const std::string& key, const std::string& value);

    /// Writes the file whole or not at all. Errors: io.
    void write(const std::string& path) const;

private:
    std::array<openvdb::FloatGrid::Ptr, 3> grids_;
};

}  // namespace temporal_vdb
