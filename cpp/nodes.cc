// SPDX-License-Identifier: MIT OR Apache-2.0
#include "nodes.h"

#include <algorithm>
#include <tuple>

namespace temporal_vdb {

namespace {

/// Gathers the lower nodes that a NodeManager hands out, which copies what it calls.
struct Gather {
    void operator()(Lower& node) const { nodes->push_back(&node); }
    void operator()(Upper&) const {}
    void operator()(Tree::RootNodeType&) const {}
    std::vector<Lower*>* nodes;
};

/// The lower nodes of a tree, ascending by (x, y, z): the tree's own order is that of its upper
/// nodes, each with what is in it.
template <typename Manager>
std::vector<Lower*> ascending(Manager& manager) {
    std::vector<Lower*> nodes;
    nodes.reserve(manager.nodeCount(Lower::LEVEL));
    manager.foreachTopDown(Gather{&nodes}, /*threaded=*/false);
    std::sort(nodes.begin(), nodes.end(),
              [](const Lower* a, const Lower* b) { return a->origin() < b->origin(); });
    return nodes;
}

template <typename Same>
std::vector<NodeRun> runs(const std::vector<NodePair>& pairs, const Same& same) {
    std::vector<NodeRun> found;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        if (found.empty() || !same(pairs[found.back().begin].origin(), pairs[i].origin())) {
            found.push_back({i, i});
        }
        found.back().end = i + 1;
    }
    return found;
}

}  // namespace

// Serially: there are few upper nodes, and NodeManager would take threads that are not the grid's.
Nodes::Nodes(Tree& deltas, Tree* exact) : deltas_(deltas, /*serial=*/true) {
    if (exact) exact_.emplace(*exact, /*serial=*/true);
    const auto of_deltas = ascending(deltas_);
    const auto of_exact = exact_ ? ascending(*exact_) : std::vector<Lower*>();
    pairs_.reserve(std::max(of_deltas.size(), of_exact.size()));
    auto delta = of_deltas.begin();
    auto mark = of_exact.begin();
    while (delta != of_deltas.end() || mark != of_exact.end()) {
        const bool has_delta =
            delta != of_deltas.end() &&
            (mark == of_exact.end() || !((*mark)->origin() < (*delta)->origin()));
        const bool has_mark =
            mark != of_exact.end() && (!has_delta || (*mark)->origin() == (*delta)->origin());
        pairs_.emplace_back((has_delta ? *delta : *mark)->origin());
        if (has_delta) pairs_.back().deltas_ = *delta++;
        if (has_mark) pairs_.back().exact_ = *mark++;
    }
    tiles_ = runs(pairs_, [](const openvdb::Coord& a, const openvdb::Coord& b) {
        return a.x() == b.x() && a.y() == b.y();
    });
    for (const auto* list : {&of_deltas, &of_exact}) {
        for (const Lower* node : *list) leaves_ += node->childCount();
    }
}

NodeRun Nodes::tile_of(std::int32_t row, std::int32_t col) const {
    const openvdb::Coord corner(row & ~(tile_dim - 1), col & ~(tile_dim - 1), 0);
    const auto tile = std::lower_bound(
        tiles_.begin(), tiles_.end(), corner, [this](NodeRun run, const openvdb::Coord& to) {
            const auto& origin = pairs_[run.begin].origin();
            return std::make_tuple(origin.x(), origin.y()) < std::make_tuple(to.x(), to.y());
        });
    if (tile == tiles_.end()) return {0, 0};
    const auto& origin = pairs_[tile->begin].origin();
    return origin.x() == corner.x() && origin.y() == corner.y() ? *tile : NodeRun{0, 0};
}

std::vector<NodeRun> rows_of_tiles(const Nodes& nodes) {
    return runs(nodes.pairs(),
                [](const openvdb::Coord& a, const openvdb::Coord& b) { return a.x() == b.x(); });
}

Nodes& KeptNodes::list(Tree& deltas, Tree* exact) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!nodes_) nodes_ = std::make_unique<Nodes>(deltas, exact);
    return *nodes_;
}

}  // namespace temporal_vdb
