// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <cfenv>

namespace temporal_vdb {

/// While it lives, this thread computes in IEEE 754's default mode: round to nearest, subnormals
/// kept, no traps. What the host had set (flush-to-zero, say) comes back afterwards. The mode is
/// per thread, so every task of a parallel kernel makes its own.
class FloatMode {
public:
    FloatMode() noexcept {
        std::fegetenv(&host_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~FloatMode() { std::fesetenv(&host_); }
    FloatMode(const FloatMode&) = delete;
    FloatMode& operator=(const FloatMode&) = delete;

private:
    std::fenv_t host_;
};

}  // namespace temporal_vdb
