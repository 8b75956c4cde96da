// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/span.h>
#include <temporal_vdb/temporal_grid.h>

#include <cstdint>
#include <string>
#include <vector>

namespace temporal_vdb {

/// Version of the metadata that this library writes into its grids.
constexpr std::int32_t vdb_format_version = 1;

/// Writes the layer to `path` as .vdb: grid `<name>`, and `<name>.exact` where there are marks,
/// with rows, cols, oldest, steps and format version as metadata of the first. z in the file is
/// the timestep. `steps` ascend and are greater than `oldest`, the base's label.
///
/// The bytes go to a temporary file in the same folder, which is synced and renamed: `path` has
/// either the old or the whole new file. Errors: io.
void write_vdb(const TemporalGrid& grid, std::int32_t oldest, Span<const std::int32_t> steps,
               const std::string& path);

struct LayerFile {
    TemporalGrid grid;
    std::int32_t oldest;
    std::vector<std::int32_t> steps;
};

/// Reads the layer `name` ("" where the file has only one) back. A float grid without our metadata
/// opens as a base without steps if all of it has z = 0; its shape is then its bounding box from
/// (0, 0). Errors: io, not_a_layer.
///
/// For files you trust: OpenVDB does not check every bound while it reads damaged input.
LayerFile read_vdb(const std::string& path, const std::string& name, int threads,
                   std::size_t spare_bytes = TemporalGrid::default_spare_bytes);

}  // namespace temporal_vdb
