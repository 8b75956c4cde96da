// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

#include <algorithm>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

struct Shape {
    std::int32_t rows;
    std::int32_t cols;
};

// One leaf or less, exactly one, one tile or less, exactly one, more than one, one row, one column.
const std::vector<Shape> shapes = {{1, 1},     {7, 9},    {8, 8},    {127, 129}, {128, 128},
                                   {140, 300}, {300, 17}, {1, 1000}, {1000, 1}};

/// Every weight of a shape, the odd values in turn.
std::vector<Voxel> full(std::int32_t rows, std::int32_t cols) {
    std::vector<Voxel> voxels;
    for (std::int32_t row = 0; row < rows; ++row) {
        for (std::int32_t col = 0; col < cols; ++col) {
            voxels.push_back({row, col, odd_values()[voxels.size() % odd_values().size()]});
        }
    }
    return voxels;
}

}  // namespace

TEST_CASE("a base is kept bit for bit") {
    for (const int threads : thread_counts()) {
        for (const Shape shape : shapes) {
            CAPTURE(threads);
            CAPTURE(shape.rows);
            CAPTURE(shape.cols);
            Twin twin(shape.rows, shape.cols, threads);
            twin.check();
            twin.insert_base(full(shape.rows, shape.cols));
            twin.check_states({});
            // Another base takes its place, with nothing left of the first.
            Random random(7);
            twin.insert_base(random.values(shape.rows, shape.cols, 20));
            twin.check_states({});
            twin.insert_base({});
            CHECK(twin.grid.deltas().root().empty());
        }
    }
}

TEST_CASE("slices hold deltas and marks") {
    for (const int threads : thread_counts()) {
        for (const Shape shape : shapes) {
            CAPTURE(threads);
            CAPTURE(shape.rows);
            CAPTURE(shape.cols);
            Random random(11);
            Twin twin(shape.rows, shape.cols, threads);
            twin.insert_base(random.values(shape.rows, shape.cols, 100));
            // Neighbours in a leaf of eight steps, the next leaf, the next node, the last z.
            for (const std::int32_t z : {1, 2, 7, 8, 9, 127, 128, 5000, last_z}) {
                twin.insert_slice(z, random.deltas(shape.rows, shape.cols, 100),
                                  random.values(shape.rows, shape.cols, 10));
            }
            twin.check_states({{1, last_z}});
        }
    }
}

TEST_CASE("every weight of several tiles changes") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(140, 270, threads);
        auto deltas = full(140, 270);
        for (std::size_t i = 0; i < deltas.size(); ++i) {
            deltas[i].value = 0.1f * static_cast<float>(i + 1);
        }
        twin.insert_base(full(140, 270));
        twin.insert_slice(3, deltas, full(140, 270));
        twin.insert_slice(4, deltas);
        twin.check_states({{1, 3}});
        twin.check_states({{1, 4}});
    }
}

TEST_CASE("a slice without voxels makes no nodes") {
    Twin twin(10, 10, 1);
    twin.insert_slice(1, {});
    CHECK(twin.grid.deltas().root().empty());
    twin.insert_slice(2, {}, {{3, 3, float_of(0)}});
    CHECK(twin.grid.deltas().root().empty());
    CHECK(twin.grid.exact() != nullptr);
}

TEST_CASE("an exact mark may hold any bits, those of +0.0 too") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(3, 20, threads);
        std::vector<Voxel> marks, deltas;
        for (std::int32_t i = 0; i < static_cast<std::int32_t>(odd_values().size()); ++i) {
            marks.push_back({1, i, odd_values()[static_cast<std::size_t>(i)]});
            if (i % 2) deltas.push_back({1, i, 5.0f});
        }
        marks.push_back({1, 19, 0.0f});
        twin.insert_base(full(3, 20));
        twin.insert_slice(1, deltas, marks);
        twin.check_states({{1, 1}});
        twin.insert_slice(2, {{1, 0, 1.0f}, {1, 3, 1.0f}, {1, 5, 1.0f}, {1, 19, -0.5f}});
        twin.check_states({{1, 2}});
        twin.check_lives({{1, 0}, {1, 3}, {1, 5}, {1, 19}}, {{1, 2}});
    }
}

