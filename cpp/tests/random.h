// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "model.h"

#include <cmath>
#include <random>

namespace temporal_vdb {
namespace test {

/// The same numbers on every machine (the standard's distributions are not).
class Random {
public:
    explicit Random(std::uint32_t seed) : engine_(seed) {}

    std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(engine_() % end); }
    bool once_in(std::uint32_t times) { return below(times) == 0; }

    /// Any bits but those of +0.0, the odd ones often.
    float value() {
        if (once_in(3)) return odd_values()[below(static_cast<std::uint32_t>(odd_values().size()))];
        return once_in(4) ? any_bits() : small();
    }

    /// Finite and non-zero; often such that sums cancel out, sometimes such that they overflow.
    float delta() {
        if (once_in(8)) return float_of(1 + below(0x007fffff));  // subnormal
        if (once_in(12)) return once_in(2) ? 3e38f : -3e38f;
        if (once_in(2)) return small();
        const float value = any_bits();
        return std::isfinite(value) && value != 0.0f ? value : small();
    }

    /// About `count` voxels of one slice with what `value` gives, ascending.
    template <typename Value>
    std::vector<Voxel> voxels(std::int32_t rows, std::int32_t cols, std::size_t count,
                              const Value& value) {
        std::set<Weight> weights;
        for (std::size_t i = 0; i < count; ++i) {
            const auto row = static_cast<std::int32_t>(below(static_cast<std::uint32_t>(rows)));
            const auto col = static_cast<std::int32_t>(below(static_cast<std::uint32_t>(cols)));
            weights.emplace(row, col);
        }
        std::vector<Voxel> voxels;
        for (const Weight& weight : weights) {
            voxels.push_back({weight.first, weight.second, value()});
        }
        return voxels;
    }

    std::vector<Voxel> values(std::int32_t rows, std::int32_t cols, std::size_t count) {
        return voxels(rows, cols, count, [this] { return value(); });
    }

    std::vector<Voxel> deltas(std::int32_t rows, std::int32_t cols, std::size_t count) {
        return voxels(rows, cols, count, [this] { return delta(); });
    }

private:
    float small() {
        const float size = static_cast<float>(1 + below(4)) * (once_in(3) ? 0.1f : 0.25f);
        return once_in(2) ? size : -size;
    }

    float any_bits() {
        const auto bits = static_cast<std::uint32_t>(engine_());
        return float_of(bits == 0 ? 1 : bits);
    }

    std::mt19937 engine_;
};

}  // namespace test
}  // namespace temporal_vdb
