// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/digest.h>

#include "nodes.h"
#include "xxh64.h"

#include <algorithm>

namespace temporal_vdb {

namespace {

/// A voxel as it is digested.
struct Record {
    std::int32_t x, y, z;
    float value;
};
static_assert(sizeof(Record) == 16);

void add(Xxh64& sum, const Tree& tree) {
    std::uint64_t count = 0;
    Record records[Leaf::SIZE];
    for (auto leaf = tree.cbeginLeaf(); leaf; ++leaf) {
        std::size_t n = 0;
        for (auto voxel = leaf->cbeginValueOn(); voxel; ++voxel) {
            const auto xyz = voxel.getCoord();
            records[n++] = {xyz.x(), xyz.y(), xyz.z(), *voxel};
        }
        sum.add(records, n * sizeof(Record));
        count += n;
    }
    sum.add(&count, sizeof count);
}

void add(std::vector<std::int32_t>& zs, const Tree& tree) {
    for (auto leaf = tree.cbeginLeaf(); leaf; ++leaf) {
        bool used[leaf_dim] = {};
        for (auto voxel = leaf->cbeginValueOn(); voxel; ++voxel) {
            used[voxel.pos() % leaf_dim] = true;
        }
        for (int z = 0; z < leaf_dim; ++z) {
            if (used[z] && leaf->origin().z() + z > 0) zs.push_back(leaf->origin().z() + z);
        }
        // Leaves of one z come again and again: keep the list as short as what is in it.
        if (zs.size() >= 1 << 16 && zs.size() == zs.capacity()) {
            std::sort(zs.begin(), zs.end());
            zs.erase(std::unique(zs.begin(), zs.end()), zs.end());
        }
    }
    std::sort(zs.begin(), zs.end());
    zs.erase(std::unique(zs.begin(), zs.end()), zs.end());
}

}  // namespace

std::uint64_t digest(const TemporalGrid& grid, const std::string& text) {
    Xxh64 sum;
    sum.add(text.data(), text.size());
    add(sum, grid.deltas());
    static const Tree none(0.0f);
    add(sum, grid.exact() ? *grid.exact() : none);
    return sum.digest();
}

std::vector<std::int32_t> slices_in_use(const TemporalGrid& grid) {
    std::vector<std::int32_t> zs;
    add(zs, grid.deltas());
    if (grid.exact()) add(zs, *grid.exact());
    return zs;
}

}  // namespace temporal_vdb
