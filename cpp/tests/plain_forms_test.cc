// SPDX-License-Identifier: MIT OR Apache-2.0
#include "folder.h"
#include "twin.h"

#include <temporal_vdb/vdb_file.h>

#include <openvdb/io/File.h>
#include <openvdb/tools/Count.h>
#include <openvdb/tools/Prune.h>
#include <openvdb/tools/ValueTransformer.h>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

// Each kernel against what OpenVDB's documentation would have one write: accessors, iterators over
// values, and tools. Both start from the same layer, and both trees have to be the same afterwards:
// the same nodes, the same active voxels, the same bits.

namespace {

using Tree = TemporalGrid::Tree;
using Accessor = openvdb::tree::ValueAccessor<Tree>;

constexpr std::int32_t rows = 150;
constexpr std::int32_t cols = 270;
constexpr std::int32_t last = 130;

TemporalGrid filled(int threads) {
    Random random(71);
    TemporalGrid grid("layer", rows, cols, threads);
    insert_base(grid, random.values(rows, cols, 900));
    for (const std::int32_t z : {1, 2, 7, 8, 9, 20, 127, 128, last}) {
        insert_slice(grid, {}, z, random.deltas(rows, cols, 700),
                     random.values(rows, cols, z % 2 ? 0 : 60));
    }
    return grid;
}

/// Copies of a grid's trees for the plain form to work on, the marks' empty where there are none.
struct Trees {
    Tree deltas;
    Tree exact;

    explicit Trees(const TemporalGrid& grid)
        : deltas(grid.deltas()), exact(grid.exact() ? Tree(*grid.exact()) : Tree(0.0f)) {}
};

std::string tree_difference(const Tree& got, const Tree& wanted) {
    if (!got.hasSameTopology(wanted)) return "other nodes or other active voxels";
    return difference(walk_voxels(&got), walk_voxels(&wanted));
}

void check_same(const TemporalGrid& got, const Trees& wanted) {
    CHECK(tree_difference(got.deltas(), wanted.deltas) == "");
    CHECK((got.exact() ? tree_difference(*got.exact(), wanted.exact)
                       : std::string(wanted.exact.empty() ? "" : "no marks")) == "");
}

/// Switches off every voxel that has a z in `span`, through the iterator that found it.
void switch_off(Tree& tree, ZSpan span) {
    openvdb::tools::foreach (tree.beginValueOn(), [span](const Tree::ValueOnIter& voxel) {
        const std::int32_t z = voxel.getCoord().z();
        if (z < span.first || z > span.last) return;
        voxel.setValue(0.0f);
        voxel.setValueOff();
    });
}

void clean_up(Trees& trees) {
    openvdb::tools::pruneInactive(trees.deltas);
    openvdb::tools::pruneInactive(trees.exact);
}

void switch_off(Trees& trees, ZSpan span) {
    switch_off(trees.deltas, span);
    switch_off(trees.exact, span);
}

/// Sets the base to the states given, weight by weight.
void set_base(Tree& tree, const States& states) {
    switch_off(tree, {0, 0});
    Accessor accessor(tree);
    for (const auto& [weight, value] : states) {
        accessor.setValueOn(to_3d(weight.first, weight.second), value);
    }
}

}  // namespace

TEST_CASE("accumulating is adding through an accessor") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        TemporalGrid grid = filled(threads);
        Random random(73);
        const auto voxels =
            random.voxels(rows, cols, 900, [&] { return random.once_in(2) ? 0.25f : -0.25f; });
        for (const std::int32_t z : {last + 1, last + 1, last + 1, last + 9}) {
            Trees plain(grid);
            Accessor accessor(plain.deltas);
            for (const Voxel& voxel : voxels) {
                const auto xyz = to_3d(voxel.row, voxel.col, z);
                const float sum = accessor.getValue(xyz) + voxel.value;
                accessor.setValue(xyz, sum);
                if (sum == 0.0f) accessor.setValueOff(xyz, 0.0f);
            }
            clean_up(plain);
            accumulate(grid, z, voxels);
            check_same(grid, plain);
        }
        // The same the other way round, up to where all sums are 0.
        auto back = delta_slices(grid, std::vector<std::int32_t>{last + 1}).voxels;
        for (Voxel& voxel : back) voxel.value = -voxel.value;
        Trees plain(grid);
        switch_off(plain, {last + 1, last + 1});
        clean_up(plain);
        accumulate(grid, last + 1, back);
        check_same(grid, plain);
    }
}

