// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace temporal_vdb {

/// XXH64 with seed 0 of bytes that come piece by piece, as it is specified at
/// github.com/Cyan4973/xxHash (doc/xxhash_spec.md). For machines that are little-endian.
class Xxh64 {
public:
    void add(const void* data, std::size_t size) {
        auto bytes = static_cast<const unsigned char*>(data);
        total_ += size;
        if (held_ + size < stripe) {
            std::memcpy(hold_ + held_, bytes, size);
            held_ += size;
            return;
        }
        if (held_ > 0) {
            const std::size_t rest = stripe - held_;
            std::memcpy(hold_ + held_, bytes, rest);
            consume(hold_);
            bytes += rest;
            size -= rest;
        }
        for (; size >= stripe; bytes += stripe, size -= stripe) consume(bytes);
        std::memcpy(hold_, bytes, size);
        held_ = size;
    }

    std::uint64_t digest() const {
        std::uint64_t sum = p5;
        if (total_ >= stripe) {
            sum =
                turn(lanes_[0], 1) + turn(lanes_[1], 7) + turn(lanes_[2], 12) + turn(lanes_[3], 18);
            for (const auto lane : lanes_) sum = (sum ^ round(0, lane)) * p1 + p4;
        }
        sum += total_;
        const unsigned char* bytes = hold_;
        std::size_t size = held_;
        for (; size >= 8; bytes += 8, size -= 8) {
            sum = turn(sum ^ round(0, load<std::uint64_t>(bytes)), 27) * p1 + p4;
        }
        if (size >= 4) {
            sum = turn(sum ^ load<std::uint32_t>(bytes) * p1, 23) * p2 + p3;
            bytes += 4;
            size -= 4;
        }
        for (; size > 0; ++bytes, --size) sum = turn(sum ^ *bytes * p5, 11) * p1;
        sum = (sum ^ sum >> 33) * p2;
        sum = (sum ^ sum >> 29) * p3;
        return sum ^ sum >> 32;
    }

private:
    static constexpr std::size_t stripe = 32;
    static constexpr std::uint64_t p1 = 0x9e3779b185ebca87u;
    static constexpr std::uint64_t p2 = 0xc2b2ae3d27d4eb4fu;
    static constexpr std::uint64_t p3 = 0x165667b19e3779f9u;
    static constexpr std::uint64_t p4 = 0x85ebca77c2b2ae63u;
    static constexpr std::uint64_t p5 = 0x27d4eb2f165667c5u;

    static std::uint64_t turn(std::uint64_t x, int by) { return x << by | x >> (64 - by); }
    static std::uint64_t round(std::uint64_t lane, std::uint64_t input) {
        return turn(lane + input * p2, 31) * p1;
    }
    template <typename T>
    static T load(const unsigned char* bytes) {
        T value;
        std::memcpy(&value, bytes, sizeof value);
        return value;
    }
    void consume(const unsigned char* bytes) {
        for (int i = 0; i < 4; ++i) {
            lanes_[i] = round(lanes_[i], load<std::uint64_t>(bytes + 8 * i));
        }
    }

    std::uint64_t lanes_[4] = {p1 + p2, p2, 0, 0 - p1};
    unsigned char hold_[stripe] = {};
    std::size_t held_ = 0;
    std::uint64_t total_ = 0;
};

}  // namespace temporal_vdb