TEST_CASE("a ring makes room in the step that needs it") {
    for (const int threads : thread_counts()) {
        for (const std::int32_t slots : {1, 2, 8, 9, 70}) {
            CAPTURE(threads);
            CAPTURE(slots);
            Random random(static_cast<std::uint32_t>(slots));
            Twin twin(20, 140, threads);
            twin.insert_base(random.values(20, 140, 50));
            for (std::int32_t t = 1; t <= slots + slots / 2 + 3; ++t) {
                const std::int32_t z = 1 + (t - 1) % slots;
                const auto deltas = random.deltas(20, 140, 30);
                const auto marks = random.values(20, 140, t % 3 == 0 ? 5 : 0);
                const std::vector<ZSpan> fold =
                    t > slots ? std::vector<ZSpan>{{z, z}} : std::vector<ZSpan>{};
                twin.insert_slice(z, deltas, marks, fold);
                if (slots > 9 && t % 16 != 0) continue;
                // The slots after z are older than those up to z.
                std::vector<ZSpan> spans{{1, z}};
                if (t > slots && z < slots) spans = {{z + 1, slots}, {1, z}};
                twin.check_states(spans);
            }
        }
    }
}

TEST_CASE("a ring may fold more than the slot that it fills") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(3);
        Twin twin(200, 20, threads);
        for (std::int32_t z = 1; z <= 20; ++z) {
            twin.insert_slice(z, random.deltas(200, 20, 40), random.values(200, 20, 4));
        }
        // In time order: 15..=20, then 1..=14. The slot filled is the second one folded.
        const auto before = twin.model.states({{15, 20}, {1, 3}});
        twin.insert_slice(16, random.deltas(200, 20, 40), random.values(200, 20, 4),
                          {{15, 20}, {1, 3}});
        CHECK(difference(twin.model.states({}), before) == "");
        twin.check_states({{4, 14}, {16, 16}});
        // The slot filled is none of those folded; all marks are folded away.
        twin.insert_slice(100, random.deltas(200, 20, 40), {}, {{4, 14}, {16, 16}});
        CHECK(twin.grid.exact() == nullptr);
        twin.check_states({{100, 100}});
        // Only slices without voxels are folded.
        twin.insert_slice(101, random.deltas(200, 20, 4), {}, {{50, 60}});
        twin.check_states({{100, 101}});
    }
}

TEST_CASE("accumulating adds, sets and removes") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(140, 10, threads);
        twin.insert_base({{0, 0, 1.0f}, {5, 5, float_of(0x80000000)}});
        twin.accumulate(1, {{0, 0, 0.5f}, {0, 9, -0.25f}, {139, 9, 1e-40f}});
        CHECK(Model::slice(twin.model.deltas, 1).size() == 3);
        twin.accumulate(1, {{0, 0, 0.1f}, {0, 9, 0.25f}, {7, 7, 2.0f}});
        CHECK(Model::slice(twin.model.deltas, 1).size() == 3);  // (0, 9) cancelled out
        // What is added may itself be 0, of either sign.
        twin.accumulate(1, {{0, 0, 0.0f}, {3, 3, 0.0f}, {3, 4, float_of(0x80000000)}});
        CHECK(Model::slice(twin.model.deltas, 1).size() == 3);
        twin.check_states({{1, 1}});
        // The last ones of their leaf, and of the slice.
        twin.accumulate(1, {{7, 7, -2.0f}, {139, 9, -1e-40f}});
        twin.accumulate(1, {{0, 0, -Model::slice(twin.model.deltas, 1)[0].value}});
        CHECK(Model::slice(twin.model.deltas, 1).empty());
        CHECK(twin.grid.deltas().leafCount() == 1);  // the base
        twin.accumulate(1, {});
        // A slice far away cancels out in the batch that touches it first.
        twin.accumulate(100000, {{0, 0, 0.0f}});
        CHECK(twin.grid.deltas().root().getTableSize() == 1);
    }
}

