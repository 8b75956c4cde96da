// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

openvdb::FloatGrid::Ptr foreign(float background = 0.0f) {
    openvdb::initialize();
    return openvdb::FloatGrid::create(background);
}

TemporalGrid adopt(openvdb::FloatGrid::Ptr deltas, openvdb::FloatGrid::Ptr exact = nullptr,
                   std::int32_t rows = 300, std::int32_t cols = 300, std::int32_t z_limit = 1000,
                   int threads = 2) {
    return {deltas, exact, "layer", rows, cols, z_limit, threads};
}

std::optional<ErrorCode> refusal(openvdb::FloatGrid::Ptr deltas,
                                 openvdb::FloatGrid::Ptr exact = nullptr) {
    const auto error = error_of([&] { adopt(deltas, exact); });
    return error ? std::optional<ErrorCode>(error->code()) : std::nullopt;
}

}  // namespace

TEST_CASE("grids made elsewhere go on as layers") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(71);
        const auto deltas = foreign();
        const auto exact = foreign();
        for (int i = 0; i < 500; ++i) {
            const auto at = openvdb::Coord(static_cast<int>(random.below(300)),
                                           static_cast<int>(random.below(300)),
                                           static_cast<int>(random.below(300)));
            deltas->tree().setValue(at, random.delta());
            if (at.z() > 0 && i % 5 == 0) exact->tree().setValue(at, random.value());
        }
        const Voxels delta_voxels = walk_voxels(&deltas->tree());
        const Voxels exact_voxels = walk_voxels(&exact->tree());
        Twin twin(adopt(deltas, exact, 300, 300, 299, threads));
        CHECK(difference(twin.model.deltas, delta_voxels) == "");
        CHECK(difference(twin.model.marks, exact_voxels) == "");
        CHECK(twin.grid.deltas_grid()->getName() == "layer");
        CHECK(twin.grid.exact_grid()->getName() == "layer.exact");
        twin.check_states({{1, 299}});
        twin.check_slices({0, 1, 2, 100, 299});
        twin.insert_slice(300, random.deltas(300, 300, 50), random.values(300, 300, 5));
        twin.fold({{1, 200}});
        twin.check_states({{201, 300}});
    }
}

TEST_CASE("active tiles become voxels") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const auto deltas = foreign();
        const auto exact = foreign();
        deltas->tree().addTile(1, {8, 16, 0}, 0.5f, true);          // a leaf's worth
        deltas->tree().fill({{120, 3, 5}, {141, 20, 30}}, -0.25f);  // some tiles, some not
        deltas->tree().addTile(1, {0, 0, 64}, 1e-40f, true);
        exact->tree().addTile(1, {8, 0, 8}, float_of(0x80000000), true);
        CHECK(deltas->tree().hasActiveTiles());
        CHECK(exact->tree().hasActiveTiles());
        const auto count = deltas->tree().activeVoxelCount();
        Twin twin(adopt(deltas, exact, 300, 300, 1000, threads));
        CHECK(twin.grid.deltas().activeVoxelCount() == count);
        CHECK(twin.model.marks.size() == 512);
        CHECK(twin.model.deltas.at({7, 7, 71}) == 1e-40f);
        CHECK(twin.model.deltas.at({15, 23, 7}) == 0.5f);
        CHECK(twin.model.deltas.at({141, 20, 30}) == -0.25f);
        twin.check_states({{1, 71}}, {0, 150, 0, 32});
        twin.clear({1, last_z});
        twin.check_states({});
    }
}

TEST_CASE("a tile of a whole lower node becomes voxels") {
    const auto deltas = foreign();
    deltas->tree().addTile(2, {128, 0, 0}, 0.5f, true);
    const TemporalGrid grid = adopt(deltas);
    check_invariants(grid);
    CHECK(grid.deltas().activeVoxelCount() == 128 * 128 * 128);
    CHECK(figures(grid).base_voxels == 128 * 128);
}

