// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <openvdb/openvdb.h>

#include <string>

namespace temporal_vdb {

/// Writes grids to `path` as .vdb, file format 224, which OpenVDB 10 and all newer ones read.
///
/// The bytes go to a temporary file in the same folder, which is synced and renamed: `path` has
/// either the old or the whole new file. Errors: io.
void save_vdb(const openvdb::GridCPtrVec& grids, const std::string& path);

/// Throws what the operating system said of `path`, as io.
[[noreturn]] void fail(int number, const std::string& doing, const std::string& path);

}  // namespace temporal_vdb
