// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/vdb_file.h>

#include <openvdb/io/Archive.h>
#include <openvdb/io/GridDescriptor.h>

#include <fstream>
#include <stdexcept>
#include <string>

namespace temporal_vdb {
namespace test {

/// Where OpenVDB itself finds the trees of a file.
class Places : public openvdb::io::Archive {
public:
    explicit Places(const std::string& path) : in_(path, std::ios::binary) {
        openvdb::initialize();
        in_.exceptions(std::ios::failbit | std::ios::badbit);
        readHeader(in_);
        setFormatVersion(in_);
        setLibraryVersion(in_);
        openvdb::MetaMap().readMeta(in_);
        for (int left = readGridCount(in_); left > 0; --left) {
            openvdb::io::GridDescriptor grid;
            grid.read(in_);
            names_.push_back(grid.gridName());
            TreeBytes bytes{};
            grid.seekToGrid(in_);
            in_.read(reinterpret_cast<char*>(&bytes.compression), sizeof bytes.compression);
            openvdb::FloatGrid head;
            head.readMeta(in_);
            head.readTransform(in_);
            bytes.begin = static_cast<std::uint64_t>(in_.tellg());
            bytes.end = static_cast<std::uint64_t>(grid.getEndPos());
            bytes.half = grid.saveFloatAsHalf();
            trees_.push_back(bytes);
            grid.seekToEnd(in_);
        }
    }

    TreeBytes of(const std::string& name) const {
        for (std::size_t i = 0; i < names_.size(); ++i) {
            if (names_[i] == name) return trees_[i];
        }
        throw std::runtime_error("no grid " + name);
    }

    std::size_t count() const { return names_.size(); }

private:
    std::ifstream in_;
    std::vector<std::string> names_;
    std::vector<TreeBytes> trees_;
};

}  // namespace test
}  // namespace temporal_vdb
