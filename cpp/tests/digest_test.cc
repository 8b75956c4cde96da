// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

#include <temporal_vdb/digest.h>

#include "../xxh64.h"

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

std::uint64_t xxh64(const std::string& bytes) {
    Xxh64 sum;
    sum.add(bytes.data(), bytes.size());
    return sum.digest();
}

}  // namespace

TEST_CASE("XXH64 is that of others") {
    CHECK(xxh64("") == 0xef46db3751d8e999u);
    CHECK(xxh64("a") == 0xd24ec4f1a98c6e5bu);
    CHECK(xxh64("abc") == 0x44bc2cf5ad770999u);
    CHECK(xxh64("Nobody inspects the spammish repetition") == 0xfbcea83c8a378bf1u);
}

TEST_CASE("it does not matter in which pieces bytes come") {
    std::string bytes;
    for (int i = 0; i < 300; ++i) bytes += static_cast<char>(i * 7);
    for (std::size_t first = 0; first <= bytes.size(); ++first) {
        for (const std::size_t second : {first, std::min(first + 5, bytes.size()), bytes.size()}) {
            Xxh64 sum;
            sum.add(bytes.data(), first);
            sum.add(bytes.data() + first, second - first);
            sum.add(bytes.data() + second, bytes.size() - second);
            REQUIRE(sum.digest() == xxh64(bytes));
        }
    }
}

TEST_CASE("the digest is of what the header says") {
    TemporalGrid grid("layer", 300, 300, 1);
    insert_base(grid, std::vector<Voxel>{{0, 9, 1.5f}, {1, 0, -0.0f}, {200, 0, 3.0f}});
    insert_slice(grid, {}, 5, std::vector<Voxel>{{0, 9, 0.25f}}, std::vector<Voxel>{{7, 7, 8.0f}});
    std::string bytes = "a text";
    const auto add = [&](const auto& number) {
        bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
    };
    const auto voxel = [&](std::int32_t x, std::int32_t y, std::int32_t z, float value) {
        add(x), add(y), add(z), add(value);
    };
    voxel(1, 0, 0, -0.0f);  // the leaf from (0, 0) on comes before that from (0, 8) on
    voxel(0, 9, 0, 1.5f);
    voxel(0, 9, 5, 0.25f);
    voxel(200, 0, 0, 3.0f);
    add(std::uint64_t{4});
    voxel(7, 7, 5, 8.0f);
    add(std::uint64_t{1});
    CHECK(digest(grid, "a text") == xxh64(bytes));
    CHECK(digest(grid, "a texu") != xxh64(bytes));
}

TEST_CASE("slices in use are those with deltas or marks") {
    TemporalGrid grid("layer", 300, 300, 1);
    insert_base(grid, std::vector<Voxel>{{0, 9, 1.5f}});
    CHECK(slices_in_use(grid).empty());
    insert_slice(grid, {}, 3, std::vector<Voxel>{{0, 9, 0.25f}, {200, 200, 1.0f}}, {});
    insert_slice(grid, {}, 700, {}, std::vector<Voxel>{{7, 7, 8.0f}});
    insert_slice(grid, {}, last_z, std::vector<Voxel>{{0, 9, 0.25f}}, {});
    CHECK(slices_in_use(grid) == std::vector<std::int32_t>{3, 700, last_z});
}
