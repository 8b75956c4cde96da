// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

// Every comparison in these tests is one of bit patterns: as numbers -0.0 equals +0.0, and no NaN
// equals any other.

namespace temporal_vdb {
namespace test {

inline std::uint32_t bits_of(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_of(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline std::string text_of(float value) {
    std::ostringstream text;
    text << value << " (0x" << std::hex << bits_of(value) << ")";
    return text.str();
}

/// "" if the two are the same bits, else which of them differ first.
inline std::string difference(const std::vector<float>& got, const std::vector<float>& wanted) {
    if (got.size() != wanted.size()) {
        return std::to_string(got.size()) + " values, not " + std::to_string(wanted.size());
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (bits_of(got[i]) == bits_of(wanted[i])) continue;
        return "value " + std::to_string(i) + " is " + text_of(got[i]) + ", not " +
               text_of(wanted[i]);
    }
    return "";
}

/// What a base or an exact mark may hold and a careless kernel would bend.
inline const std::vector<float>& odd_values() {
    static const std::vector<float> values = {
        float_of(0x80000000),  // -0.0
        float_of(0x7f800000),  // infinity
        float_of(0xff800000),  // -infinity
        float_of(0x7fc12345),  // a quiet NaN with a payload
        float_of(0xffc0ffee),  // the same, negative
        float_of(0x7f800001),  // a signalling NaN
        float_of(0x00000001),  // the smallest subnormal
        float_of(0x807fffff),  // the largest subnormal, negative
        std::numeric_limits<float>::max(),
        -std::numeric_limits<float>::max(),
        std::numeric_limits<float>::min(),
        0.1f,
        -1.0f,
    };
    return values;
}

}  // namespace test
}  // namespace temporal_vdb
