// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>
#include <temporal_vdb/temporal_grid.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace temporal_vdb {

/// Texts for a grid's metadata, each with its key.
using Entries = std::vector<std::pair<std::string, std::string>>;

/// Version of the metadata that this library writes into its grids.
constexpr std::int32_t vdb_format_version = 2;

/// Writes the layer to `path` as .vdb: grid `<name>`, and `<name>.exact` where there are marks. The
/// metadata of the first are `entries`, the format's version, rows, cols, and the number of marks;
/// those of the second are the version, and that it holds marks.
///
/// The bytes go to a temporary file in the same folder, which is synced and renamed: `path` has
/// either the old or the whole new file. Errors: io.
void write_vdb(const TemporalGrid& grid, const Entries& entries, const std::string& path);

/// Where the tree of a float grid lies in a file, from its structure to the last of its values, and
/// how values are packed. src/vdb/ finds it, and checks every count and size in it: OpenVDB's
/// reader believes what it reads.
struct TreeBytes {
    std::uint64_t begin;
    std::uint64_t end;
    std::uint32_t compression;
    bool half;
};

/// How far a layer may reach.
struct Extent {
    std::int32_t rows;
    std::int32_t cols;
    std::int32_t last_z;
};

/// Reads a layer from trees that have been checked: that of the deltas, and that of the marks if
/// there is one. Nothing else of the file is looked at. Errors: io, not_a_layer.
TemporalGrid read_vdb(const std::string& path, Span<const TreeBytes> trees, const std::string& name,
                      Extent extent, int threads,
                      std::size_t spare_bytes = TemporalGrid::default_spare_bytes);

}  // namespace temporal_vdb