// One tile, of 794 bytes in a file, became 134 million leaves.
TEST_CASE("tiles are counted before they become voxels") {
    const auto huge = foreign();
    huge->tree().addTile(3, {0, 0, 0}, 0.5f, true);
    const auto error = error_of([&] { adopt(huge, nullptr, 4096, 4096, 4095); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::not_a_layer);
    CHECK(std::string(error->what()).find("68719476736 voxels") != std::string::npos);
}

TEST_CASE("what is inactive holds 0 afterwards, and what is empty is gone") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const auto deltas = foreign();
        const auto exact = foreign();
        for (const auto& grid : {deltas, exact}) {
            auto& tree = grid->tree();
            tree.setValue({3, 3, 3}, 1.0f);
            tree.setValueOff({3, 3, 4}, 5.0f);
            tree.setValueOff({3, 3, 2}, float_of(0x80000000));
            tree.setValueOff({2, 3, 3}, float_of(0x7f800001));
            tree.setValueOff({100, 100, 100}, 7.0f);  // the only one of its leaf
            tree.touchLeaf({200, 200, 200});          // a leaf, a node, without anything
            tree.touchLeaf({299, 5, 5});
        }
        Twin twin(adopt(deltas, exact, 300, 300, 1000, threads));
        CHECK(twin.model.deltas.size() == 1);
        CHECK(twin.model.marks.size() == 1);
        CHECK(figures(twin.grid).leaves == 2);
        // Garbage must not come back as the start of a sum.
        twin.accumulate(4, {{3, 3, 0.5f}});
        CHECK(twin.model.deltas.at({3, 3, 4}) == 0.5f);
    }
}

TEST_CASE("inactive tiles hold 0 afterwards") {
    const auto deltas = foreign();
    deltas->tree().setValue({3, 3, 3}, 1.0f);
    deltas->tree().addTile(1, {8, 8, 8}, 5.0f, false);
    deltas->tree().addTile(2, {128, 0, 0}, 5.0f, false);
    const TemporalGrid grid = adopt(deltas);
    check_invariants(grid);
    CHECK(bits_of(grid.deltas().getValue({9, 9, 9})) == 0);
    CHECK(bits_of(grid.deltas().getValue({129, 1, 1})) == 0);
}

TEST_CASE("inactive tiles of the root are gone afterwards") {
    const auto deltas = foreign();
    const auto exact = foreign();
    deltas->tree().setValue({3, 3, 3}, 1.0f);
    deltas->tree().addTile(3, {4096, 0, 0}, 5.0f, false);
    exact->tree().addTile(3, {4096, 0, 0}, 5.0f, false);
    const TemporalGrid grid = adopt(deltas, exact);
    check_invariants(grid);
    CHECK(grid.exact() == nullptr);  // there is no mark
}

TEST_CASE("active voxels that change nothing are inactive afterwards") {
    const float minus_zero = float_of(0x80000000);
    const auto deltas = foreign();
    const auto exact = foreign();
    deltas->tree().setValueOn({1, 1, 0}, 0.0f);        // an absent weight
    deltas->tree().setValueOn({1, 2, 0}, minus_zero);  // a weight like any other
    deltas->tree().setValueOn({1, 1, 1}, 0.0f);
    deltas->tree().setValueOn({1, 2, 1}, minus_zero);
    deltas->tree().setValueOn({1, 2, 2}, 1e-45f);
    deltas->tree().addTile(1, {8, 8, 8}, 0.0f, true);
    exact->tree().setValueOn({1, 1, 1}, 0.0f);  // marks hold any bits
    exact->tree().setValueOn({1, 2, 1}, minus_zero);
    const Twin twin(adopt(deltas, exact));
    CHECK(difference(twin.model.deltas, {{{1, 2, 0}, minus_zero}, {{1, 2, 2}, 1e-45f}}) == "");
    CHECK(difference(twin.model.marks, {{{1, 1, 1}, 0.0f}, {{1, 2, 1}, minus_zero}}) == "");
    CHECK(figures(twin.grid).leaves == 2);
}

