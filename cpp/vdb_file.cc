// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/vdb_file.h>

#include <temporal_vdb/error.h>

#include "nodes.h"
#include "vdb_archive.h"

#include <openvdb/io/Stream.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

namespace temporal_vdb {

namespace {

constexpr const char* format_key = "temporal_vdb_format";
constexpr const char* rows_key = "temporal_vdb_rows";
constexpr const char* cols_key = "temporal_vdb_cols";
constexpr const char* oldest_key = "temporal_vdb_oldest";
constexpr const char* steps_key = "temporal_vdb_steps";
constexpr const char* exact_suffix = ".exact";

// ---- steps as text: "1-300,305" -------------------------------------------------------------

std::string steps_text(Span<const std::int32_t> steps) {
    std::ostringstream text;
    for (std::size_t i = 0; i < steps.size;) {
        std::size_t end = i + 1;
        while (end < steps.size && steps[end] == steps[end - 1] + 1) ++end;
        if (i > 0) text << ',';
        text << steps[i];
        if (end > i + 1) text << '-' << steps[end - 1];
        i = end;
    }
    return text.str();
}

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::not_a_layer, why); }

std::vector<std::int32_t> parse_steps(const std::string& text, std::int32_t oldest) {
    std::vector<std::int32_t> steps;
    std::istringstream in(text);
    std::int64_t before = oldest;
    while (in.peek() != std::istringstream::traits_type::eof()) {
        std::int64_t first = 0;
        char mark = ',';
        if (!(in >> first)) refuse("the list of steps '" + text + "' cannot be read");
        std::int64_t last = first;
        if (in.peek() == '-' && !(in >> mark >> last)) {
            refuse("the list of steps '" + text + "' cannot be read");
        }
        if (first <= before || last < first || last >= std::numeric_limits<std::int32_t>::max()) {
            refuse("the list of steps '" + text + "' does not ascend from the base's label " +
                   std::to_string(oldest));
        }
        for (auto step = first; step <= last; ++step) {
            steps.push_back(static_cast<std::int32_t>(step));
        }
        before = last;
        if (in.peek() == ',') {
            in.get();
        } else if (in.peek() != std::istringstream::traits_type::eof()) {
            refuse("the list of steps '" + text + "' cannot be read");
        }
    }
    return steps;
}

// ---- reading --------------------------------------------------------------------------------

std::int32_t int_metadata(const openvdb::FloatGrid& grid, const char* key) {
    const auto value = grid.getMetadata<openvdb::Int32Metadata>(key);
    if (!value) refuse("grid '" + grid.getName() + "' has no whole number '" + key + "'");
    return value->value();
}

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string quoted(const std::vector<std::string>& names) {
    std::string all;
    for (const auto& name : names) all += (all.empty() ? "'" : ", '") + name + "'";
    return all;
}

/// All grids of a file. A stream of our own, so that the end of a file that was cut off is noticed:
/// io::File goes on with what it has.
openvdb::GridPtrVec read_grids(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) fail(errno, "cannot open", path);
    if (in.peek() == std::ifstream::traits_type::eof()) refuse("the file is empty");
    in.exceptions(std::ios::badbit | std::ios::failbit);
    try {
        openvdb::io::Stream stream(in, /*delayLoad=*/false);
        return *stream.getGrids();
    } catch (const std::ios_base::failure&) {
        refuse("the file is cut off, or no .vdb file");
    }
}

openvdb::FloatGrid::Ptr float_grid(const openvdb::GridBase::Ptr& grid) {
    auto floats = openvdb::gridPtrCast<openvdb::FloatGrid>(grid);
    if (!floats)
        refuse("grid '" + grid->getName() + "' is a " + grid->type() + ", not a float grid");
    return floats;
}

openvdb::GridBase::Ptr find(const openvdb::GridPtrVec& grids, const std::string& name) {
    for (const auto& grid : grids) {
        if (grid->getName() == name) return grid;
    }
    return nullptr;
}

/// The layer to read: the one asked for, or the only one there is.
openvdb::GridBase::Ptr choose(const openvdb::GridPtrVec& grids, const std::string& asked) {
    openvdb::GridPtrVec layers;
    std::vector<std::string> names;
    for (const auto& grid : grids) {
        // Marks go with the layer that they belong to; alone, such a grid is a layer of that name.
        const std::string name = grid->getName();
        if (ends_with(name, exact_suffix) &&
            find(grids, name.substr(0, name.size() - std::strlen(exact_suffix)))) {
            continue;
        }
        layers.push_back(grid);
        names.push_back(name);
    }
    if (layers.empty()) refuse("the file holds no grid");
    if (asked.empty() && layers.size() == 1) return layers.front();
    if (const auto layer = find(layers, asked)) return layer;
    if (asked.empty()) refuse("the file holds several grids, name one of " + quoted(names));
    refuse("the file holds no grid '" + asked + "', but " + quoted(names));
}

