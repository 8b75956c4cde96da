// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/leaf_pool.h>
#include <temporal_vdb/workers.h>

#include <openvdb/openvdb.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace temporal_vdb {

class KeptNodes;
class Nodes;

/// The voxel of weight (row, col) at a timestep: x is the row, y the column, z the time.
/// Code that knows no time goes on working: it sees the base, z = 0.
inline openvdb::Coord to_3d(std::int32_t row, std::int32_t col, std::int32_t timestep = 0) {
    return openvdb::Coord(row, col, timestep);
}

/// One weight matrix over time, in real OpenVDB grids.
///
/// `deltas` holds the base at z = 0 and what changed at step z in slice z; `exact`, made only when
/// needed, holds the values of weights that a float addition cannot land on (exact marks).
///
/// What always holds between calls: background 0; no voxel outside rows x cols or below z = 0; no
/// active tiles; inactive voxels of leaves hold +0.0; no empty leaf or node; `exact` absent or not
/// empty. The kernels (insert.h, state.h, slices.h, histories.h, fold.h, prune.h) rely on it and
/// keep it.
///
/// Reading from several threads at once is safe; writing needs the grid to itself.
class TemporalGrid {
public:
    using Tree = openvdb::FloatTree;
    using Upper = Tree::RootNodeType::ChildNodeType;  ///< 4096^3 voxels
    using Lower = Upper::ChildNodeType;               ///< 128^3 voxels
    using Leaf = Lower::ChildNodeType;                ///< 8^3 voxels

    /// An empty layer of rows x cols, both at least 1. `threads` as for Workers; up to
    /// `spare_bytes` of emptied leaves are kept for the next inserts.
    TemporalGrid(std::string name, std::int32_t rows, std::int32_t cols, int threads,
                 std::size_t spare_bytes = default_spare_bytes);

    static constexpr std::size_t default_spare_bytes = std::size_t{64} << 20;

    /// Takes over grids made elsewhere, which are empty afterwards. Active tiles become voxels,
    /// what adds nothing becomes inactive; anything else that breaks what always holds is an Error
    /// (not_a_layer). `exact` may be null. `z_limit` is the largest z that a voxel may have.
    TemporalGrid(openvdb::FloatGrid::Ptr deltas, openvdb::FloatGrid::Ptr exact, std::string name,
                 std::int32_t rows, std::int32_t cols, std::int32_t z_limit, int threads,
                 std::size_t spare_bytes = default_spare_bytes);

    TemporalGrid(TemporalGrid&&) noexcept;
    TemporalGrid& operator=(TemporalGrid&&) noexcept;
    ~TemporalGrid();

    const std::string& name() const { return name_; }
    std::int32_t rows() const { return rows_; }
    std::int32_t cols() const { return cols_; }
    const Workers& workers() const { return workers_; }

    const Tree& deltas() const { return deltas_->constTree(); }
    /// Null while the layer has no exact marks.
    const Tree* exact() const { return exact_ ? &exact_->constTree() : nullptr; }

    /// The grids themselves, for writing them out. Their trees are shared, not copied.
    openvdb::FloatGrid::ConstPtr deltas_grid() const { return deltas_; }
    openvdb::FloatGrid::ConstPtr exact_grid() const { return exact_; }

    // For the kernels.
    LeafPool& pool() const { return *pool_; }

    /// The lower nodes of both trees, listed at the first call after a tree was asked for below.
    const Nodes& nodes() const;
    /// The same for a kernel that changes the voxels of leaves that are there.
    Nodes& nodes_for_writing();

    // Who adds nodes to a tree or takes them out gets the tree here, and only then: accessors that
    // are registered with it forget the nodes that they knew, and nodes() is listed anew.
    Tree& deltas_for_writing();
    Tree* exact_for_writing();
    /// The tree of the exact marks, made if there is none.
    Tree& make_exact();
    /// Drops the companion grid if nothing is left in it.
    void drop_empty_exact();
    /// Replaces the tree of the deltas.
    void replace_deltas(Tree::Ptr tree);

private:
    openvdb::FloatGrid::Ptr deltas_;
    openvdb::FloatGrid::Ptr exact_;
    std::string name_;
    std::int32_t rows_;
    std::int32_t cols_;
    Workers workers_;
    std::unique_ptr<LeafPool> pool_;
    std::unique_ptr<KeptNodes> nodes_;
};

/// Sizes of a layer as it stands in memory, base and exact marks included.
struct Figures {
    std::uint64_t base_voxels;   ///< active at z = 0
    std::uint64_t delta_voxels;  ///< active at z > 0
    std::uint64_t exact_voxels;  ///< exact marks
    std::uint64_t leaves;        ///< 8^3 nodes
    std::uint64_t lower_nodes;   ///< 128^3 nodes
    std::uint64_t upper_nodes;   ///< 4096^3 nodes
    std::uint64_t memory_bytes;  ///< of both trees
    std::uint64_t spare_bytes;   ///< of emptied leaves kept for the next inserts
};

Figures figures(const TemporalGrid& grid);

}  // namespace temporal_vdb
