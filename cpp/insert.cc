// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/insert.h>

#include <temporal_vdb/error.h>
#include <temporal_vdb/fold.h>

#include "batch.h"
#include "folding.h"
#include "presence.h"

#include <atomic>
#include <cmath>
#include <optional>

namespace temporal_vdb {

namespace {

/// What a task needs for finding or making leaves.
struct Leaves {
    explicit Leaves(LeafPool& pool) : spare(pool) {}

    LeafPool::Share spare;
    std::vector<Leaf*> of_band;
};

/// Calls body(run, leaf) for all runs of the batch, with leaves made where there are none.
template <typename Body>
void for_each_touched(const TemporalGrid& grid, Tree& tree, std::int32_t z, const Batch& batch,
                      const Body& body) {
    const auto nodes = batch.touch_nodes(tree, z);
    grid.workers().for_each_with(
        batch.bands(), batch.voxels(), [&] { return Leaves(grid.pool()); },
        [&](Leaves& leaves, std::size_t band) {
            batch.for_each_run(
                band, nodes, leaves.of_band,
                [&](Lower* node, std::int32_t row, std::int32_t col) {
                    return &touch_leaf(*node, to_3d(row, col, z), leaves.spare);
                },
                body);
        });
}

/// The leaf of each run of the batch, by its number, made where there was none. Changes no value.
std::vector<Leaf*> touch_leaves(const TemporalGrid& grid, Tree& tree, std::int32_t z,
                                const Batch& batch) {
    std::vector<Leaf*> leaf_of(batch.voxels());
    for_each_touched(grid, tree, z, batch,
                     [&](VoxelRun run, Leaf* leaf) { leaf_of[batch.number_of(run)] = leaf; });
    return leaf_of;
}

/// Sets a run's voxels.
void set_run(Leaf& leaf, VoxelRun run, std::int32_t z) {
    float* values = leaf.buffer().data() + run.row_offset();
    std::uint64_t bits = 0;
    for (const Voxel* voxel = run.begin; voxel != run.end; ++voxel) {
        const unsigned at =
            VoxelRun::col_offset(*voxel) | static_cast<unsigned>(z & (leaf_dim - 1));
        values[at] = voxel->value;
        bits |= std::uint64_t{1} << at;
    }
    switch_on(leaf, run.begin->row & (leaf_dim - 1), bits);
}

/// Sets the batch's voxels in slice z.
void set_voxels(const TemporalGrid& grid, Tree& tree, std::int32_t z, const Batch& batch) {
    for_each_touched(grid, tree, z, batch,
                     [z](VoxelRun run, Leaf* leaf) { set_run(*leaf, run, z); });
}

/// The same for a batch whose leaves have been touched: nothing is left that could fail.
void set_voxels(const TemporalGrid& grid, std::int32_t z, const Batch& batch,
                const std::vector<Leaf*>& leaf_of) {
    grid.workers().for_each(batch.bands(), batch.voxels(), [&](std::size_t band) {
        batch.for_each_run(band,
                           [&](VoxelRun run) { set_run(*leaf_of[batch.number_of(run)], run, z); });
    });
}

[[noreturn]] void refuse_sum(std::int32_t row, std::int32_t col, float sum) {
    throw Error::at(ErrorCode::not_finite, row, col, sum, "the accumulated sum is not finite");
}

[[noreturn]] void refuse_mark(std::int32_t row, std::int32_t col) {
    throw Error::at(ErrorCode::exact_mark, row, col, 0.0f, "the weight has an exact mark");
}

/// Calls body(leaf or null, voxel, its place in a leaf) for all voxels of the batch, ascending.
template <typename Body>
void for_each_found(const Tree& tree, std::int32_t z, const Batch& batch, const Body& body) {
    const auto nodes = batch.find_nodes(tree, z);
    const auto z_in_leaf = static_cast<unsigned>(z & (leaf_dim - 1));
    std::vector<const Leaf*> leaves;
    for (std::size_t band = 0; band < batch.bands(); ++band) {
        batch.for_each_run(
            band, nodes, leaves,
            [z](const Lower* node, std::int32_t row, std::int32_t col) {
                return node ? node->probeConstLeaf(to_3d(row, col, z)) : nullptr;
            },
            [&](VoxelRun run, const Leaf* leaf) {
                for (const Voxel* voxel = run.begin; voxel != run.end; ++voxel) {
                    body(leaf, *voxel, run.row_offset() | VoxelRun::col_offset(*voxel) | z_in_leaf);
                }
            });
    }
}

/// Throws for the first voxel of the batch that cannot be accumulated.
void check_sums(const TemporalGrid& grid, std::int32_t z, const Batch& batch) {
    const FloatMode ieee;
    if (const Tree* exact = grid.exact()) {
        for_each_found(*exact, z, batch, [](const Leaf* leaf, const Voxel& voxel, unsigned at) {
            if (leaf && leaf->isValueOn(at)) refuse_mark(voxel.row, voxel.col);
        });
    }
    for_each_found(grid.deltas(), z, batch, [](const Leaf* leaf, const Voxel& voxel, unsigned at) {
        const float sum = (leaf ? leaf->getValue(at) : 0.0f) + voxel.value;
        if (!std::isfinite(sum)) refuse_sum(voxel.row, voxel.col, sum);
    });
}

/// Adds to one voxel of a leaf and says whether it is active now: a sum of exactly 0 is not.
bool add_voxel(Leaf& leaf, unsigned at, float value) {
    const float sum = leaf.getValue(at) + value;
    const bool active =
        present(sum + 0.0f);  // + 0.0 turns -0.0, which is no change either, to +0.0
    if (active) {
        leaf.setValueOn(at, sum);
    } else {
        leaf.setValueOff(at, 0.0f);
    }
    return active;
}

}  // namespace

void insert_base(TemporalGrid& grid, Span<const Voxel> voxels) {
    const Batch batch(voxels, grid.rows(), grid.cols());
    auto tree = std::make_shared<Tree>(0.0f);
    set_voxels(grid, *tree, 0, batch);
    grid.replace_deltas(tree);
}

void insert_slice(TemporalGrid& grid, Span<const ZSpan> fold, std::int32_t z,
                  Span<const Voxel> deltas, Span<const Voxel> marks) {
    const Batch delta_batch(deltas, grid.rows(), grid.cols());
    const Batch mark_batch(marks, grid.rows(), grid.cols());
    if (fold.empty()) {
        try {
            set_voxels(grid, grid.deltas_for_writing(), z, delta_batch);
            if (!marks.empty()) set_voxels(grid, grid.make_exact(), z, mark_batch);
        } catch (...) {
            clear(grid, {z, z});
            throw;
        }
        return;
    }
    std::optional<Fold> folding;
    std::vector<Leaf*> leaf_of_delta, leaf_of_mark;
    try {
        leaf_of_delta = touch_leaves(grid, grid.deltas_for_writing(), z, delta_batch);
        if (!marks.empty()) leaf_of_mark = touch_leaves(grid, grid.make_exact(), z, mark_batch);
        folding.emplace(grid, fold);
    } catch (...) {
        remove_empty(grid, {0, 0});
        remove_empty(grid, {z, z});
        throw;
    }
    folding->apply();
    set_voxels(grid, z, delta_batch, leaf_of_delta);
    set_voxels(grid, z, mark_batch, leaf_of_mark);
    folding->clean_up();
}

void accumulate(TemporalGrid& grid, std::int32_t z, Span<const Voxel> voxels) {
    const Batch batch(voxels, grid.rows(), grid.cols());
    check_sums(grid, z, batch);
    std::vector<Leaf*> leaf_of;
    try {
        leaf_of = touch_leaves(grid, grid.deltas_for_writing(), z, batch);
    } catch (...) {
        remove_empty(grid, {z, z});
        throw;
    }
    const auto z_in_leaf = static_cast<unsigned>(z & (leaf_dim - 1));
    std::atomic<bool> some_off{false};
    grid.workers().for_each(batch.bands(), batch.voxels(), [&](std::size_t band) {
        batch.for_each_run(band, [&](VoxelRun run) {
            for (const Voxel* voxel = run.begin; voxel != run.end; ++voxel) {
                const unsigned at = run.row_offset() | VoxelRun::col_offset(*voxel) | z_in_leaf;
                if (!add_voxel(*leaf_of[batch.number_of(run)], at, voxel->value)) some_off = true;
            }
        });
    });
    if (some_off) remove_empty(grid, {z, z});
}

void accumulate_temporal_gradient(TemporalGrid& grid, std::int32_t row, std::int32_t col,
                                  float gradient, std::int32_t timestep) {
    const Voxel voxel{row, col, gradient};
    accumulate(grid, timestep, {&voxel, 1});
}

}  // namespace temporal_vdb
