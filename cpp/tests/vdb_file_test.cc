// SPDX-License-Identifier: MIT OR Apache-2.0
#include "folder.h"
#include "places.h"
#include "twin.h"

#include <temporal_vdb/digest.h>
#include <temporal_vdb/vdb_file.h>

#include <openvdb/io/File.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>

#include <sys/resource.h>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

std::string bytes_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// A layer named `name` with marks, odd values, and steps with gaps.
TemporalGrid some_layer(const std::string& name, int threads = 1) {
    Random random(81);
    TemporalGrid grid(name, 300, 150, threads);
    insert_base(grid, random.values(300, 150, 300));
    for (const std::int32_t z : {6, 7, 10, 300, 5000, last_z}) {
        insert_slice(grid, {}, z, random.deltas(300, 150, 200), random.values(300, 150, 20));
    }
    return grid;
}

TemporalGrid read(const std::string& path, const std::string& name, int threads) {
    const Places places(path);
    const std::vector<TreeBytes> trees = {places.of(name), places.of(name + ".exact")};
    return read_vdb(path, trees, name, Extent{300, 150, last_z}, threads);
}

/// No file may grow beyond a limit, as on a full disk.
class FullDisk {
public:
    explicit FullDisk(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        handler_ = std::signal(SIGXFSZ, SIG_IGN);
        rlimit full = before_;
        full.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &full);
    }
    ~FullDisk() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    rlimit before_{};
    void (*handler_)(int);
};

}  // namespace

TEST_CASE("a layer comes back as it was written") {
    const Folder folder;
    for (const int threads : thread_counts()) {
        for (const std::string name :
             {"layer", "", "model.layers.0.self_attn.q_proj.weight", "a b/ü:*?", "w[0]", "w[1]"}) {
            CAPTURE(threads);
            CAPTURE(name);
            const auto path = folder.path("layer.vdb");
            const Twin written(some_layer(name, threads));
            write_vdb(written.grid, {}, path);
            CHECK(folder.names() == std::set<std::string>{"layer.vdb"});
            written.check();  // writing changes nothing
            TemporalGrid back = read(path, name, threads);
            CHECK(back.name() == name);
            CHECK(digest(back, "text") == digest(written.grid, "text"));
            CHECK(slices_in_use(back) == std::vector<std::int32_t>{6, 7, 10, 300, 5000, last_z});
            Twin read(std::move(back));
            CHECK(difference(read.model.deltas, written.model.deltas) == "");
            CHECK(difference(read.model.marks, written.model.marks) == "");
            read.check_states({{6, last_z}});
        }
    }
}

TEST_CASE("a tree is read without the rest of its file") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    const TemporalGrid grid = some_layer("layer");
    write_vdb(grid, {}, path);
    const Places places(path);
    const TreeBytes tree = places.of("layer");
    std::string bytes = bytes_of(path);
    const auto alone = folder.path("alone");
    std::ofstream(alone, std::ios::binary)
        << "?" << bytes.substr(tree.begin, tree.end - tree.begin) << "?";
    const TreeBytes moved{1, 1 + tree.end - tree.begin, tree.compression, false};
    const TemporalGrid back =
        read_vdb(alone, std::vector<TreeBytes>{moved}, "layer", Extent{300, 150, last_z}, 1);
    CHECK(difference(walk_voxels(&back.deltas()), walk_voxels(&grid.deltas())) == "");
    // Not one byte further.
    for (const std::uint64_t cut : {1, 100, 5000}) {
        CAPTURE(cut);
        const TreeBytes shorter{moved.begin, moved.end - cut, moved.compression, false};
        const auto error = error_of([&] {
            read_vdb(alone, std::vector<TreeBytes>{shorter}, "layer", Extent{300, 150, last_z}, 1);
        });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::not_a_layer);
    }
    const auto missing = error_of([&] {
        read_vdb(folder.path("missing"), std::vector<TreeBytes>{moved}, "layer", Extent{1, 1, 0},
                 1);
    });
    REQUIRE(missing);
    CHECK(missing->os_error() == ENOENT);
}

