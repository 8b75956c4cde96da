// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "bands.h"

#include <openvdb/tree/NodeManager.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace temporal_vdb {

/// The lower nodes of the two trees that cover the same 128^3 voxels; one of them may be null. Who
/// may only read the pair may only read the nodes.
class NodePair {
public:
    explicit NodePair(const openvdb::Coord& origin) : origin_(origin) {}

    const openvdb::Coord& origin() const { return origin_; }
    const Lower* deltas() const { return deltas_; }
    const Lower* exact() const { return exact_; }
    Lower* deltas() { return deltas_; }
    Lower* exact() { return exact_; }

private:
    friend class Nodes;

    openvdb::Coord origin_;
    Lower* deltas_ = nullptr;
    Lower* exact_ = nullptr;
};

/// One of a pair's nodes, of the deltas or of the marks.
using NodeOfPair = const Lower* (NodePair::*)() const;
constexpr NodeOfPair of_deltas = &NodePair::deltas;
constexpr NodeOfPair of_exact = &NodePair::exact;

/// A run of pairs that have (x, y), or x, in common: pairs[begin..end].
struct NodeRun {
    std::size_t begin;
    std::size_t end;
};

/// The lower nodes of both trees of a grid as OpenVDB's NodeManagers list them, and in the order in
/// which the kernels walk them. Good until a node or leaf is added to a tree or taken out of it.
class Nodes {
public:
    /// `exact` may be null.
    Nodes(Tree& deltas, Tree* exact);

    /// Ascending by (x, y, z): those of one tile of weights follow each other, in time order.
    const std::vector<NodePair>& pairs() const { return pairs_; }
    std::vector<NodePair>& pairs() { return pairs_; }

    /// The pairs of each tile.
    const std::vector<NodeRun>& tiles() const { return tiles_; }

    /// The pairs of the tile that weight (row, col) is in; empty where there are none.
    NodeRun tile_of(std::int32_t row, std::int32_t col) const;

    /// The work of a walk over all leaves, for Workers: a leaf is worth some voxels.
    std::size_t work() const { return 8 * leaves_; }

    /// NodeManager's foreachBottomUp for both trees: op(Lower&), op(Upper&) and op(the root) for
    /// each node, by one thread each. `op` is copied.
    template <typename Op>
    void bottom_up(const Workers& workers, const Op& op) {
        workers.within_arena(work(), [&](bool threaded) {
            deltas_.foreachBottomUp(op, threaded);
            if (exact_) exact_->foreachBottomUp(op, threaded);
        });
    }

    /// The same for lower nodes alone.
    template <typename Op>
    void for_each_lower(const Workers& workers, const Op& op) {
        bottom_up(workers, LowerOp<Op>{op});
    }

private:
    /// Upper nodes (4096^3) and lower ones (128^3).
    using Manager = openvdb::tree::NodeManager<Tree, 2>;

    template <typename Op>
    struct LowerOp {
        void operator()(Lower& node) const { op(node); }
        void operator()(Upper&) const {}
        void operator()(Tree::RootNodeType&) const {}
        Op op;
    };

    Manager deltas_;
    std::optional<Manager> exact_;
    std::vector<NodePair> pairs_;
    std::vector<NodeRun> tiles_;
    std::size_t leaves_ = 0;
};

/// The runs of pairs that have the same x: the tiles of 128 rows.
std::vector<NodeRun> rows_of_tiles(const Nodes& nodes);

/// A grid's Nodes, listed when they are first asked for after a change. Readers may ask at once.
class KeptNodes {
public:
    Nodes& list(Tree& deltas, Tree* exact);

    /// To be called before a node is added or taken out, by who has the grid to itself.
    void drop() noexcept { nodes_.reset(); }

private:
    std::mutex mutex_;
    std::unique_ptr<Nodes> nodes_;
};

}  // namespace temporal_vdb
