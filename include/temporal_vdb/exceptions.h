// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <string>

// How exceptions cross every bridge: a header that cxx is given includes this one.

namespace temporal_vdb {
namespace bridge {

/// The exception being handled, as the text that src/host/exceptions.rs parses.
std::string describe_current_exception() noexcept;

}  // namespace bridge
}  // namespace temporal_vdb

namespace rust {
namespace behavior {

/// How every C++ exception crosses into Rust: as one tagged text, whatever was thrown.
template <typename Try, typename Fail>
static void trycatch(Try&& body, Fail&& fail) noexcept {
    try {
        body();
    } catch (...) {
        fail(::temporal_vdb::bridge::describe_current_exception());
    }
}

}  // namespace behavior
}  // namespace rust
