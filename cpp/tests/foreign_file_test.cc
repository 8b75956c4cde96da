// SPDX-License-Identifier: MIT OR Apache-2.0
#include "folder.h"
#include "twin.h"

#include <temporal_vdb/vdb_file.h>

#include <openvdb/io/File.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

openvdb::FloatGrid::Ptr float_grid(const std::string& name,
                                   const std::vector<openvdb::Coord>& voxels) {
    openvdb::initialize();
    const auto grid = openvdb::FloatGrid::create(0.0f);
    grid->setName(name);
    float value = 0.5f;
    for (const auto& xyz : voxels) grid->tree().setValue(xyz, value += 1.0f);
    return grid;
}

std::string save(const Folder& folder, const openvdb::GridPtrVec& grids) {
    const auto path = folder.path("foreign.vdb");
    openvdb::io::File file(path);
    file.write(grids);
    file.close();
    return path;
}

/// The grids of a file of ours, for a test to change.
openvdb::GridPtrVec own_grids(const Folder& folder) {
    TemporalGrid grid("layer", 20, 30, 1);
    insert_base(grid, std::vector<Voxel>{{0, 0, 1.0f}, {19, 29, -1.0f}});
    insert_slice(grid, {}, 3, std::vector<Voxel>{{1, 1, 0.5f}}, std::vector<Voxel>{{2, 2, 4.0f}});
    insert_slice(grid, {}, 5, std::vector<Voxel>{{1, 1, 0.5f}}, {});
    const auto path = folder.path("own.vdb");
    write_vdb(grid, 1, std::vector<std::int32_t>{3, 5}, path);
    openvdb::io::File file(path);
    file.open(/*delayLoad=*/false);
    return *file.getGrids();
}

openvdb::GridBase& named(const openvdb::GridPtrVec& grids, const std::string& name) {
    for (const auto& grid : grids) {
        if (grid->getName() == name) return *grid;
    }
    throw std::runtime_error("no grid " + name);
}

/// Reading must be refused as not_a_layer, with `why` in the message.
void check_refused(const std::string& path, const std::string& name, const std::string& why) {
    const auto error = error_of([&] { read_vdb(path, name, 1); });
    REQUIRE(error);
    CAPTURE(error->what());
    CHECK(error->code() == ErrorCode::not_a_layer);
    CHECK(std::string(error->what()).find(why) != std::string::npos);
}

/// The same for a file of ours of which something was changed.
template <typename Change>
void check_refused_if(const Change& change, const std::string& why) {
    const Folder folder;
    auto grids = own_grids(folder);
    change(grids);
    check_refused(save(folder, grids), "layer", why);
}

}  // namespace

TEST_CASE("a grid that knows no time opens as a base") {
    const Folder folder;
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const auto grid = float_grid("", {{0, 0, 0}, {4, 200, 0}, {130, 7, 0}});
        grid->tree().setValue({1, 1, 0}, float_of(0x7f800001));
        grid->tree().setValueOff({1, 2, 0}, 3.0f);
        for (const std::string name : {"weights", ""}) {
            grid->setName(name);
            LayerFile file = read_vdb(save(folder, {grid}), "", threads);
            CHECK(file.oldest == 0);
            CHECK(file.steps.empty());
            CHECK(file.grid.name() == name);
            CHECK(file.grid.rows() == 131);
            CHECK(file.grid.cols() == 201);
            Twin twin(std::move(file.grid));
            CHECK(twin.model.deltas.size() == 4);
            CHECK(bits_of(twin.model.deltas.at({1, 1, 0})) == 0x7f800001);
            twin.check_states({});
            twin.insert_slice(1, {{4, 200, 1.0f}});
            twin.check_states({{1, 1}});
        }
    }
}

TEST_CASE("the farthest base") {
    const Folder folder;
    const std::int32_t most = std::numeric_limits<std::int32_t>::max();
    const LayerFile file = read_vdb(save(folder, {float_grid("w", {{most - 1, 0, 0}})}), "", 1);
    CHECK(file.grid.rows() == most);
    check_refused(save(folder, {float_grid("w", {{most, 0, 0}})}), "", "2^31 - 1");
    check_refused(save(folder, {float_grid("w", {{0, most, 0}})}), "", "2^31 - 1");
}

