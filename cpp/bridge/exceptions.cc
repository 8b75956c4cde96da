// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/exceptions.h>

#include <temporal_vdb/error.h>

#include <openvdb/Exceptions.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>

namespace temporal_vdb {
namespace bridge {

namespace {

const char* tag(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_argument:
            return "invalid_argument";
        case ErrorCode::not_finite:
            return "not_finite";
        case ErrorCode::exact_mark:
            return "exact_mark";
        case ErrorCode::not_a_layer:
            return "not_a_layer";
        case ErrorCode::io:
            return "io";
    }
    return "unexpected";
}

std::string describe() {
    // tag, row, col, bits of the value, number of the OS error, message
    const auto line = [](const std::string& name, const Error* error, const char* message) {
        std::uint32_t bits = 0;
        const float value = error ? error->value() : 0.0f;
        std::memcpy(&bits, &value, sizeof bits);
        return name + '\x1f' + std::to_string(error ? error->row() : 0) + '\x1f' +
               std::to_string(error ? error->col() : 0) + '\x1f' + std::to_string(bits) + '\x1f' +
               std::to_string(error ? error->os_error() : 0) + '\x1f' + message;
    };
    try {
        throw;
    } catch (const Error& error) {
        return line(tag(error.code()), &error, error.what());
    } catch (const openvdb::Exception& error) {
        return line("openvdb", nullptr, error.what());
    } catch (const std::bad_alloc&) {
        return line("out_of_memory", nullptr, "");
    } catch (const std::length_error&) {
        return line("out_of_memory", nullptr, "");  // a vector beyond what any memory holds
    } catch (const std::exception& error) {
        return line("unexpected", nullptr, error.what());
    } catch (...) {
        return line("unexpected", nullptr, "something that is no std::exception was thrown");
    }
}

}  // namespace

std::string describe_current_exception() noexcept {
    try {
        return describe();
    } catch (...) {
        return "oom";  // too short to allocate
    }
}

}  // namespace bridge
}  // namespace temporal_vdb
