// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

namespace temporal_vdb {

/// Whether a state counts as present: its bits are not those of +0.0. (Compared as bits: a host's
/// denormals-are-zero mode must not hide a subnormal, nor -0.0 pass for absent.)
inline bool present(float state) {
    std::uint32_t bits;
    std::memcpy(&bits, &state, sizeof bits);
    return bits != 0;
}

}  // namespace temporal_vdb
