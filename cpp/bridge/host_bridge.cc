// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/host_bridge.h>

#include <cfenv>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace temporal_vdb {
namespace bridge {

std::unique_ptr<FloatMode> ieee_mode() { return std::make_unique<FloatMode>(); }

void keep_ieee_mode() noexcept { std::fesetenv(FE_DFL_ENV); }

void release_freed_memory() noexcept {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void return_freed_memory_early() noexcept {
#ifdef __GLIBC__
    constexpr int bytes = 1 << 20;
    mallopt(M_MMAP_THRESHOLD, bytes);
    mallopt(M_TRIM_THRESHOLD, bytes);
#endif
}

}  // namespace bridge
}  // namespace temporal_vdb