TEST_CASE("a state is a sum over the active voxels") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const TemporalGrid grid = filled(threads);
        for (const std::int32_t t : {1, 8, 20, 127, 128, last}) {
            CAPTURE(t);
            const SparseState state =
                sparse_state(grid, std::vector<ZSpan>{{1, t}}, {0, rows, 0, cols});
            States got;
            for (std::int32_t row = 0; row < rows; ++row) {
                const auto at = static_cast<std::size_t>(row);
                for (auto i = state.row_offsets[at]; i < state.row_offsets[at + 1]; ++i) {
                    got[{row, state.cols[i]}] = state.values[i];
                }
            }
            CHECK(difference(got, walk_states(grid, {{1, t}})) == "");
        }
    }
}

TEST_CASE("folding is setting the base to a state") {
    for (const int threads : thread_counts()) {
        for (const ZSpan span : {ZSpan{1, 1}, ZSpan{1, 8}, ZSpan{1, 128}, ZSpan{1, last_z}}) {
            CAPTURE(threads);
            CAPTURE(span.last);
            TemporalGrid grid = filled(threads);
            Trees plain(grid);
            set_base(plain.deltas, walk_states(grid, {span}));
            switch_off(plain, span);
            clean_up(plain);
            fold(grid, {&span, 1});
            check_same(grid, plain);
        }
    }
}

TEST_CASE("merging is setting a slice to what leads from one state to the next") {
    for (const int threads : thread_counts()) {
        for (const ZSpan span : {ZSpan{2, 7}, ZSpan{3, 9}, ZSpan{21, last}}) {
            CAPTURE(threads);
            CAPTURE(span.first);
            TemporalGrid grid = filled(threads);
            const States before = walk_states(grid, {{1, span.first - 1}});
            const States after = walk_states(grid, {{1, span.last}});
            Trees plain(grid);
            switch_off(plain, span);
            Accessor deltas(plain.deltas), exact(plain.exact);
            std::set<Weight> weights;
            for (const States* states : {&before, &after}) {
                for (const auto& entry : *states) weights.insert(entry.first);
            }
            for (const Weight& weight : weights) {
                const auto value = [&](const States& states) {
                    const auto at = states.find(weight);
                    return at == states.end() ? 0.0f : at->second;
                };
                const float from = value(before), to = value(after), delta = to - from;
                if (bits_of(from) == bits_of(to)) continue;
                const auto xyz = to_3d(weight.first, weight.second, span.last);
                const bool adds = std::isfinite(delta) && delta != 0.0f;
                if (adds) deltas.setValue(xyz, delta);
                const bool lands = adds && std::isfinite(from) && std::isfinite(to) &&
                                   bits_of(from + delta) == bits_of(to);
                if (!lands) exact.setValue(xyz, to);
            }
            clean_up(plain);
            prune(grid, 0, {&span, 1});
            check_same(grid, plain);
        }
    }
}

TEST_CASE("pruning to a new base is folding") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        TemporalGrid grid = filled(threads);
        Trees plain(grid);
        set_base(plain.deltas, walk_states(grid, {{1, 8}}));
        switch_off(plain, {1, 8});
        clean_up(plain);
        const auto bytes = [](const Trees& trees) {
            return openvdb::tools::memUsage(trees.deltas) + openvdb::tools::memUsage(trees.exact);
        };
        const auto growth = growth_by_prune(grid, 8, {});
        CHECK(static_cast<std::int64_t>(bytes(plain)) -
                  static_cast<std::int64_t>(bytes(Trees(grid))) ==
              growth);
        prune(grid, 8, {});
        check_same(grid, plain);
    }
}

