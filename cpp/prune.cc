// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/prune.h>

#include "folding.h"
#include "presence.h"

#include <openvdb/tools/Count.h>

#include <cmath>
#include <cstring>
#include <map>
#include <set>

namespace temporal_vdb {

namespace {

/// A voxel of a leaf that pruning sets, or switches off: then its value is +0.0.
struct NewVoxel {
    std::uint16_t at;  ///< place in the leaf
    bool on;
    float value;
};

/// What one band of one tree gets: leaf by leaf, each with voxels[begin..end].
struct NewVoxels {
    struct Run {
        openvdb::Coord xyz;
        std::size_t begin;
        std::size_t end;
        Leaf* leaf;  ///< null until it is touched
    };
    std::vector<Run> runs;
    std::vector<NewVoxel> voxels;

    void add(const openvdb::Coord& xyz, NewVoxel voxel) {
        if (runs.empty() || runs.back().xyz != xyz) {
            runs.push_back({xyz, voxels.size(), voxels.size(), nullptr});
        }
        voxels.push_back(voxel);
        runs.back().end = voxels.size();
    }
};

struct NewBand {
    NewVoxels deltas;
    NewVoxels marks;
};

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

/// What leads from one state of a band to another, as slice z, or as the base where z is 0: of the
/// columns that `to` was touched in. `corner` is the band's first weight.
///
/// A delta where the addition gives the wanted bits; elsewhere, and where either state is not
/// finite, also an exact mark. (The detector in Rust follows the same rule.)
void find_changes(const Band& from, const Band& to, const openvdb::Coord& corner, std::int32_t z,
                  NewBand& changes) {
    for (int y = 0; y < leaves_per_row; ++y) {
        if (!to.touched(y)) continue;
        const openvdb::Coord xyz = to_3d(corner.x(), corner.y() + leaf_dim * y, z & ~7);
        for (int row = 0; row < leaf_dim; ++row) {
            for (int col = 0; col < leaf_dim; ++col) {
                const float before = from.row(row)[leaf_dim * y + col];
                const float after = to.row(row)[leaf_dim * y + col];
                if (same_bits(before, after)) continue;
                const auto at = static_cast<std::uint16_t>(64 * row + leaf_dim * col + (z & 7));
                if (z == 0) {
                    changes.deltas.add(xyz, {at, present(after), after});
                    continue;
                }
                const float delta = after - before;
                const bool usable = std::isfinite(delta) && delta != 0.0f;
                const float landed = usable ? before + delta : before;
                if (usable) changes.deltas.add(xyz, {at, true, delta});
                const bool finite = std::isfinite(before) && std::isfinite(after);
                if (!finite || !same_bits(landed, after)) {
                    changes.marks.add(xyz, {at, true, after});
                }
            }
        }
    }
}

/// What the base and the slices that stay get, band by band.
std::vector<NewBand> find_changes(const TemporalGrid& grid, std::int32_t base,
                                  Span<const ZSpan> merges) {
    const Nodes& nodes = grid.nodes();
    std::vector<NewBand> changes(nodes.tiles().size() * bands_per_tile);
    grid.workers().for_each(changes.size(), nodes.work(), [&](std::size_t task) {
        const NodeRun tile = nodes.tiles()[task / bands_per_tile];
        const int index = static_cast<int>(task % bands_per_tile);
        const auto& origin = nodes.pairs()[tile.begin].origin();
        const auto corner = to_3d(origin.x() + leaf_dim * index, origin.y());
        Band band(nodes, tile, index);
        const auto merge = [&](ZSpan span, std::int32_t z) {
            if (!band.has_leaves_in(span)) return;
            const Band before = band;
            band.clear_touched();
            band.add({&span, 1});
            find_changes(before, band, corner, z, changes[task]);
        };
        merge({1, base}, 0);
        std::int32_t done = base;
        for (const ZSpan span : merges) {
            const ZSpan between{done + 1, span.first - 1};
            band.add({&between, 1});
            merge(span, span.last);
            done = span.last;
        }
    });
    return changes;
}

/// The slices that go, or are made anew.
std::vector<ZSpan> emptied(std::int32_t base, Span<const ZSpan> merges) {
    std::vector<ZSpan> spans(merges.begin(), merges.end());
    if (base > 0) spans.insert(spans.begin(), {1, base});
    return spans;
}

/// Makes the leaves that one of the trees gets voxels in. Changes no value.
void touch_leaves(const TemporalGrid& grid, Tree& tree, std::vector<NewBand>& changes,
                  NewVoxels NewBand::*part) {
    std::size_t work = 0;
    for (const NewBand& band : changes) {
        for (const auto& run : (band.*part).runs) touch_lower(tree, run.xyz);
        work += leaf_dim * (band.*part).runs.size();
    }
    grid.workers().for_each_with(
        changes.size(), work, [&] { return LeafPool::Share(grid.pool()); },
        [&](LeafPool::Share& spare, std::size_t task) {
            for (auto& run : (changes[task].*part).runs) {
                run.leaf = &touch_leaf(*tree.probeNode<Lower>(run.xyz), run.xyz, spare);
            }
        });
}

void set_voxels(const NewVoxels& changes) {
    for (const auto& run : changes.runs) {
        for (std::size_t i = run.begin; i < run.end; ++i) {
            const NewVoxel& voxel = changes.voxels[i];
            run.leaf->setValueOnly(voxel.at, voxel.value);
            run.leaf->setActiveState(voxel.at, voxel.on);
        }
    }
}

// ---- how much memory it takes

/// What the nodes of a tree cost, as openvdb::tools::memUsage counts.
struct NodeBytes {
    std::int64_t tree, upper, lower, leaf;

