// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <openvdb/openvdb.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace temporal_vdb {

/// Emptied leaves, kept for the next insert. A leaf is 2 KB of fresh pages, and the page faults
/// are most of what scattered inserts cost; a ring or a rollback empties as many as it refills.
///
/// Every leaf in here has all voxels inactive and 0.
class LeafPool {
public:
    using Leaf = openvdb::FloatTree::LeafNodeType;

    explicit LeafPool(std::size_t limit_bytes) : limit_(limit_bytes / leaf_bytes) {}

    /// What one leaf costs: its 512 floats and its node.
    static constexpr std::size_t leaf_bytes = sizeof(Leaf) + 512 * sizeof(float);

    std::size_t bytes() const { return leaves_.size() * leaf_bytes; }

    /// Takes over a task's emptied leaves; those beyond the limit, or for which there is no memory
    /// to remember them, are freed.
    void give(std::vector<std::unique_ptr<Leaf>> leaves) noexcept {
        const std::lock_guard<std::mutex> lock(mutex_);
        const std::size_t room = limit_ - std::min(limit_, leaves_.size());
        try {
            for (std::size_t i = 0; i < leaves.size() && i < room; ++i) {
                leaves_.push_back(std::move(leaves[i]));
            }
        } catch (const std::bad_alloc&) {
        }
    }

    /// One task's way to the pool: fetches some leaves at a time and brings the rest back.
    class Share {
    public:
        explicit Share(LeafPool& pool) : pool_(pool) {}
        ~Share() {
            if (!leaves_.empty()) pool_.give(std::move(leaves_));
        }
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;

        /// A leaf with all voxels inactive and 0, at `xyz`.
        Leaf* take(const openvdb::Coord& xyz) {
            if (leaves_.empty()) fetch();
            if (leaves_.empty()) return new Leaf(xyz, 0.0f, false);
            Leaf* leaf = leaves_.back().release();
            leaves_.pop_back();
            leaf->setOrigin(xyz & ~7);
            return leaf;
        }

    private:
        void fetch() {
            constexpr std::size_t some = 64;
            const std::lock_guard<std::mutex> lock(pool_.mutex_);
            auto& all = pool_.leaves_;
            const std::size_t count = std::min(some, all.size());
            leaves_.reserve(some);
            std::move(all.end() - count, all.end(), std::back_inserter(leaves_));
            all.resize(all.size() - count);
        }

        LeafPool& pool_;
        std::vector<std::unique_ptr<Leaf>> leaves_;
    };

private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Leaf>> leaves_;
    std::size_t limit_;
};

}  // namespace temporal_vdb