TEST_CASE("other programs find a layer's voxels and metadata") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    const Twin twin(some_layer("layer"));
    write_vdb(twin.grid, {{"temporal_vdb_steps", "6-8"}, {"creator", "a test"}}, path);

    openvdb::io::File file(path);
    file.open();
    CHECK(file.hasGrid("layer"));
    CHECK(file.hasGrid("layer.exact"));
    CHECK(file.getGrids()->size() == 2);
    const auto deltas = openvdb::gridPtrCast<openvdb::FloatGrid>(file.readGrid("layer"));
    REQUIRE(deltas);
    CHECK(deltas->metaValue<std::int32_t>("temporal_vdb_format") == 2);
    CHECK(deltas->metaValue<std::int32_t>("temporal_vdb_rows") == 300);
    CHECK(deltas->metaValue<std::int32_t>("temporal_vdb_cols") == 150);
    CHECK(deltas->metaValue<openvdb::Int64>("temporal_vdb_marks") ==
          static_cast<openvdb::Int64>(twin.model.marks.size()));
    CHECK(deltas->metaValue<std::string>("temporal_vdb_steps") == "6-8");
    CHECK(deltas->metaValue<std::string>("creator") == "a test");
    CHECK(difference(walk_voxels(&deltas->tree()), twin.model.deltas) == "");
    const auto exact = openvdb::gridPtrCast<openvdb::FloatGrid>(file.readGrid("layer.exact"));
    REQUIRE(exact);
    CHECK(difference(walk_voxels(&exact->tree()), twin.model.marks) == "");
    CHECK(exact->metaValue<std::int32_t>("temporal_vdb_format") == 2);
    CHECK(exact->metaValue<std::string>("temporal_vdb_part") == "marks");
    CHECK(exact->metaValue<std::string>("creator") == "a test");
    // The layer itself has none of that: it is the file's.
    CHECK_FALSE((*twin.grid.deltas_grid())["temporal_vdb_format"]);
}

TEST_CASE("whatever OpenVDB writes it, the file is of the format that all since 10 know") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    write_vdb(some_layer("layer"), {}, path);
    std::ifstream in(path, std::ios::binary);
    std::int64_t magic = 0;
    std::uint32_t format = 0;
    in.read(reinterpret_cast<char*>(&magic), sizeof magic);
    in.read(reinterpret_cast<char*>(&format), sizeof format);
    CHECK(magic == openvdb::OPENVDB_MAGIC);
    CHECK(format == 224);
}

TEST_CASE("without marks there is no companion grid") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    TemporalGrid grid("layer", 3, 3, 1);
    insert_slice(grid, {}, 1, std::vector<Voxel>{{0, 0, 1.0f}}, {});
    write_vdb(grid, {}, path);
    openvdb::io::File file(path);
    file.open();
    CHECK(file.getGrids()->size() == 1);
}

TEST_CASE("a file is replaced") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    std::ofstream(path) << "something else";
    write_vdb(some_layer("layer"), {}, path);
    write_vdb(TemporalGrid("other", 1, 1, 1), {}, path);
    CHECK(Places(path).of("other").begin > 0);
    CHECK(folder.names() == std::set<std::string>{"layer.vdb"});
}

TEST_CASE("a file in the working folder") {
    const Folder folder;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path("."));
    const auto error = error_of([&] { write_vdb(some_layer("layer"), {}, "here.vdb"); });
    const auto names = folder.names();
    std::filesystem::current_path(before);
    CHECK_FALSE(error);
    CHECK(names == std::set<std::string>{"here.vdb"});
}

TEST_CASE("where a file cannot be written, the error says so and nothing is left behind") {
    const Folder folder;
    const TemporalGrid grid = some_layer("layer");
    const auto refused = [&](const std::string& path, int os_error) {
        CAPTURE(path);
        const auto error = error_of([&] { write_vdb(grid, {}, path); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::io);
        CHECK(error->os_error() == os_error);
        CHECK(std::string(error->what()).find(path) != std::string::npos);
    };
    refused(folder.path("missing/layer.vdb"), ENOENT);
    std::ofstream(folder.path("file")) << "text";
    refused(folder.path("file/layer.vdb"), ENOTDIR);
    std::filesystem::create_directory(folder.path("folder"));
    refused(folder.path("folder"), EISDIR);
    CHECK(folder.names() == std::set<std::string>{"file", "folder"});
}

TEST_CASE("a full disk leaves the old file as it was") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    const TemporalGrid grid = some_layer("layer");
    write_vdb(TemporalGrid("old", 1, 1, 1), {}, path);
    const std::string before = bytes_of(path);
    const auto whole = folder.path("whole.vdb");
    write_vdb(grid, {}, whole);
    const auto size = std::filesystem::file_size(whole);
    std::filesystem::remove(whole);
    // At once, in the header, in the middle, at the last byte.
    for (const std::uintmax_t limit :
         {std::uintmax_t{0}, std::uintmax_t{100}, size / 2, size - 1}) {
        CAPTURE(limit);
        std::optional<Error> error;
        {
            const FullDisk full(limit);
            error = error_of([&] { write_vdb(grid, {}, path); });
        }
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::io);
        CHECK(error->os_error() == EFBIG);
        CHECK(bytes_of(path) == before);
        CHECK(folder.names() == std::set<std::string>{"layer.vdb"});
    }
    {
        const FullDisk full(size);
        write_vdb(grid, {}, path);
    }
    CHECK(Places(path).of("layer").begin > 0);
}