TEST_CASE("clearing is switching off, and pruneInactive") {
    for (const int threads : thread_counts()) {
        for (const ZSpan span : {ZSpan{2, 2}, ZSpan{8, 127}, ZSpan{128, last_z}, ZSpan{1, last}}) {
            CAPTURE(threads);
            CAPTURE(span.first);
            TemporalGrid grid = filled(threads);
            Trees plain(grid);
            switch_off(plain, span);
            clean_up(plain);
            clear(grid, span);
            check_same(grid, plain);
            CHECK(openvdb::tools::countInactiveLeafVoxels(grid.deltas()) +
                      openvdb::tools::countActiveLeafVoxels(grid.deltas()) ==
                  TemporalGrid::Leaf::SIZE * grid.deltas().leafCount());
        }
    }
}

TEST_CASE("figures are what tools count") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const TemporalGrid grid = filled(threads);
        const Figures got = figures(grid);
        CHECK(got.base_voxels + got.delta_voxels ==
              openvdb::tools::countActiveVoxels(grid.deltas()));
        CHECK(got.exact_voxels == openvdb::tools::countActiveVoxels(*grid.exact()));
        CHECK(openvdb::tools::countActiveTiles(grid.deltas()) == 0);
    }
}

TEST_CASE("slices and counts are what an iterator over values meets") {
    for (const int threads : thread_counts()) {
        CAPTURE(threads);
        const TemporalGrid grid = filled(threads);
        const std::vector<std::int32_t> zs = {0, 1, 8, 128};
        std::map<std::int32_t, std::map<Weight, float>> met;
        std::vector<std::uint32_t> counts(std::size_t{rows} * cols), counted(counts.size());
        for (auto voxel = grid.deltas().cbeginValueOn(); voxel; ++voxel) {
            const auto xyz = voxel.getCoord();
            met[xyz.z()][{xyz.x(), xyz.y()}] = *voxel;
            if (xyz.z() > 0) ++counts[static_cast<std::size_t>(xyz.x()) * cols + xyz.y()];
        }
        for (auto mark = grid.exact()->cbeginValueOn(); mark; ++mark) {
            const auto xyz = mark.getCoord();
            if (grid.deltas().isValueOn(xyz)) continue;
            ++counts[static_cast<std::size_t>(xyz.x()) * cols + xyz.y()];
        }
        const Slices got = delta_slices(grid, zs);
        for (std::size_t i = 0; i < zs.size(); ++i) {
            CAPTURE(zs[i]);
            std::map<Weight, float> slice;
            for (auto at = got.offsets[i]; at < got.offsets[i + 1]; ++at) {
                slice[{got.voxels[at].row, got.voxels[at].col}] = got.voxels[at].value;
            }
            CHECK(difference(slice, met[zs[i]]) == "");
        }
        change_counts(grid, std::vector<ZSpan>{{1, last}}, {counted.data(), counted.size()});
        CHECK(counts == counted);
    }
}

TEST_CASE("an exported file is one that io::File reads") {
    const Folder folder;
    const TemporalGrid grid = filled(2);
    const auto path = folder.path("layer.vdb");
    write_vdb(grid, {}, path);
    openvdb::io::File file(path);
    file.open(/*delayLoad=*/false);
    const auto read = [&](const std::string& name) {
        return openvdb::gridPtrCast<openvdb::FloatGrid>(file.readGrid(name));
    };
    CHECK(tree_difference(read("layer")->tree(), grid.deltas()) == "");
    CHECK(tree_difference(read("layer.exact")->tree(), *grid.exact()) == "");
    file.close();
}
