// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace temporal_vdb {

/// What went wrong, as far as a caller can act on it.
enum class ErrorCode {
    invalid_argument,  ///< the batch breaks the kernel's stated contract
    not_finite,        ///< a sum at (row, col) would not be finite
    exact_mark,        ///< accumulation onto the exact mark at (row, col)
    not_a_layer,       ///< the file is no layer of this library, nor readable as one
    io,                ///< the operating system refused; os_error() has its number
};

/// An error of this library. Where a single weight is to blame, (row, col) names it.
class Error : public std::runtime_error {
public:
    Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

    static Error at(ErrorCode code, std::int32_t row, std::int32_t col, float value,
                    const std::string& message) {
        Error error(code, message);
        error.row_ = row;
        error.col_ = col;
        error.value_ = value;
        return error;
    }

    static Error os(int number, const std::string& message) {
        Error error(ErrorCode::io, message);
        error.os_error_ = number;
        return error;
    }

    ErrorCode code() const { return code_; }
    std::int32_t row() const { return row_; }
    std::int32_t col() const { return col_; }
    float value() const { return value_; }
    int os_error() const { return os_error_; }

private:
    ErrorCode code_;
    std::int32_t row_ = 0;
    std::int32_t col_ = 0;
    float value_ = 0.0f;
    int os_error_ = 0;
};

}  // namespace temporal_vdb
