// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>

#if defined(__SANITIZE_THREAD__)
#define TEMPORAL_VDB_WITHOUT_TBB
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEMPORAL_VDB_WITHOUT_TBB
#endif
#endif

#ifdef TEMPORAL_VDB_WITHOUT_TBB
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>
#else
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#endif

namespace temporal_vdb {

#ifndef TEMPORAL_VDB_WITHOUT_TBB

/// Calls range(begin, end) for parts of 0..count that cover it, `grain` or more each, on up to
/// `threads` threads.
template <typename Range>
void share_out(int threads, std::size_t count, std::size_t grain, const Range& range) {
    tbb::task_arena arena(threads);
    arena.execute([&] {
        tbb::parallel_for(
            tbb::blocked_range<std::size_t>(0, count, grain),
            [&](const tbb::blocked_range<std::size_t>& r) { range(r.begin(), r.end()); });
    });
}

/// Calls body(threaded) where TBB's loops in it find up to `threads` threads; `threaded` says
/// whether they are to look for them.
template <typename Body>
void within_arena(int threads, const Body& body) {
    tbb::task_arena arena(threads);
    arena.execute([&] { body(true); });
}

#else

// For the thread sanitizer. libtbb is not built with it, so it does not see that tasks come after
// what was written before them, and before what follows: every result would be a race. Plain
// threads do the same work here. They say nothing to each other, so that all of their races show.

template <typename Range>
void share_out(int threads, std::size_t count, std::size_t grain, const Range& range) {
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::exception_ptr thrown;
    const auto work = [&] {
        try {
            for (;;) {
                const std::size_t begin = next.fetch_add(grain, std::memory_order_relaxed);
                if (begin >= count) return;
                range(begin, std::min(count, begin + grain));
            }
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex);
            thrown = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(work);
    work();
    for (auto& other : others) other.join();
    if (thrown) std::rethrow_exception(thrown);
}

/// OpenVDB's loops stay on one thread, then: they give each node to one thread anyway.
template <typename Body>
void within_arena(int, const Body& body) {
    body(false);
}

#endif

}  // namespace temporal_vdb
