// SPDX-License-Identifier: MIT OR Apache-2.0
#include "folder.h"
#include "twin.h"

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
const std::vector<std::int32_t> some_steps = {6, 7, 8, 10, 300, 5000, last_z};

TemporalGrid some_layer(const std::string& name, int threads = 1) {
    Random random(81);
    TemporalGrid grid(name, 300, 150, threads);
    insert_base(grid, random.values(300, 150, 300));
    for (const std::int32_t z : some_steps) {
        if (z == 8) continue;  // a step without changes is a step
        insert_slice(grid, {}, z, random.deltas(300, 150, 200), random.values(300, 150, 20));
    }
    return grid;
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
            write_vdb(written.grid, 5, some_steps, path);
            CHECK(folder.names() == std::set<std::string>{"layer.vdb"});
            written.check();  // writing changes nothing
            for (const std::string& asked : {std::string(), name}) {
                LayerFile file = read_vdb(path, asked, threads);
                CHECK(file.oldest == 5);
                CHECK(file.steps == some_steps);
                CHECK(file.grid.name() == name);
                CHECK(file.grid.rows() == 300);
                CHECK(file.grid.cols() == 150);
                Twin read(std::move(file.grid));
                CHECK(difference(read.model.deltas, written.model.deltas) == "");
                CHECK(difference(read.model.marks, written.model.marks) == "");
                read.check_states({{6, last_z}});
            }
        }
    }
}

TEST_CASE("lists of steps come back") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    std::vector<std::int32_t> many;
    for (std::int32_t step = 1; step <= 1000; step += 1 + step % 3) many.push_back(step);
    const std::vector<std::vector<std::int32_t>> lists = {
        {}, {1}, {1, 2}, {1, 3}, {1, 2, 3, 5, 7, 8}, {4, 6, 8}, {last_z - 1, last_z}, many};
    for (const auto& steps : lists) {
        CAPTURE(steps.size());
        const TemporalGrid grid("layer", 3, 3, 1);  // no voxel at all
        write_vdb(grid, 0, steps, path);
        const LayerFile file = read_vdb(path, "layer", 1);
        CHECK(file.steps == steps);
        CHECK(file.oldest == 0);
        CHECK(file.grid.exact() == nullptr);
        check_invariants(file.grid);
    }
    write_vdb(TemporalGrid("layer", 3, 3, 1), last_z - 1, std::vector<std::int32_t>{last_z}, path);
    CHECK(read_vdb(path, "", 1).oldest == last_z - 1);
}

TEST_CASE("other programs find a layer's voxels and metadata") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    const Twin twin(some_layer("layer"));
    write_vdb(twin.grid, 5, some_steps, path);

    openvdb::io::File file(path);
    file.open();
    CHECK(file.hasGrid("layer"));
    CHECK(file.hasGrid("layer.exact"));
    CHECK(file.getGrids()->size() == 2);
    const auto deltas = openvdb::gridPtrCast<openvdb::FloatGrid>(file.readGrid("layer"));
    REQUIRE(deltas);
    CHECK(deltas->metaValue<std::int32_t>("temporal_vdb_format") == 1);
    CHECK(deltas->metaValue<std::int32_t>("temporal_vdb_rows") == 300);
    CHECK(deltas->metaValue<std::int32_t>("temporal_vdb_cols") == 150);
    CHECK(deltas->metaValue<std::int32_t>("temporal_vdb_oldest") == 5);
    CHECK(deltas->metaValue<std::string>("temporal_vdb_steps") == "6-8,10,300,5000,2147483646");
    CHECK(difference(walk_voxels(&deltas->tree()), twin.model.deltas) == "");
    const auto exact = openvdb::gridPtrCast<openvdb::FloatGrid>(file.readGrid("layer.exact"));
    REQUIRE(exact);
    CHECK(difference(walk_voxels(&exact->tree()), twin.model.marks) == "");
    // The layer itself has none of that: it is the file's.
    CHECK_FALSE((*twin.grid.deltas_grid())["temporal_vdb_format"]);
}

TEST_CASE("whatever OpenVDB writes it, the file is of the format that all since 10 know") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    write_vdb(some_layer("layer"), 5, some_steps, path);
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
    write_vdb(grid, 0, std::vector<std::int32_t>{1}, path);
    openvdb::io::File file(path);
    file.open();
    CHECK(file.getGrids()->size() == 1);
}

TEST_CASE("a file is replaced") {
    const Folder folder;
    const auto path = folder.path("layer.vdb");
    std::ofstream(path) << "something else";
    write_vdb(some_layer("layer"), 5, some_steps, path);
    write_vdb(TemporalGrid("other", 1, 1, 1), 0, {}, path);
    CHECK(read_vdb(path, "", 1).grid.name() == "other");
    CHECK(folder.names() == std::set<std::string>{"layer.vdb"});
}

TEST_CASE("a file in the working folder") {
    const Folder folder;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path("."));
    const auto error = error_of([&] { write_vdb(some_layer("layer"), 5, some_steps, "here.vdb"); });
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
        const auto error = error_of([&] { write_vdb(grid, 5, some_steps, path); });
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
    write_vdb(TemporalGrid("old", 1, 1, 1), 0, {}, path);
    const std::string before = bytes_of(path);
    const auto whole = folder.path("whole.vdb");
    write_vdb(grid, 5, some_steps, whole);
    const auto size = std::filesystem::file_size(whole);
    std::filesystem::remove(whole);
    // At once, in the header, in the middle, at the last byte.
    for (const std::uintmax_t limit :
         {std::uintmax_t{0}, std::uintmax_t{100}, size / 2, size - 1}) {
        CAPTURE(limit);
        std::optional<Error> error;
        {
            const FullDisk full(limit);
            error = error_of([&] { write_vdb(grid, 5, some_steps, path); });
        }
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::io);
        CHECK(error->os_error() == EFBIG);
        CHECK(bytes_of(path) == before);
        CHECK(folder.names() == std::set<std::string>{"layer.vdb"});
    }
    {
        const FullDisk full(size);
        write_vdb(grid, 5, some_steps, path);
    }
    CHECK(read_vdb(path, "", 1).grid.name() == "layer");
}