TEST_CASE("one of several grids is read by its name") {
    const Folder folder;
    const auto path = save(folder, {float_grid("a", {{1, 0, 0}}), float_grid("b", {{2, 0, 0}}),
                                    float_grid("volume", {{3, 0, 9}})});
    CHECK(read_vdb(path, "a", 1).grid.rows() == 2);
    CHECK(read_vdb(path, "b", 1).grid.rows() == 3);
    check_refused(path, "", "several");
    check_refused(path, "c", "'a'");
    check_refused(path, "volume", "z = 0");
}

TEST_CASE("several layers in one file") {
    const Folder folder;
    auto grids = own_grids(folder);
    for (const auto& grid : own_grids(folder)) {
        const bool exact = grid->getName() == "layer.exact";
        grid->setName(exact ? "other.exact" : "other");
        if (exact) openvdb::gridPtrCast<openvdb::FloatGrid>(grid)->tree().setValue({2, 2, 3}, 9.0f);
        grids.push_back(grid);
    }
    const auto path = save(folder, grids);
    check_refused(path, "", "several");
    for (const std::string name : {"layer", "other"}) {
        CAPTURE(name);
        Twin twin(read_vdb(path, name, 1).grid);
        CHECK(twin.model.marks.at({2, 2, 3}) == (name == "layer" ? 4.0f : 9.0f));
        CHECK(twin.grid.exact_grid()->getName() == name + ".exact");
    }
}

TEST_CASE("what is no layer is refused") {
    const Folder folder;
    check_refused(save(folder, {}), "", "no grid");
    check_refused(save(folder, {}), "layer", "no grid");
    openvdb::initialize();
    const auto vectors = openvdb::Vec3SGrid::create();
    vectors->setName("velocity");
    vectors->tree().setValue({0, 0, 0}, openvdb::Vec3s(1.0f));
    check_refused(save(folder, {vectors}), "", "float");
    check_refused(save(folder, {float_grid("w", {})}), "w", "no voxel");
    check_refused(save(folder, {float_grid("w", {{0, 0, 1}})}), "w", "z = 0");
    check_refused(save(folder, {float_grid("w", {{0, 0, -1}, {0, 0, 0}})}), "w", "z = 0");
    check_refused(save(folder, {float_grid("w", {{-1, 0, 0}, {5, 5, 0}})}), "w", "below");
    check_refused(save(folder, {float_grid("w", {{0, -7, 0}, {5, 5, 0}})}), "w", "below");
    const auto background = openvdb::FloatGrid::create(1.0f);
    background->tree().setValue({0, 0, 0}, 2.0f);
    check_refused(save(folder, {background}), "", "background");
}

