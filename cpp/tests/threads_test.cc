// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

using namespace temporal_vdb;
using namespace temporal_vdb::test;

// The other tests' layers are small: whatever they ask for, one thread does the work. These are
// large enough to be shared out.

namespace {

constexpr std::int32_t rows = 600;
constexpr std::int32_t cols = 500;

Twin large(int threads) {
    Random random(101);
    Twin twin(rows, cols, threads);
    twin.insert_base(random.values(rows, cols, 15000));
    for (const std::int32_t z : {3, 7, 8, 130}) {
        twin.insert_slice(z, random.deltas(rows, cols, 12000), random.values(rows, cols, 9000));
    }
    return twin;
}

}  // namespace

TEST_CASE("threads share the reading of a large layer") {
    for (const int threads : {1, 2}) {
        CAPTURE(threads);
        const Twin twin = large(threads);
        twin.check_states({{1, 130}});
        twin.check_states({{8, 130}, {1, 7}}, {5, 590, 120, 500});
        twin.check_slices({0, 3, 7, 8, 130});
        CHECK(figures(twin.grid).base_voxels == Model::slice(twin.model.deltas, 0).size());
        CHECK(figures(twin.grid).exact_voxels == twin.model.marks.size());
    }
}

TEST_CASE("threads share the changing of a large layer") {
    for (const int threads : {1, 2}) {
        CAPTURE(threads);
        Random random(103);
        Twin twin = large(threads);
        twin.accumulate(131, random.voxels(rows, cols, 12000, [] { return 0.25f; }));
        auto back = Model::slice(twin.model.deltas, 131);
        for (std::size_t i = 0; i < back.size(); i += 2) back[i].value = -0.25f;
        twin.accumulate(131, back);
        back = Model::slice(twin.model.deltas, 131);
        back[5000 < back.size() ? 5000 : 0].value = std::numeric_limits<float>::infinity();
        twin.accumulate(131, back);  // refused, and nothing changes
        twin.insert_slice(3, random.deltas(rows, cols, 12000), random.values(rows, cols, 9000),
                          {{3, 7}});
        twin.fold({{8, 131}});
        twin.check_states({{1, 3}});
        twin.clear({1, last_z});
        CHECK(twin.grid.exact() == nullptr);
        CHECK(figures(twin.grid).spare_bytes > 0);
        twin.insert_slice(1, random.deltas(rows, cols, 12000));  // of leaves that were emptied
        twin.check_states({{1, 1}});
    }
}

TEST_CASE("threads share the pruning of a large layer") {
    for (const int threads : {1, 2}) {
        CAPTURE(threads);
        Random random(107);
        Twin twin = large(threads);
        twin.insert_slice(200, random.deltas(rows, cols, 12000));
        twin.insert_slice(257, random.deltas(rows, cols, 12000), random.values(rows, cols, 9000));
        twin.check_many_states({{1, 3}, {4, 8}, {9, 300}});
        twin.check_counts({{8, 257}, {1, 7}});
        const auto middle = twin.model.states({{1, 8}});
        const auto latest = twin.model.states({{1, 257}});
        twin.prune(3, {{4, 8}, {9, 257}});
        CHECK(difference(walk_states(twin.grid, {{1, 8}}), middle) == "");
        CHECK(difference(walk_states(twin.grid, {{1, 257}}), latest) == "");
        twin.prune(257, {});
        CHECK(twin.grid.exact() == nullptr);
        twin.check_states({});
    }
}

TEST_CASE("threads share the adopting of a large grid") {
    for (const int threads : {1, 2}) {
        CAPTURE(threads);
        const Twin twin = large(1);
        const auto deltas = openvdb::FloatGrid::create(0.0f);
        deltas->setTree(std::make_shared<openvdb::FloatTree>(twin.grid.deltas()));
        for (auto leaf = deltas->tree().beginLeaf(); leaf; ++leaf) {
            for (openvdb::Index i = 0; i < leaf->size(); i += 7) {
                if (!leaf->isValueOn(i)) leaf->setValueOnly(i, 5.0f);
            }
        }
        const Twin taken(TemporalGrid(deltas, nullptr, "layer", rows, cols, 200, threads));
        CHECK(difference(taken.model.deltas, twin.model.deltas) == "");
    }
}
