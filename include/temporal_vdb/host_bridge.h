// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/float_mode.h>

#include <memory>

// What src/host/ffi.rs declares, in the same order and under the same names.

namespace temporal_vdb {
namespace bridge {

std::unique_ptr<FloatMode> ieee_mode();

/// As FloatMode, for the rest of the thread's life.
void keep_ieee_mode() noexcept;

/// Gives memory that has been freed back to the system, where the C library knows how.
void release_freed_memory() noexcept;

/// From now on the C library keeps little of what is freed, where it knows how.
void return_freed_memory_early() noexcept;

}  // namespace bridge
}  // namespace temporal_vdb
