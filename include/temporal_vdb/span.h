// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace temporal_vdb {

/// A borrowed run of `size` elements. (std::span is C++20; OpenVDB 10 is C++17.)
template <typename T>
struct Span {
    T* data = nullptr;
    std::size_t size = 0;

    Span() = default;
    Span(T* first, std::size_t count) : data(first), size(count) {}
    /// A vector lends its elements; the span must not outlive it.
    template <typename U>
    Span(const std::vector<U>& owner) : data(owner.data()), size(owner.size()) {}

    T* begin() const { return data; }
    T* end() const { return data + size; }
    T& operator[](std::size_t i) const { return data[i]; }
    bool empty() const { return size == 0; }
};

}  // namespace temporal_vdb
