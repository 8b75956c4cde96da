// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include <temporal_vdb/float_mode.h>
#include <temporal_vdb/share_out.h>

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
    ///
    /// `work` is a rough number of steps (voxels written, leaves read) of all i together: below
    /// some thousands, waking a second thread costs more than it brings.
    template <typename Body>
    void for_each(std::size_t count, std::size_t work, const Body& body) const {
        struct Nothing {};
        for_each_with(
            count, work, [] { return Nothing{}; }, [&](Nothing&, std::size_t i) { body(i); });
    }

    /// The same, as body(tool, i): tool = make() serves the many i that one thread takes in a row.
    template <typename Make, typename Body>
    void for_each_with(std::size_t count, std::size_t work, const Make& make,
                       const Body& body) const {
        const auto range = [&](std::size_t begin, std::size_t end) {
            const FloatMode ieee;
            auto tool = make();
            for (std::size_t i = begin; i < end; ++i) body(tool, i);
        };
        if (count <= 1 || !worth_sharing(work)) return range(0, count);
        const std::size_t grain = std::max<std::size_t>(1, count * worth_a_task / work);
        share_out(threads_, count, grain, range);
    }

    /// Calls body(threaded) once, where OpenVDB's own loops over nodes find these threads and no
    /// others: `threaded` is what they are to be told. These tasks are in the host's floating point
    /// mode, unless they make a FloatMode.
    template <typename Body>
    void within_arena(std::size_t work, const Body& body) const {
        if (!worth_sharing(work)) return body(false);
        temporal_vdb::within_arena(threads_, body);
    }

private:
    static constexpr std::size_t worth_a_task = 4096;

    bool worth_sharing(std::size_t work) const { return threads_ > 1 && work >= 2 * worth_a_task; }

    int threads_;
};

}  // namespace temporal_vdb
