// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/float_mode.h>

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cstddef>

namespace temporal_vdb {

/// How many threads the kernels of a grid may use. Each call makes a TBB arena of that size, so
/// nothing process-wide is touched and several callers do not queue for one arena's slots.
class Workers {
public:
    /// `threads` = 0 means as many as TBB sees fit for this machine; it is never more than that
    /// (TBB would print a warning).
    explicit Workers(int threads) {
        const int most = tbb::this_task_arena::max_concurrency();
        threads_ = threads > 0 ? std::min(threads, most) : most;
    }

    int threads() const { return threads_; }

    /// Calls body(i) once for each i in 0..count, in any order, on any of the threads. The body
    /// must write only what belongs to its own i: then the number of threads cannot show.
    template <typename Body>
    void for_each(std::size_t count, const Body& body) const {
        if (threads_ == 1 || count <= 1) {
            const FloatMode ieee;
            for (std::size_t i = 0; i < count; ++i) body(i);
            return;
        }
        tbb::task_arena arena(threads_);
        arena.execute([&] {
            tbb::parallel_for(tbb::blocked_range<std::size_t>(0, count),
                              [&](const tbb::blocked_range<std::size_t>& range) {
                                  const FloatMode ieee;
                                  for (std::size_t i = range.begin(); i != range.end(); ++i) {
                                      body(i);
                                  }
                              });
        });
    }

private:
    int threads_;
};

}  // namespace temporal_vdb
