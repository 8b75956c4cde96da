// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/insert.h>

#include <temporal_vdb/error.h>
#include <temporal_vdb/fold.h>

#include "batch.h"
#include "fold_steps.h"

#include <atomic>
#include <cmath>

namespace temporal_vdb {

namespace {

/// The node's leaf for a leaf batch at z, or null.
Leaf* find_leaf(Lower* node, const LeafBatch& batch, std::int32_t z) {
    if (!node) return nullptr;
    const auto n = Lower::coordToOffset(to_3d(batch.row, batch.col, z));
    return node->getChildMask().isOn(n) ? node->getTable()[n].getChild() : nullptr;
}

Leaf& touch_leaf(Lower& node, const LeafBatch& batch, std::int32_t z, LeafPool::Share& spare) {
    if (Leaf* leaf = find_leaf(&node, batch, z)) return *leaf;
    Leaf* leaf = spare.take(to_3d(batch.row, batch.col, z));
    node.addLeaf(leaf);
    return *leaf;
}

/// Makes the leaves that the batch needs at z. Changes no value.
void touch_leaves(const TemporalGrid& grid, Tree& tree, std::int32_t z, const Batch& batch) {
    const auto nodes = batch.touch_nodes(tree, z);
    grid.workers().for_each(batch.bands(), [&](std::size_t band) {
        LeafPool::Share spare(grid.pool());
        batch.for_each_leaf(band, nodes, [&](Lower* node, const LeafBatch& leaf) {
            touch_leaf(*node, leaf, z, spare);
        });
    });
}

/// Sets the voxels of leaf batches in slice z, value and mask written straight. A group at a time:
/// a leaf is several cache misses, and those of the group are asked for before any is needed.
class SliceWriter {
public:
    SliceWriter(LeafPool& pool, std::int32_t z)
        : spare_(pool), z_(z), z_in_leaf_(static_cast<unsigned>(z & (leaf_dim - 1))) {}

    void write(Lower& node, const LeafBatch& voxels) {
        Leaf& leaf = touch_leaf(node, voxels, z_, spare_);
        __builtin_prefetch(&leaf, 1);
        __builtin_prefetch(&leaf.getValueMask(), 1);
        leaves_[count_] = &leaf;
        batches_[count_] = voxels;
        if (++count_ == group) flush();
    }

    void flush() {
        for (int i = 0; i < count_; ++i) {
            const float* values = leaves_[i]->buffer().data();
            for (int k = 0; k < batches_[i].count; ++k) {
                __builtin_prefetch(values + batches_[i].offset[k], 1);
            }
        }
        for (int i = 0; i < count_; ++i) {
            const LeafBatch& voxels = batches_[i];
            float* values = leaves_[i]->buffer().data();
            auto& mask = leaves_[i]->getValueMask();
            for (int k = 0; k < voxels.count; ++k) {
                const unsigned at = voxels.offset[k] | z_in_leaf_;
                values[at] = voxels.value[k];
                mask.setOn(at);
            }
        }
        count_ = 0;
    }

private:
    static constexpr int group = 16;

    LeafPool::Share spare_;
    std::int32_t z_;
    unsigned z_in_leaf_;
    int count_ = 0;
    Leaf* leaves_[group];
    LeafBatch batches_[group];
};

void set_voxels(const TemporalGrid& grid, Tree& tree, std::int32_t z, const Batch& batch) {
    const auto nodes = batch.touch_nodes(tree, z);
    grid.workers().for_each(batch.bands(), [&](std::size_t band) {
        SliceWriter writer(grid.pool(), z);
        batch.for_each_leaf(band, nodes, [&](Lower* node, const LeafBatch& voxels) {
            writer.write(*node, voxels);
        });
        writer.flush();
    });
}

[[noreturn]] void refuse_sum(std::int32_t row, std::int32_t col, float sum) {
    throw Error::at(ErrorCode::not_finite, row, col, sum, "the accumulated sum is not finite");
}

[[noreturn]] void refuse_mark(std::int32_t row, std::int32_t col) {
    throw Error::at(ErrorCode::exact_mark, row, col, 0.0f, "the weight has an exact mark");
}

/// Throws for the first voxel of the batch that cannot be accumulated.
void check_sums(TemporalGrid& grid, std::int32_t z, const Batch& batch) {
    const auto deltas = batch.find_nodes(grid.deltas_for_writing(), z);
    const auto exact = grid.exact() ? batch.find_nodes(*grid.exact_for_writing(), z)
                                    : std::vector<Lower*>(deltas.size());
    const auto z_in_leaf = static_cast<unsigned>(z & (leaf_dim - 1));
    const FloatMode ieee;
    for (std::size_t band = 0; band < batch.bands(); ++band) {
        batch.for_each_leaf(band, exact, [&](Lower* node, const LeafBatch& voxels) {
            const Leaf* leaf = find_leaf(node, voxels, z);
            for (int i = 0; leaf && i < voxels.count; ++i) {
                if (leaf->isValueOn(voxels.offset[i] | z_in_leaf)) {
                    refuse_mark(voxels.row_of(i), voxels.col_of(i));
                }
            }
        });
    }
    for (std::size_t band = 0; band < batch.bands(); ++band) {
        batch.for_each_leaf(band, deltas, [&](Lower* node, const LeafBatch& voxels) {
            const Leaf* leaf = find_leaf(node, voxels, z);
            for (int i = 0; i < voxels.count; ++i) {
                const float before = leaf ? leaf->getValue(voxels.offset[i] | z_in_leaf) : 0.0f;
                const float sum = before + voxels.value[i];
                if (!std::isfinite(sum)) refuse_sum(voxels.row_of(i), voxels.col_of(i), sum);
            }
        });
    }
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
    Tree& tree = grid.deltas_for_writing();
    if (fold.empty()) {
        try {
            set_voxels(grid, tree, z, delta_batch);
            if (!marks.empty()) set_voxels(grid, grid.make_exact(), z, mark_batch);
        } catch (...) {
            clear(grid, {z, z});
            throw;
        }
        return;
    }
    try {
        prepare_fold(grid, fold);
        touch_leaves(grid, tree, z, delta_batch);
        if (!marks.empty()) touch_leaves(grid, grid.make_exact(), z, mark_batch);
    } catch (...) {
        remove_empty(grid, {0, 0});
        remove_empty(grid, {z, z});
        throw;
    }
    apply_fold(grid, fold);
    set_voxels(grid, tree, z, delta_batch);
    if (!marks.empty()) set_voxels(grid, grid.make_exact(), z, mark_batch);
    remove_empty(grid, {0, 0});
    for (const ZSpan span : fold) remove_empty(grid, span);
}

void accumulate(TemporalGrid& grid, std::int32_t z, Span<const Voxel> voxels) {
    const Batch batch(voxels, grid.rows(), grid.cols());
    check_sums(grid, z, batch);
    Tree& tree = grid.deltas_for_writing();
    try {
        touch_leaves(grid, tree, z, batch);
    } catch (...) {
        remove_empty(grid, {z, z});
        throw;
    }
    const auto nodes = batch.find_nodes(tree, z);
    const auto z_in_leaf = static_cast<unsigned>(z & (leaf_dim - 1));
    std::atomic<bool> some_off{false};
    grid.workers().for_each(batch.bands(), [&](std::size_t band) {
        batch.for_each_leaf(band, nodes, [&](Lower* node, const LeafBatch& sums) {
            Leaf& leaf = *find_leaf(node, sums, z);
            for (int i = 0; i < sums.count; ++i) {
                if (!add_voxel(leaf, sums.offset[i] | z_in_leaf, sums.value[i])) some_off = true;
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