/// Every voxel belongs to the base or to a step that the file says it has.
void check_steps(const Tree& tree, const std::string& name,
                 const std::vector<std::int32_t>& steps) {
    for (auto leaf = tree.cbeginLeaf(); leaf; ++leaf) {
        std::uint64_t zs = 0;
        for (int row = 0; row < leaf_dim; ++row) zs |= mask_word(*leaf, row);
        for (int z = 0; z < leaf_dim; ++z) {
            const std::int32_t step = leaf->origin().z() + z;
            if (!(zs & (every_byte << z)) || step == 0) continue;
            if (!std::binary_search(steps.begin(), steps.end(), step)) {
                refuse("grid '" + name + "' has voxels at step " + std::to_string(step) +
                       ", which is not in its list of steps");
            }
        }
    }
}

LayerFile read_base(openvdb::FloatGrid::Ptr grid, const std::string& name, int threads,
                    std::size_t spare_bytes) {
    const auto box = grid->evalActiveVoxelBoundingBox();
    if (box.empty()) refuse("grid '" + name + "' holds no voxel and says no shape");
    if (box.min().z() != 0 || box.max().z() != 0) {
        refuse("grid '" + name + "' is no layer: it has no '" + format_key +
               "', and voxels with z from " + std::to_string(box.min().z()) + " to " +
               std::to_string(box.max().z()) + " (only z = 0 opens as a base)");
    }
    if (box.min().x() < 0 || box.min().y() < 0) {
        refuse("grid '" + name + "' has voxels from row " + std::to_string(box.min().x()) +
               ", column " + std::to_string(box.min().y()) + " on, below (0, 0)");
    }
    if (box.max().x() == std::numeric_limits<std::int32_t>::max() ||
        box.max().y() == std::numeric_limits<std::int32_t>::max()) {
        refuse("grid '" + name + "' has more than 2^31 - 1 rows or columns");
    }
    return {TemporalGrid(grid, nullptr, name, box.max().x() + 1, box.max().y() + 1, 0, threads,
                         spare_bytes),
            0,
            {}};
}

}  // namespace

void write_vdb(const TemporalGrid& grid, std::int32_t oldest, Span<const std::int32_t> steps,
               const std::string& path) {
    // Shallow copies: metadata of their own, the trees shared.
    const auto deltas = openvdb::ConstPtrCast<openvdb::FloatGrid>(grid.deltas_grid())->copy();
    deltas->insertMeta(format_key, openvdb::Int32Metadata(vdb_format_version));
    deltas->insertMeta(rows_key, openvdb::Int32Metadata(grid.rows()));
    deltas->insertMeta(cols_key, openvdb::Int32Metadata(grid.cols()));
    deltas->insertMeta(oldest_key, openvdb::Int32Metadata(oldest));
    deltas->insertMeta(steps_key, openvdb::StringMetadata(steps_text(steps)));
    openvdb::GridCPtrVec grids{deltas};
    if (grid.exact_grid()) grids.push_back(grid.exact_grid());
    save_vdb(grids, path);
}

LayerFile read_vdb(const std::string& path, const std::string& asked, int threads,
                   std::size_t spare_bytes) {
    openvdb::initialize();
    try {
        const auto grids = read_grids(path);
        const auto deltas = float_grid(choose(grids, asked));
        const std::string name = deltas->getName();
        if (!deltas->getMetadata<openvdb::Int32Metadata>(format_key)) {
            return read_base(deltas, name, threads, spare_bytes);
        }
        const auto version = int_metadata(*deltas, format_key);
        if (version != vdb_format_version) {
            refuse("grid '" + name + "' has format version " + std::to_string(version) +
                   "; this library reads version " + std::to_string(vdb_format_version));
        }
        const auto oldest = int_metadata(*deltas, oldest_key);
        if (oldest < 0)
            refuse("grid '" + name + "' says its base is step " + std::to_string(oldest));
        const auto text = deltas->getMetadata<openvdb::StringMetadata>(steps_key);
        if (!text) refuse("grid '" + name + "' has no list of steps '" + steps_key + "'");
        auto steps = parse_steps(text->value(), oldest);
        openvdb::FloatGrid::Ptr exact;
        if (const auto marks = find(grids, name + exact_suffix)) exact = float_grid(marks);
        const auto rows = int_metadata(*deltas, rows_key);
        const auto cols = int_metadata(*deltas, cols_key);
        if (rows < 1 || cols < 1) {
            refuse("grid '" + name + "' says its shape is " + std::to_string(rows) + " x " +
                   std::to_string(cols));
        }
        const std::int32_t limit = steps.empty() ? 0 : steps.back();
        LayerFile file{TemporalGrid(deltas, exact, name, rows, cols, limit, threads, spare_bytes),
                       oldest, std::move(steps)};
        check_steps(file.grid.deltas(), name, file.steps);
        if (file.grid.exact()) check_steps(*file.grid.exact(), name + exact_suffix, file.steps);
        return file;
    } catch (const openvdb::Exception& error) {
        refuse(error.what());
    }
}

}  // namespace temporal_vdb