TEST_CASE("many sums at once") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Random random(5);
        Twin twin(150, 270, threads);
        twin.insert_slice(9, random.deltas(150, 270, 500), random.values(150, 270, 3));
        for (int i = 0; i < 20; ++i) twin.accumulate(9, random.deltas(150, 270, 400));
        std::vector<Voxel> back = Model::slice(twin.model.deltas, 9);
        back.erase(std::remove_if(back.begin(), back.end(),
                                  [&](const Voxel& voxel) { return twin.model.marked(9, voxel); }),
                   back.end());
        CHECK_FALSE(back.empty());
        for (Voxel& voxel : back) voxel.value = -voxel.value;
        twin.accumulate(9, back);
        CHECK(Model::slice(twin.model.deltas, 9).size() <= 3);  // under the marks
    }
}

TEST_CASE("a sum that is not finite is refused, and nothing changes") {
    const float most = std::numeric_limits<float>::max();
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(20, 200, threads);
        twin.insert_slice(4, {{2, 3, most}, {19, 199, -most}});
        const auto refused = [&](const std::vector<Voxel>& voxels, Weight blamed) {
            const auto before = figures(twin.grid);
            const auto error = error_of([&] { accumulate(twin.grid, 4, voxels); });
            REQUIRE(error);
            CHECK(error->code() == ErrorCode::not_finite);
            CHECK(error->row() == blamed.first);
            CHECK(error->col() == blamed.second);
            CHECK_FALSE(std::isfinite(error->value()));
            twin.check();
            CHECK(figures(twin.grid).leaves == before.leaves);
        };
        refused({{0, 0, 1.0f}, {2, 3, most}, {19, 0, 1.0f}}, {2, 3});
        refused({{0, 100, 1.0f}, {19, 199, -most}}, {19, 199});
        refused({{0, 0, float_of(0x7fc12345)}}, {0, 0});
        refused({{0, 0, 1.0f}, {9, 9, float_of(0x7f800000)}}, {9, 9});
        // Just inside.
        twin.accumulate(4, {{2, 3, 1.0f}, {19, 199, most}});
    }
}

TEST_CASE("accumulating onto an exact mark is refused, and nothing changes") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        Twin twin(20, 200, threads);
        twin.insert_slice(4, {{2, 3, 1.0f}}, {{2, 3, 7.0f}, {19, 199, float_of(0x7fc12345)}});
        for (const Weight& marked : {Weight{2, 3}, Weight{19, 199}}) {
            const auto error = error_of([&] {
                accumulate(twin.grid, 4,
                           std::vector<Voxel>{{0, 0, 1.0f}, {marked.first, marked.second, 1.0f}});
            });
            REQUIRE(error);
            CHECK(error->code() == ErrorCode::exact_mark);
            CHECK(error->row() == marked.first);
            CHECK(error->col() == marked.second);
            twin.check();
        }
        // A mark blocks its own slice only.
        twin.accumulate(3, {{2, 3, 1.0f}});
        twin.accumulate(5, {{2, 3, 1.0f}});
        twin.accumulate(4, {{2, 4, 1.0f}});
        twin.check_states({{1, 5}});
    }
}