TEST_CASE("deltas that are not finite are refused") {
    for (const std::uint32_t bits : {0x7f800000u, 0xff800000u, 0x7fc12345u, 0x7f800001u}) {
        CAPTURE(bits);
        const auto delta = foreign();
        delta->tree().setValue({1, 1, 1}, float_of(bits));
        CHECK(refusal(delta) == ErrorCode::not_a_layer);
        // In the base and in marks they are weights.
        const auto base = foreign();
        base->tree().setValue({1, 1, 0}, float_of(bits));
        const auto exact = foreign();
        exact->tree().setValue({1, 1, 1}, float_of(bits));
        CHECK(bits_of(adopt(base, exact).deltas().getValue({1, 1, 0})) == bits);
    }
}

TEST_CASE("a companion without marks is dropped") {
    const auto deltas = foreign();
    deltas->tree().setValue({3, 3, 0}, 1.0f);
    const auto exact = foreign();
    Twin twin(adopt(deltas, exact));
    CHECK(twin.grid.exact() == nullptr);
    const auto touched = foreign();
    touched->tree().touchLeaf({3, 3, 3});
    CHECK(adopt(deltas, touched).exact() == nullptr);
}

TEST_CASE("empty grids are layers") {
    Twin twin(adopt(foreign()));
    CHECK(twin.model.deltas.empty());
    twin.insert_slice(1, {{0, 0, 1.0f}});
    twin.check_states({{1, 1}});
}

TEST_CASE("grids that cannot be layers are refused") {
    const auto good = foreign();
    good->tree().setValue({3, 3, 3}, 1.0f);
    CHECK(refusal(good) == std::nullopt);
    CHECK(refusal(good, good->deepCopy()) == std::nullopt);

    for (const float background : {1.0f, 1e-40f, float_of(0x7fc00000), float_of(0x7f800000)}) {
        CAPTURE(background);
        const auto bad = foreign(background);
        bad->tree().setValue({3, 3, 3}, 2.0f);
        CHECK(refusal(bad) == ErrorCode::not_a_layer);
        CHECK(refusal(good, bad) == ErrorCode::not_a_layer);
    }
    for (const openvdb::Coord& xyz :
         {openvdb::Coord(-1, 0, 0), openvdb::Coord(0, -1, 0), openvdb::Coord(0, 0, -1),
          openvdb::Coord(300, 0, 0), openvdb::Coord(0, 300, 0), openvdb::Coord(0, 0, 1001),
          openvdb::Coord::min(), openvdb::Coord::max()}) {
        CAPTURE(xyz);
        const auto bad = foreign();
        bad->tree().setValue({3, 3, 3}, 1.0f);
        bad->tree().setValue(xyz, 1.0f);
        CHECK(refusal(bad) == ErrorCode::not_a_layer);
        CHECK(refusal(good, bad) == ErrorCode::not_a_layer);
    }
    // The last ones that may be there.
    good->tree().setValue({299, 299, 1000}, 1.0f);
    good->tree().setValue({0, 0, 0}, 1.0f);
    CHECK(refusal(good) == std::nullopt);
    // A tile that reaches beyond the shape.
    const auto tile = foreign();
    tile->tree().addTile(1, {296, 0, 0}, 1.0f, true);
    CHECK(refusal(tile) == ErrorCode::not_a_layer);
}

TEST_CASE("a background of -0.0 does not stay") {
    const auto deltas = foreign(float_of(0x80000000));
    deltas->tree().setValue({3, 3, 3}, 1.0f);
    const auto error = error_of([&] { check_invariants(adopt(deltas)); });
    if (error) CHECK(error->code() == ErrorCode::not_a_layer);  // refusing it would do, too
}
