// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

#include <cstdlib>
#include <functional>
#include <new>

// Every allocation of a call fails once, one after the other: the call says so and has changed
// nothing. On one thread, so that the allocations come in the same order each time; with several,
// TBB makes a few of its own.

namespace {

/// Allocations that still succeed; below 0 all do.
long allocations_left = -1;

void* allocate(std::size_t size) {
    if (allocations_left == 0) {
        allocations_left = -1;  // what cleans up afterwards may allocate again
        throw std::bad_alloc();
    }
    if (allocations_left > 0) --allocations_left;
    if (void* memory = std::malloc(size ? size : 1)) return memory;
    throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return std::malloc(size ? size : 1);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return std::malloc(size ? size : 1);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

constexpr std::int32_t rows = 20;
constexpr std::int32_t cols = 150;

/// A base and slices 1 to 9, some with marks. No leaf is kept, so that inserts have to allocate.
Twin filled(bool slices = true) {
    Random random(7);
    Twin twin(rows, cols, 1, /*spare_bytes=*/0);
    twin.insert_base(random.values(rows, cols, 40));
    for (std::int32_t z = 1; slices && z < 10; ++z) {
        twin.insert_slice(z, random.deltas(rows, cols, 30), random.values(rows, cols, z % 3));
    }
    return twin;
}

/// Makes each allocation of `call` fail in turn, until it gets through.
void fail_everywhere(bool slices, const std::function<void(TemporalGrid&)>& call) {
    int failed = 0;
    for (long survive = 0;; ++survive) {
        Twin twin = filled(slices);
        // OpenVDB's own destructor of a tree allocates, and ends the program when it cannot: the
        // old tree lives on until the call is over.
        const auto old_tree =
            std::const_pointer_cast<openvdb::FloatGrid>(twin.grid.deltas_grid())->treePtr();
        allocations_left = survive;
        bool refused = false;
        try {
            call(twin.grid);
        } catch (const std::bad_alloc&) {
            refused = true;
        }
        const bool all_succeeded = allocations_left >= 0;
        allocations_left = -1;
        if (refused) {
            twin.check();  // still what it was
            ++failed;
        }
        if (all_succeeded) {
            CHECK_FALSE(refused);
            break;
        }
    }
    CHECK(failed > 0);
}

}  // namespace

TEST_CASE("a base for which there is no memory leaves the old one") {
    Random random(8);
    const auto base = random.values(rows, cols, 60);
    fail_everywhere(false, [&](TemporalGrid& grid) { insert_base(grid, base); });
}

TEST_CASE("a slice for which there is no memory is not there") {
    Random random(9);
    const auto deltas = random.deltas(rows, cols, 30);
    const auto marks = random.values(rows, cols, 5);
    fail_everywhere(true, [&](TemporalGrid& grid) { insert_slice(grid, {}, 17, deltas, marks); });
    // The first marks of a layer make the companion grid.
    fail_everywhere(false, [&](TemporalGrid& grid) { insert_slice(grid, {}, 1, deltas, marks); });
}

TEST_CASE("a slice that takes another's place leaves it there when there is no memory") {
    Random random(10);
    const auto deltas = random.deltas(rows, cols, 30);
    const auto marks = random.values(rows, cols, 5);
    const std::vector<ZSpan> fold = {{1, 3}};
    fail_everywhere(true, [&](TemporalGrid& grid) { insert_slice(grid, fold, 3, deltas, marks); });
}

TEST_CASE("an accumulation for which there is no memory adds nothing") {
    Random random(11);
    const auto deltas = random.voxels(rows, cols, 60, [] { return 0.5f; });
    fail_everywhere(true, [&](TemporalGrid& grid) { accumulate(grid, 17, deltas); });
}

TEST_CASE("a fold for which there is no memory folds nothing") {
    const std::vector<ZSpan> spans = {{7, 9}, {1, 2}};
    fail_everywhere(true, [&](TemporalGrid& grid) { fold(grid, spans); });
}

TEST_CASE("a pruning for which there is no memory keeps all") {
    const std::vector<ZSpan> merges = {{3, 4}, {6, 9}};
    fail_everywhere(true, [&](TemporalGrid& grid) { prune(grid, 2, merges); });
    // The first marks of a layer make the companion grid.
    fail_everywhere(false, [&](TemporalGrid& grid) {
        const std::vector<Voxel> there = {{0, 0, 1.0f}, {9, 140, 1e8f}};
        const std::vector<Voxel> back = {{0, 0, 1e-9f}, {9, 140, -1e8f}};
        // Made anew for each failure: what is not pruned is dropped again, so that nothing shows.
        const long left = std::exchange(allocations_left, -1);
        insert_slice(grid, {}, 7, there, {});
        insert_slice(grid, {}, 300, back, {});
        allocations_left = left;
        try {
            prune(grid, 0, std::vector<ZSpan>{{1, 300}});
        } catch (...) {
            CHECK(grid.exact() == nullptr);
            clear(grid, {1, 300});
            throw;
        }
    });
}

TEST_CASE("a clearing for which there is no memory clears nothing") {
    // Without a list of nodes from the call before it: with one, nothing of it can fail.
    fail_everywhere(true, [&](TemporalGrid& grid) {
        grid.deltas_for_writing();
        clear(grid, {2, 8});
    });
}