TEST_CASE("one gradient at a time") {
    Twin twin(9, 9, 1);
    for (int i = 0; i < 10; ++i) {
        accumulate_temporal_gradient(twin.grid, 8, 7, 0.1f, 3);
        twin.model.accumulate(3, {{8, 7, 0.1f}});
        twin.check();
    }
    CHECK(twin.grid.deltas().getValue(to_3d(8, 7, 3)) != 1.0f);  // summed up in binary32
    const auto error = error_of([&] { accumulate_temporal_gradient(twin.grid, 9, 0, 1.0f, 3); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::invalid_argument);
    twin.check();
}

TEST_CASE("a batch that is not ascending or leaves the shape is refused, and nothing changes") {
    Twin twin(10, 200, 2);
    Random random(1);
    twin.insert_base(random.values(10, 200, 30));
    twin.insert_slice(1, random.deltas(10, 200, 30), random.values(10, 200, 3));
    const auto min = std::numeric_limits<std::int32_t>::min();
    const auto max = std::numeric_limits<std::int32_t>::max();
    struct Bad {
        std::vector<Voxel> voxels;
        const char* named;
    };
    const std::vector<Bad> batches = {
        {{{-1, 0, 1.0f}}, "(-1, 0)"},
        {{{0, -1, 1.0f}}, "(0, -1)"},
        {{{10, 0, 1.0f}}, "(10, 0)"},
        {{{9, 200, 1.0f}}, "(9, 200)"},
        {{{min, 0, 1.0f}}, "(-2147483648, 0)"},
        {{{0, max, 1.0f}}, "(0, 2147483647)"},
        {{{0, 0, 1.0f}, {9, 199, 1.0f}, {10, 0, 1.0f}}, "(10, 0)"},
        {{{3, 4, 1.0f}, {3, 4, 1.0f}}, "(3, 4)"},
        {{{3, 4, 1.0f}, {3, 3, 1.0f}}, "(3, 3)"},
        {{{0, 150, 1.0f}, {1, 3, 1.0f}, {0, 151, 1.0f}}, "(0, 151)"},
        {{{8, 0, 1.0f}, {7, 0, 1.0f}}, "(7, 0)"},
    };
    const std::vector<Voxel> good{{0, 0, 1.0f}};
    const std::vector<ZSpan> fold{{1, 1}};
    const auto before = figures(twin.grid);
    for (const Bad& bad : batches) {
        CAPTURE(bad.named);
        const auto refused = [&](const auto& call) {
            const auto error = error_of(call);
            REQUIRE(error);
            CHECK(error->code() == ErrorCode::invalid_argument);
            CHECK(std::string(error->what()).find(bad.named) != std::string::npos);
            twin.check();
            CHECK(figures(twin.grid).memory_bytes == before.memory_bytes);
        };
        refused([&] { insert_base(twin.grid, bad.voxels); });
        refused([&] { insert_slice(twin.grid, {}, 2, bad.voxels, {}); });
        refused([&] { insert_slice(twin.grid, {}, 2, good, bad.voxels); });
        refused([&] { insert_slice(twin.grid, fold, 1, bad.voxels, {}); });
        refused([&] { insert_slice(twin.grid, fold, 1, good, bad.voxels); });
        refused([&] { accumulate(twin.grid, 1, bad.voxels); });
    }
}

TEST_CASE("a layer has at least one weight") {
    for (const Shape shape : {Shape{0, 1}, Shape{1, 0}, Shape{-1, 5}, Shape{5, -1}}) {
        const auto error = error_of([&] { TemporalGrid("layer", shape.rows, shape.cols, 1); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::invalid_argument);
    }
}

// A tile's far edge is 2^31 there, which no 32 bit coordinate can say.
TEST_CASE("the last row of the largest layer") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const std::int32_t most = std::numeric_limits<std::int32_t>::max();
        Twin twin(most, 2, threads);
        twin.insert_base({{0, 0, 1.0f}, {most - 1, 1, 2.0f}});
        twin.insert_slice(1, {{most - 1, 0, 0.5f}, {most - 1, 1, 0.5f}}, {{most - 2, 0, 3.0f}});
        twin.accumulate(1, {{most - 1, 1, 0.25f}});
        twin.check_states({{1, 1}}, {most - 3, most, 0, 2});
        twin.check_slices({0, 1});
        twin.check_lives({{most - 1, 1}, {most - 2, 0}}, {{1, 1}});
        twin.fold({{1, 1}});
        twin.check_states({}, {most - 200, most, 0, 2});
    }
}

TEST_CASE("the last column of the largest layer") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const std::int32_t most = std::numeric_limits<std::int32_t>::max();
        Twin twin(2, most, threads);
        twin.insert_base({{0, 0, 1.0f}, {1, most - 1, 2.0f}});
        twin.insert_slice(1, {{0, most - 1, 0.5f}, {1, most - 1, 0.5f}}, {{0, most - 2, 3.0f}});
        twin.accumulate(1, {{1, most - 1, 0.25f}});
        twin.check_states({{1, 1}}, {0, 2, most - 3, most});
        twin.check_slices({0, 1});
        twin.check_lives({{1, most - 1}, {0, most - 2}}, {{1, 1}});
        twin.fold({{1, 1}});
        twin.check_states({}, {0, 2, most - 200, most});
    }
}
