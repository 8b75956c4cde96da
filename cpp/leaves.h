// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "nodes.h"

// How leaves come into a tree and go: here, and nowhere else in the kernels.

namespace temporal_vdb {

/// The lower node that holds `xyz`, made if there is none. By one thread.
Lower& touch_lower(Tree& tree, const openvdb::Coord& xyz);

/// The node's leaf that holds `xyz`, made if there is none.
///
/// Several threads may do this to one node, each in bands (eight rows of a tile) that no other
/// works on, and nobody may read the node meanwhile. That is safe since of a node InternalNode's
/// probeLeaf and addLeaf touch the entry of the leaf in the table of children and its bit in the
/// child mask and in the value mask, and no more (no count, no parent). x is the highest part of an
/// offset in a node: a band's 256 entries follow each other, and their bits are four 64 bit words
/// of each mask that hold no other band's. (With ValueAccessors it would not be safe: the tree
/// keeps a registry of them.) `./run test` has the thread sanitizer look on: tests/races_test.cc.
Leaf& touch_leaf(Lower& node, const openvdb::Coord& xyz, LeafPool::Share& spare);

/// Takes the leaves and nodes without active voxels out of a grid's trees, among those that meet
/// `span`, as tools::pruneInactive would, but into the pool: NodeManager gives each lower node to
/// one thread. Where there is no memory even for that, empty leaves stay: they cost memory, and say
/// nothing.
void remove_empty(TemporalGrid& grid, ZSpan span) noexcept;

}  // namespace temporal_vdb