TEST_CASE("what is no .vdb file is refused") {
    const Folder folder;
    const auto path = folder.path("text.vdb");
    std::ofstream(path, std::ios::binary).close();
    check_refused(path, "", "empty");
    std::ofstream(path) << "these are not the bytes of a volume, however many of them there are";
    check_refused(path, "", "");
    std::ofstream(path, std::ios::binary | std::ios::trunc) << 'V';
    check_refused(path, "", "");
    std::filesystem::create_directory(folder.path("folder.vdb"));
    check_refused(folder.path("folder.vdb"), "", "");

    const auto error = error_of([&] { read_vdb(folder.path("missing.vdb"), "", 1); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::io);
    CHECK(error->os_error() == ENOENT);
}

TEST_CASE("broken metadata is refused") {
    const auto meta = [](const char* key, const openvdb::Metadata& value) {
        return [key, &value](openvdb::GridPtrVec& grids) {
            auto& grid = named(grids, "layer");
            grid.removeMeta(key);
            grid.insertMeta(key, value);
        };
    };
    const auto number = [](std::int32_t value) { return openvdb::Int32Metadata(value); };
    for (const std::int32_t version : {0, 2, -1}) {
        check_refused_if(meta("temporal_vdb_format", number(version)), "version");
    }
    for (const std::int32_t size : {0, -1}) {
        check_refused_if(meta("temporal_vdb_rows", number(size)), "shape");
        check_refused_if(meta("temporal_vdb_cols", number(size)), "shape");
    }
    check_refused_if(meta("temporal_vdb_rows", number(19)), "beyond");
    check_refused_if(meta("temporal_vdb_cols", number(29)), "beyond");
    check_refused_if(meta("temporal_vdb_oldest", number(-1)), "-1");
    check_refused_if(meta("temporal_vdb_oldest", number(3)), "ascend");
    check_refused_if(meta("temporal_vdb_rows", openvdb::StringMetadata("20")), "temporal_vdb_rows");
    check_refused_if(meta("temporal_vdb_steps", number(3)), "temporal_vdb_steps");
    for (const std::string steps :
         {"3,5,x", "x", "3;5", "3,,5", ",3,5", "5,3", "3,3", "3-", "3-5-7", "5-3", "1-5", "0,5",
          "-3,5", "3,2147483647", "3,99999999999999999999", "3-99999999999", "3 5", "3.5",
          "0x3,5"}) {
        CAPTURE(steps);
        check_refused_if(meta("temporal_vdb_steps", openvdb::StringMetadata(steps)), "steps");
    }
    // Slices after the last step.
    check_refused_if(meta("temporal_vdb_steps", openvdb::StringMetadata("3-4")), "beyond");
    check_refused_if(meta("temporal_vdb_steps", openvdb::StringMetadata("")), "beyond");
}

TEST_CASE("missing metadata is refused") {
    for (const std::string key :
         {"temporal_vdb_rows", "temporal_vdb_cols", "temporal_vdb_oldest", "temporal_vdb_steps"}) {
        CAPTURE(key);
        check_refused_if([&](openvdb::GridPtrVec& grids) { named(grids, "layer").removeMeta(key); },
                         key);
    }
    // Without a format it is no file of ours: then z has to be 0.
    check_refused_if(
        [](openvdb::GridPtrVec& grids) { named(grids, "layer").removeMeta("temporal_vdb_format"); },
        "z = 0");
}

TEST_CASE("grids of a layer's file that cannot be its are refused") {
    check_refused_if(
        [](openvdb::GridPtrVec& grids) {
            const auto vectors = openvdb::Vec3SGrid::create();
            vectors->setName("layer.exact");
            grids.erase(std::remove_if(grids.begin(), grids.end(),
                                       [](const openvdb::GridBase::Ptr& grid) {
                                           return grid->getName() == "layer.exact";
                                       }),
                        grids.end());
            grids.push_back(vectors);
        },
        "float");
    check_refused_if(
        [](openvdb::GridPtrVec& grids) {
            auto& exact = dynamic_cast<openvdb::FloatGrid&>(named(grids, "layer.exact"));
            exact.tree().setValue({20, 0, 3}, 1.0f);
        },
        "layer.exact");
}

TEST_CASE("a header that is cut off is refused") {
    const Folder folder;
    own_grids(folder);
    std::ifstream in(folder.path("own.vdb"), std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    const auto path = folder.path("cut.vdb");
    for (const std::size_t size : {1, 4, 8, 12, 20}) {
        CAPTURE(size);
        std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
        check_refused(path, "layer", "");
    }
}

// Without Blosc nothing in the data itself says how much of it there should be.
TEST_CASE("a file whose data is cut off does not give other weights") {
    const Folder folder;
    Random random(91);
    const auto grid = float_grid("w", {});
    for (const Voxel& voxel : random.values(100, 100, 5000)) {
        grid->tree().setValue({voxel.row, voxel.col, 0}, voxel.value);
    }
    const Voxels wanted = walk_voxels(&grid->tree());
    const auto whole = folder.path("whole.vdb");
    for (const auto compression : {openvdb::io::COMPRESS_NONE, openvdb::io::COMPRESS_ACTIVE_MASK}) {
        CAPTURE(compression);
        openvdb::io::File file(whole);
        file.setCompression(compression);
        file.write(openvdb::GridPtrVec{grid});
        file.close();
        CHECK(difference(Twin(read_vdb(whole, "", 1).grid).model.deltas, wanted) == "");
        const auto size = std::filesystem::file_size(whole);
        for (const std::uintmax_t cut : {std::uintmax_t{1}, std::uintmax_t{100}, size / 20}) {
            CAPTURE(cut);
            std::filesystem::copy_file(whole, folder.path("cut.vdb"),
                                       std::filesystem::copy_options::overwrite_existing);
            std::filesystem::resize_file(folder.path("cut.vdb"), size - cut);
            Voxels got;
            const auto error = error_of([&] {
                const LayerFile read = read_vdb(folder.path("cut.vdb"), "", 1);
                got = walk_voxels(&read.grid.deltas());
            });
            if (error) {
                CHECK(error->code() == ErrorCode::not_a_layer);
            } else {
                CHECK(difference(got, wanted) == "");  // what was lost was nothing
            }
        }
    }
}
