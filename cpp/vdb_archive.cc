// SPDX-License-Identifier: MIT OR Apache-2.0
#include "vdb_archive.h"

#include <temporal_vdb/error.h>

#include <openvdb/io/Archive.h>
#include <openvdb/io/Compression.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

namespace temporal_vdb {

void fail(int number, const std::string& doing, const std::string& path) {
    throw Error::os(number, doing + " " + path + ": " + std::strerror(number));
}

namespace {

/// Writes grids to a stream of ours. io::File would open the file itself and never look at the
/// stream's state, so a full disk would pass unnoticed.
class StreamArchive : public openvdb::io::Archive {
public:
    void save(std::ostream& out, const openvdb::GridCPtrVec& grids) const {
        Archive::write(out, grids, /*seekable=*/true);
        // OpenVDB 13 numbers its files 225, for the half grids that they may hold since then; of
        // float grids both have the same bytes. Older readers warn of 225, and some refuse it.
        constexpr std::uint32_t format = openvdb::OPENVDB_FILE_VERSION_MULTIPASS_IO;
        static_assert(format == 224 && openvdb::OPENVDB_FILE_VERSION <= format + 1,
                      "what else a newer format changes has not been looked at");
        out.seekp(sizeof(std::int64_t));  // behind the magic number
        out.write(reinterpret_cast<const char*>(&format), sizeof format);
    }
};

/// A file that is not there yet: removed again unless it gets its name.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::string& target) {
        static std::atomic<unsigned> count{0};
        int fd = -1;
        do {
            path_ = target + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(++count);
            fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        } while (fd < 0 && errno == EEXIST);
        if (fd < 0) {
            const int number = errno;
            path_.clear();
            fail(number, "cannot create a file beside", target);
        }
        ::close(fd);
    }
    ~TemporaryFile() {
        if (!path_.empty()) std::remove(path_.c_str());
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const std::string& path() const { return path_; }

    /// Syncs the file, gives it its name, and syncs the folder.
    void rename_to(const std::string& target) {
        sync(path_, target);
        if (std::rename(path_.c_str(), target.c_str()) != 0) fail(errno, "cannot replace", target);
        path_.clear();
        const auto slash = target.rfind('/');
        sync(slash == std::string::npos ? "." : target.substr(0, slash + 1), target);
    }

private:
    static void sync(const std::string& path, const std::string& target) {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        const bool synced = fd >= 0 && ::fsync(fd) == 0;
        const int number = errno;
        if (fd >= 0) ::close(fd);
        if (!synced) fail(number, "cannot sync", target);
    }

    std::string path_;
};

}  // namespace

void save_vdb(const openvdb::GridCPtrVec& grids, const std::string& path) {
    StreamArchive archive;
    archive.setCompression(openvdb::io::COMPRESS_ACTIVE_MASK |
                           (openvdb::io::Archive::hasBloscCompression()
                                ? openvdb::io::COMPRESS_BLOSC
                                : openvdb::io::COMPRESS_NONE));

    TemporaryFile temporary(path);
    std::ofstream out(temporary.path(), std::ios::binary | std::ios::trunc);
    if (!out) fail(errno, "cannot write", path);
    out.exceptions(std::ios::badbit | std::ios::failbit);
    try {
        errno = 0;
        archive.save(out, grids);
        out.close();
    } catch (const std::ios_base::failure&) {
        fail(errno ? errno : EIO, "cannot write", path);
    }
    temporary.rename_to(path);
}

}  // namespace temporal_vdb
