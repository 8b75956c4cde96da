// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/vdb_file.h>

#include <temporal_vdb/error.h>

#include "vdb_archive.h"

#include <openvdb/io/Compression.h>
#include <openvdb/io/io.h>

#include <algorithm>
#include <cerrno>
#include <istream>
#include <streambuf>

#include <fcntl.h>
#include <unistd.h>

namespace temporal_vdb {

namespace {

constexpr const char* format_key = "temporal_vdb_format";
constexpr const char* part_key = "temporal_vdb_part";
constexpr const char* rows_key = "temporal_vdb_rows";
constexpr const char* cols_key = "temporal_vdb_cols";
constexpr const char* marks_key = "temporal_vdb_marks";
constexpr const char* creator_key = "creator";

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::not_a_layer, why); }

/// Some bytes of a file, and no others.
class Section : public std::streambuf {
public:
    Section(const std::string& path, std::uint64_t begin, std::uint64_t end)
        : path_(path), at_(begin), end_(end), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (file_ < 0) fail(errno, "cannot open", path);
    }
    ~Section() override { ::close(file_); }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;

protected:
    int_type underflow() override {
        const auto want = std::min<std::uint64_t>(sizeof buffer_, end_ - at_);
        ssize_t got = 0;
        if (want > 0) {
            do {
                got = ::pread(file_, buffer_, want, static_cast<off_t>(at_));
            } while (got < 0 && errno == EINTR);
            if (got < 0) fail(errno, "cannot read", path_);
        }
        setg(buffer_, buffer_, buffer_ + got);
        at_ += static_cast<std::uint64_t>(got);
        return got == 0 ? traits_type::eof() : traits_type::to_int_type(buffer_[0]);
    }

private:
    std::string path_;
    std::uint64_t at_;
    std::uint64_t end_;
    int file_;
    char buffer_[1 << 16];
};

openvdb::FloatGrid::Ptr read_tree(const std::string& path, const TreeBytes& bytes) {
    Section section(path, bytes.begin, bytes.end);
    std::istream in(&section);
    in.exceptions(std::ios::badbit | std::ios::failbit);
    // What OpenVDB would take from the file's head. From format 222 to 225 trees are alike.
    openvdb::io::setVersion(
        in, {openvdb::OPENVDB_LIBRARY_MAJOR_VERSION, openvdb::OPENVDB_LIBRARY_MINOR_VERSION},
        openvdb::OPENVDB_FILE_VERSION_MULTIPASS_IO);
    openvdb::io::setDataCompression(in, bytes.compression);
    openvdb::io::setHalfFloat(in, bytes.half);
    openvdb::io::setGridClass(in, openvdb::GRID_UNKNOWN);
    openvdb::io::setGridBackgroundValuePtr(in, nullptr);
    auto grid = openvdb::FloatGrid::create(0.0f);
    try {
        grid->tree().readTopology(in, bytes.half);
        grid->tree().readBuffers(in, bytes.half);
    } catch (const std::ios_base::failure&) {
        refuse("the file is damaged or cut off");
    } catch (const openvdb::Exception& error) {
        refuse(std::string("the file is damaged: ") + error.what());
    }
    return grid;
}

}  // namespace

void write_vdb(const TemporalGrid& grid, const Entries& entries, const std::string& path) {
    // Shallow copies: metadata of their own, the trees shared.
    const auto copy = [&](const openvdb::FloatGrid::ConstPtr& original) {
        auto made = openvdb::ConstPtrCast<openvdb::FloatGrid>(original)->copy();
        made->insertMeta(format_key, openvdb::Int32Metadata(vdb_format_version));
        return made;
    };
    const auto deltas = copy(grid.deltas_grid());
    const auto& exact = grid.exact_grid();
    const auto marks = exact ? exact->activeVoxelCount() : 0;
    deltas->insertMeta(rows_key, openvdb::Int32Metadata(grid.rows()));
    deltas->insertMeta(cols_key, openvdb::Int32Metadata(grid.cols()));
    deltas->insertMeta(marks_key, openvdb::Int64Metadata(static_cast<openvdb::Int64>(marks)));
    for (const auto& [key, text] : entries) deltas->insertMeta(key, openvdb::StringMetadata(text));
    openvdb::GridCPtrVec grids{deltas};
    if (exact) {
        const auto companion = copy(exact);
        companion->insertMeta(part_key, openvdb::StringMetadata("marks"));
        if (const auto creator = (*deltas)[creator_key])
            companion->insertMeta(creator_key, *creator);
        grids.push_back(companion);
    }
    save_vdb(grids, path);
}

TemporalGrid read_vdb(const std::string& path, Span<const TreeBytes> trees, const std::string& name,
                      Extent extent, int threads, std::size_t spare_bytes) {
    openvdb::initialize();
    if (trees.size < 1 || trees.size > 2) {
        throw Error(ErrorCode::invalid_argument, "a layer has one tree or two");
    }
    const auto deltas = read_tree(path, trees[0]);
    const auto exact = trees.size > 1 ? read_tree(path, trees[1]) : nullptr;
    return TemporalGrid(deltas, exact, name, extent.rows, extent.cols, extent.last_z, threads,
                        spare_bytes);
}

}  // namespace temporal_vdb
