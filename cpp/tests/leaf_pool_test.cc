// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

#include <temporal_vdb/leaf_pool.h>

#include <algorithm>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

std::vector<std::unique_ptr<LeafPool::Leaf>> leaves(std::size_t count) {
    std::vector<std::unique_ptr<LeafPool::Leaf>> made;
    for (std::size_t i = 0; i < count; ++i) {
        made.push_back(std::make_unique<LeafPool::Leaf>(openvdb::Coord(8, 8, 8), 0.0f, false));
    }
    return made;
}

bool clean(const LeafPool::Leaf& leaf) {
    for (openvdb::Index i = 0; i < LeafPool::Leaf::SIZE; ++i) {
        if (leaf.isValueOn(i) || bits_of(leaf.getValue(i)) != 0) return false;
    }
    return true;
}

/// A voxel in each of `count` leaves of one slice.
std::vector<Voxel> scattered(std::int32_t count, float value) {
    std::vector<Voxel> voxels;
    for (std::int32_t i = 0; i < count; ++i) voxels.push_back({8 * (i / 10), 8 * (i % 10), value});
    std::sort(voxels.begin(), voxels.end(), [](const Voxel& a, const Voxel& b) {
        return std::tie(a.row, a.col) < std::tie(b.row, b.col);
    });
    return voxels;
}

}  // namespace

TEST_CASE("a pool keeps leaves up to its limit and gives them out again") {
    LeafPool pool(100 * LeafPool::leaf_bytes + 17);
    CHECK(pool.bytes() == 0);
    auto given = leaves(90);
    std::set<const LeafPool::Leaf*> known;
    for (const auto& leaf : given) known.insert(leaf.get());
    pool.give(std::move(given));
    CHECK(pool.bytes() == 90 * LeafPool::leaf_bytes);
    pool.give(leaves(30));
    CHECK(pool.bytes() == 100 * LeafPool::leaf_bytes);
    pool.give({});
    {
        LeafPool::Share share(pool);
        CHECK(pool.bytes() == 100 * LeafPool::leaf_bytes);
        std::size_t reused = 0;
        for (int i = 0; i < 150; ++i) {
            const openvdb::Coord xyz(i, 1000 + 3 * i, 70000);
            const std::unique_ptr<LeafPool::Leaf> leaf(share.take(xyz));
            CHECK(leaf->origin() == openvdb::Coord(xyz & ~7));
            CHECK(clean(*leaf));
            reused += known.erase(leaf.get());
        }
        CHECK(reused == 90);
        CHECK(pool.bytes() == 0);
    }
    CHECK(pool.bytes() == 0);
    pool.give(leaves(10));
    {
        LeafPool::Share share(pool);
        const std::unique_ptr<LeafPool::Leaf> leaf(share.take({0, 0, 0}));
        CHECK(clean(*leaf));
    }
    CHECK(pool.bytes() == 9 * LeafPool::leaf_bytes);  // what was not taken is back
}

TEST_CASE("a pool without room keeps nothing") {
    LeafPool pool(LeafPool::leaf_bytes - 1);
    pool.give(leaves(3));
    CHECK(pool.bytes() == 0);
    LeafPool::Share share(pool);
    const std::unique_ptr<LeafPool::Leaf> leaf(share.take({9, 9, 9}));
    CHECK(leaf->origin() == openvdb::Coord(8, 8, 8));
}

TEST_CASE("what one slice leaves behind serves the next") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(400, 80, threads);
        // Threads fetch ahead of each other, so only alone does the pool give all that it can.
        const auto check_spare = [&](std::uint64_t wanted) {
            const auto spare = figures(twin.grid).spare_bytes;
            CHECK(spare % LeafPool::leaf_bytes == 0);
            CHECK(spare >= wanted * LeafPool::leaf_bytes);
            if (threads == 1) CHECK(spare == wanted * LeafPool::leaf_bytes);
        };
        twin.insert_slice(1, scattered(100, 0.3f), {{0, 0, 7.0f}});
        CHECK(figures(twin.grid).spare_bytes == 0);
        twin.clear({1, 1});
        CHECK(figures(twin.grid).spare_bytes == 101 * LeafPool::leaf_bytes);  // the mark's as well
        twin.insert_slice(9, scattered(60, float_of(0x7f)));
        check_spare(41);
        twin.accumulate(17, scattered(30, 0.5f));
        check_spare(11);
        twin.accumulate(17, scattered(30, -0.5f));
        check_spare(41);
        // A ring: the folded slice's leaves are filled again, the base gets new ones.
        twin.insert_slice(9, scattered(60, 0.5f), {}, {{9, 9}});
        check_spare(0);
        twin.insert_slice(17, scattered(10, 0.5f), {}, {{9, 9}});
        check_spare(60);
        twin.check_states({{17, 17}});
    }
}

TEST_CASE("a grid keeps no more spare leaves than it may") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        for (const std::size_t limit : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
            CAPTURE(limit);
            Twin twin(400, 80, threads, limit * LeafPool::leaf_bytes);
            twin.insert_slice(1, scattered(100, 0.3f));
            twin.clear({1, 1});
            CHECK(figures(twin.grid).spare_bytes == limit * LeafPool::leaf_bytes);
            twin.insert_slice(1, scattered(100, 0.3f));
            if (threads == 1) CHECK(figures(twin.grid).spare_bytes == 0);
            twin.insert_slice(17, scattered(100, 0.3f), {}, {{1, 1}});
            CHECK(figures(twin.grid).spare_bytes <= limit * LeafPool::leaf_bytes);
        }
    }
}
