// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

using namespace temporal_vdb;
using namespace temporal_vdb::test;

// A registered ValueAccessor remembers the leaf that it read last, and OpenVDB tells it when nodes
// are deleted. The kernels do not delete a leaf that they empty: it goes into the pool, and from
// there to another place of the tree. So an accessor that had read a leaf before a slice was
// dropped and another one inserted read the other slice's values as the old one's: at (0, 0, 1)
// what is at (0, 0, 9). Now every kernel that adds nodes or takes them out clears the accessors of
// its trees.

namespace {

using Accessor = openvdb::tree::ValueAccessor<const TemporalGrid::Tree>;

/// What the accessor says of a place is what the tree says, which looks it up.
void check_same(const Accessor& accessor, const openvdb::Coord& xyz) {
    CHECK(bits_of(accessor.getValue(xyz)) == bits_of(accessor.tree().getValue(xyz)));
    CHECK(accessor.isValueOn(xyz) == accessor.tree().isValueOn(xyz));
}

const openvdb::Coord first = to_3d(0, 0, 1);

/// A layer whose slice 1 has one voxel, at `first`, and an accessor that has just read it.
struct Story {
    Twin twin;
    Accessor accessor;

    Story() : twin(20, 20, 1), accessor(before()) { CHECK(accessor.getValue(first) == 2.0f); }

    /// All that is left of the leaf is in the pool; these make another leaf of it.
    void check_other_leaf() {
        check_same(accessor, first);
        twin.insert_slice(9, {{0, 0, 5.0f}});
        CHECK(twin.grid.pool().bytes() == 0);
        CHECK(accessor.getValue(first) == 0.0f);
        check_same(accessor, first);
        check_same(accessor, to_3d(0, 0, 9));
    }

private:
    const TemporalGrid::Tree& before() {
        twin.insert_slice(1, {{0, 0, 2.0f}});
        return twin.grid.deltas();
    }
};

}  // namespace

TEST_CASE("an accessor reads the place that it is asked for after a leaf was emptied and reused") {
    Story story;
    story.twin.clear({1, 1});
    story.check_other_leaf();
}

TEST_CASE("an accessor reads right after a sum of 0 has emptied a leaf") {
    Story story;
    story.twin.accumulate(1, {{0, 0, -2.0f}});
    story.check_other_leaf();
}

TEST_CASE("an accessor reads right after a pruning has emptied a leaf") {
    Story story;
    story.twin.insert_slice(2, {{0, 0, -2.0f}});
    check_same(story.accessor, first);
    story.twin.prune(0, {{1, 2}});
    story.check_other_leaf();
}

TEST_CASE("an accessor reads right after a fold, and in a ring that turns") {
    Twin twin(20, 20, 1);
    twin.insert_slice(9, {{0, 0, 2.0f}});
    const Accessor accessor(twin.grid.deltas());
    CHECK(accessor.getValue(to_3d(0, 0, 9)) == 2.0f);
    twin.fold({{9, 9}});
    check_same(accessor, to_3d(0, 0, 9));
    twin.insert_slice(17, {{0, 0, 3.0f}});
    check_same(accessor, to_3d(0, 0, 9));
    CHECK(accessor.getValue(to_3d(0, 0, 17)) == 3.0f);
    twin.insert_slice(9, {{0, 0, 4.0f}}, {}, {{17, 17}});
    for (const std::int32_t z : {0, 9, 17}) check_same(accessor, to_3d(0, 0, z));
}

TEST_CASE("an accessor of the marks reads right, as long as there are marks") {
    Twin twin(20, 20, 1);
    twin.insert_slice(1, {}, {{0, 0, 2.0f}});
    twin.insert_slice(20, {}, {{0, 0, 7.0f}});
    const Accessor accessor(*twin.grid.exact());
    CHECK(accessor.getValue(first) == 2.0f);
    twin.clear({1, 1});
    twin.insert_slice(9, {}, {{0, 0, 5.0f}});
    CHECK(accessor.getValue(first) == 0.0f);
    check_same(accessor, to_3d(0, 0, 9));
}
