// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/temporal_grid.h>

#include <temporal_vdb/error.h>

#include "nodes.h"
#include "presence.h"

#include <openvdb/tools/Count.h>

#include <atomic>
#include <cmath>
#include <utility>

namespace temporal_vdb {

namespace {

/// Registers OpenVDB's types, once. (openvdb::initialize is cheap and safe to call again.)
openvdb::FloatGrid::Ptr make_grid() {
    openvdb::initialize();
    return openvdb::FloatGrid::create(0.0f);
}

std::string text(const openvdb::Coord& xyz) {
    return "(" + std::to_string(xyz.x()) + ", " + std::to_string(xyz.y()) + ", " +
           std::to_string(xyz.z()) + ")";
}

/// The most voxels that active tiles of a tree may stand for: they take 300 MB.
constexpr openvdb::Index64 max_tile_voxels = openvdb::Index64{1} << 26;

/// What the voxels of a tree mean.
enum class Content { deltas, marks };

/// Inactive voxels may hold anything in a foreign file, ours hold 0; and what adds nothing, or is
/// an absent weight of the base, is inactive.
template <typename Refuse>
void normalize(Leaf& leaf, Content what, const Refuse& refuse) {
    for (auto voxel = leaf.beginValueAll(); voxel; ++voxel) {
        const openvdb::Coord xyz = voxel.getCoord();
        const bool delta = what == Content::deltas && xyz.z() > 0;
        if (voxel.isValueOn() && delta && !std::isfinite(*voxel)) {
            refuse("has the delta " + std::to_string(*voxel) + " at " + text(xyz));
        }
        const bool lost = what == Content::marks && xyz.z() == 0;  // the base holds any bits
        const bool nothing = delta ? !present(*voxel + 0.0f) : !present(*voxel);
        if (!voxel.isValueOn() || lost || (nothing && what == Content::deltas)) {
            voxel.setValue(0.0f);
            voxel.setValueOff();
        }
    }
}

/// The voxels of a tree made elsewhere, in a tree of the form that the kernels rely on. Takes the
/// leaves out of the old one.
Tree::Ptr normalize(Tree& tree, Content what, const std::string& name, std::int32_t rows,
                    std::int32_t cols, std::int32_t z_limit, const Workers& workers) {
    const FloatMode ieee;
    const auto refuse = [&](const std::string& why) {
        throw Error(ErrorCode::not_a_layer, "grid '" + name + "' " + why);
    };
    if (tree.background() != 0.0f) {
        refuse("has background " + std::to_string(tree.background()) + ", not 0");
    }
    openvdb::CoordBBox box;
    if (tree.evalActiveVoxelBoundingBox(box)) {
        if (box.min().x() < 0 || box.min().y() < 0 || box.min().z() < 0) {
            refuse("has a voxel at " + text(box.min()) + ", below (0, 0, 0)");
        }
        if (box.max().x() >= rows || box.max().y() >= cols || box.max().z() > z_limit) {
            refuse("has voxels up to " + text(box.max()) + ", beyond " + std::to_string(rows) +
                   " rows, " + std::to_string(cols) + " columns and step " +
                   std::to_string(z_limit));
        }
    }
    // A tile of a few bytes can stand for 4096^3 voxels.
    const auto in_tiles = tree.activeVoxelCount() - tree.activeLeafVoxelCount();
    if (in_tiles > max_tile_voxels) {
        refuse("has tiles that stand for " + std::to_string(in_tiles) + " voxels, and " +
               std::to_string(max_tile_voxels) + " is the most that is taken over");
    }
    tree.voxelizeActiveTiles(/*threaded=*/false);
    Nodes(tree, nullptr).for_each_lower(workers, [&](Lower& node) {
        const FloatMode of_this_thread;
        for (auto leaf = node.beginChildOn(); leaf; ++leaf) normalize(*leaf, what, refuse);
    });
    // A new tree has none of the inactive tiles that the old one may have, of any value.
    auto normal = std::make_shared<Tree>(0.0f);
    std::vector<Leaf*> leaves;
    tree.stealNodes(leaves);
    std::vector<std::unique_ptr<Leaf>> owned(leaves.begin(), leaves.end());
    for (auto& leaf : owned) {
        if (!leaf->isEmpty()) normal->addLeaf(leaf.release());
    }
    return normal;
}

}  // namespace

TemporalGrid::TemporalGrid(std::string name, std::int32_t rows, std::int32_t cols, int threads,
                           std::size_t spare_bytes)
    : deltas_(make_grid()),
      name_(std::move(name)),
      rows_(rows),
      cols_(cols),
      workers_(threads),
      pool_(std::make_unique<LeafPool>(spare_bytes)),
      nodes_(std::make_unique<KeptNodes>()) {
    if (rows < 1 || cols < 1) {
        throw Error(ErrorCode::invalid_argument, "a layer has at least 1 row and 1 column, not " +
                                                     std::to_string(rows) + " x " +
                                                     std::to_string(cols));
    }
    deltas_->setName(name_);
}

TemporalGrid::TemporalGrid(openvdb::FloatGrid::Ptr deltas, openvdb::FloatGrid::Ptr exact,
                           std::string name, std::int32_t rows, std::int32_t cols,
                           std::int32_t z_limit, int threads, std::size_t spare_bytes)
    : TemporalGrid(std::move(name), rows, cols, threads, spare_bytes) {
    deltas_->setTree(
        normalize(deltas->tree(), Content::deltas, name_, rows, cols, z_limit, workers_));
    if (!exact) return;
    make_exact();
    exact_->setTree(
        normalize(exact->tree(), Content::marks, name_ + ".exact", rows, cols, z_limit, workers_));
    drop_empty_exact();
}

TemporalGrid::TemporalGrid(TemporalGrid&&) noexcept = default;
TemporalGrid& TemporalGrid::operator=(TemporalGrid&&) noexcept = default;
TemporalGrid::~TemporalGrid() = default;

const Nodes& TemporalGrid::nodes() const {
    return nodes_->list(deltas_->tree(), exact_ ? &exact_->tree() : nullptr);
}

Nodes& TemporalGrid::nodes_for_writing() {
    return nodes_->list(deltas_->tree(), exact_ ? &exact_->tree() : nullptr);
}

Tree& TemporalGrid::deltas_for_writing() {
    nodes_->drop();
    deltas_->tree().clearAllAccessors();
    return deltas_->tree();
}

Tree* TemporalGrid::exact_for_writing() {
    nodes_->drop();
    if (!exact_) return nullptr;
    exact_->tree().clearAllAccessors();
    return &exact_->tree();
}

Tree& TemporalGrid::make_exact() {
    if (!exact_) {
        auto made = make_grid();
        made->setName(name_ + ".exact");
        exact_ = std::move(made);
    }
    return *exact_for_writing();
}

void TemporalGrid::drop_empty_exact() {
    if (!exact_ || !exact_->tree().root().empty()) return;
    nodes_->drop();
    exact_.reset();
}

void TemporalGrid::replace_deltas(Tree::Ptr tree) {
    nodes_->drop();
    deltas_->setTree(tree);
}

Figures figures(const TemporalGrid& grid) {
    std::atomic<std::uint64_t> base{0}, deltas{0}, exact{0};
    const auto count = [](const Lower* node, bool has_base, std::atomic<std::uint64_t>& at_zero,
                          std::atomic<std::uint64_t>& others) {
        if (!node) return;
        std::uint64_t voxels = 0, of_base = 0;
        for (auto leaf = node->cbeginChildOn(); leaf; ++leaf) {
            voxels += leaf->onVoxelCount();
            if (!has_base || leaf->origin().z() != 0) continue;
            for (int at = 0; at < leaf_size; at += leaf_dim) of_base += leaf->isValueOn(at);
        }
        at_zero += of_base;
        others += voxels - of_base;
    };
    const Nodes& nodes = grid.nodes();
    grid.workers().for_each(nodes.pairs().size(), nodes.work(), [&](std::size_t i) {
        const NodePair& pair = nodes.pairs()[i];
        count(pair.deltas(), true, base, deltas);
        count(pair.exact(), false, base, exact);
    });
    Figures sum{};
    for (const Tree* tree : {&grid.deltas(), grid.exact()}) {
        if (!tree) continue;
        const auto counts = tree->nodeCount();  // leaves first
        sum.leaves += counts[Leaf::LEVEL];
        sum.lower_nodes += counts[Lower::LEVEL];
        sum.upper_nodes += counts[Upper::LEVEL];
        sum.memory_bytes += openvdb::tools::memUsage(*tree, /*threaded=*/false);
    }
    sum.base_voxels = base;
    sum.delta_voxels = deltas;
    sum.exact_voxels = exact;
    sum.spare_bytes = grid.pool().bytes();
    return sum;
}

}  // namespace temporal_vdb