    NodeBytes() {
        Tree sample(0.0f);
        const auto bytes = [&] {
            return static_cast<std::int64_t>(openvdb::tools::memUsage(sample, /*threaded=*/false));
        };
        tree = bytes();
        sample.addLeaf(new Leaf(openvdb::Coord(0, 0, 0), 0.0f, false));
        const std::int64_t with_one = bytes();
        sample.addLeaf(new Leaf(openvdb::Coord(leaf_dim, 0, 0), 0.0f, false));
        const std::int64_t with_two = bytes();
        sample.addLeaf(new Leaf(openvdb::Coord(tile_dim, 0, 0), 0.0f, false));
        leaf = with_two - with_one;
        lower = bytes() - with_two - leaf;
        upper = with_one - tree - lower - leaf;
    }
};

/// Leaves per lower node.
using LeafCounts = std::map<openvdb::Coord, std::int64_t>;

/// The bytes of a tree, of one without leaves too where it is `kept` then.
std::int64_t bytes_of(const LeafCounts& counts, bool kept) {
    const NodeBytes bytes;
    std::set<openvdb::Coord> uppers;
    std::int64_t sum = 0;
    for (const auto& [lower, leaves] : counts) {
        if (leaves == 0) continue;
        uppers.insert(lower & ~(static_cast<std::int32_t>(Upper::DIM) - 1));
        sum += bytes.lower + leaves * bytes.leaf;
    }
    if (kept || !uppers.empty()) sum += bytes.tree;
    return sum + bytes.upper * static_cast<std::int64_t>(uppers.size());
}

/// Voxels that a leaf gets.
struct LeafEntry {
    openvdb::Coord xyz;
    const NewVoxel* begin;
    const NewVoxel* end;
};

/// Whether anything is left in a leaf without the voxels of `spans` and with those of its entry.
bool stays(const Leaf& leaf, const std::vector<ZSpan>& spans, const LeafEntry& entry) {
    auto mask = leaf.getValueMask();
    const std::int32_t z = leaf.origin().z();
    auto span =
        std::lower_bound(spans.begin(), spans.end(), z,
                         [](ZSpan before, std::int32_t first) { return before.last < first; });
    for (; span != spans.end() && span->first - z < leaf_dim; ++span) {
        mask = mask_without(mask, z, *span);
    }
    for (const NewVoxel* voxel = entry.begin; voxel != entry.end; ++voxel) {
        mask.set(voxel->at, voxel->on);
    }
    return !mask.isOff();
}

/// By how many bytes the nodes of one tree change. `tree` may be null.
std::int64_t growth(const TemporalGrid& grid, const Tree* tree, NodeOfPair which,
                    const std::vector<ZSpan>& spans, const std::vector<NewBand>& changes,
                    NewVoxels NewBand::*part) {
    std::vector<LeafEntry> entries;
    for (const NewBand& band : changes) {
        const NewVoxel* voxels = (band.*part).voxels.data();
        for (const auto& run : (band.*part).runs) {
            entries.push_back({run.xyz, voxels + run.begin, voxels + run.end});
        }
    }
    std::sort(entries.begin(), entries.end(),
              [](const LeafEntry& a, const LeafEntry& b) { return a.xyz < b.xyz; });
    const auto entry_of = [&](const openvdb::Coord& xyz) {
        const auto at = std::lower_bound(
            entries.begin(), entries.end(), xyz,
            [](const LeafEntry& entry, const openvdb::Coord& to) { return entry.xyz < to; });
        const bool found = at != entries.end() && at->xyz == xyz;
        return found ? *at : LeafEntry{xyz, nullptr, nullptr};
    };

    LeafCounts before, after;
    const Nodes& nodes = grid.nodes();
    std::vector<std::int64_t> staying(nodes.pairs().size(), 0);
    grid.workers().for_each(staying.size(), nodes.work(), [&](std::size_t i) {
        const Lower* node = (nodes.pairs()[i].*which)();
        if (!node) return;
        for (auto leaf = node->cbeginChildOn(); leaf; ++leaf) {
            staying[i] += stays(*leaf, spans, entry_of(leaf->origin()));
        }
    });
    for (std::size_t i = 0; i < staying.size(); ++i) {
        const Lower* node = (nodes.pairs()[i].*which)();
        if (!node) continue;
        before[node->origin()] = node->childCount();
        after[node->origin()] = staying[i];
    }
    for (const LeafEntry& entry : entries) {
        const bool is_new = !tree || !tree->probeConstLeaf(entry.xyz);
        after[entry.xyz & ~(tile_dim - 1)] += is_new;
    }
    const bool kept = tree == &grid.deltas();  // the companion grid goes with its last mark
    return bytes_of(after, kept) - bytes_of(before, kept);
}

}  // namespace

void prune(TemporalGrid& grid, std::int32_t base, Span<const ZSpan> merges) {
    auto changes = find_changes(grid, base, merges);
    const auto spans = emptied(base, merges);
    if (spans.empty()) return;
    const ZSpan all{0, spans.back().last};
    Nodes* nodes = nullptr;
    try {
        touch_leaves(grid, grid.deltas_for_writing(), changes, &NewBand::deltas);
        const auto has_marks = [](const NewBand& band) { return !band.marks.runs.empty(); };
        if (std::any_of(changes.begin(), changes.end(), has_marks)) {
            touch_leaves(grid, grid.make_exact(), changes, &NewBand::marks);
        }
        nodes = &grid.nodes_for_writing();
    } catch (...) {
        remove_empty(grid, all);
        throw;
    }
    // Nothing from here on can fail.
    switch_off(grid.workers(), *nodes, spans);
    grid.workers().for_each(changes.size(), nodes->work(), [&](std::size_t task) {
        set_voxels(changes[task].deltas);
        set_voxels(changes[task].marks);
    });
    remove_empty(grid, all);
}

std::int64_t growth_by_prune(const TemporalGrid& grid, std::int32_t base,
                             Span<const ZSpan> merges) {
    const auto changes = find_changes(grid, base, merges);
    const auto spans = emptied(base, merges);
    return growth(grid, &grid.deltas(), of_deltas, spans, changes, &NewBand::deltas) +
           growth(grid, grid.exact(), of_exact, spans, changes, &NewBand::marks);
}

}  // namespace temporal_vdb
