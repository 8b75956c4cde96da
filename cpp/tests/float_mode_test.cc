// SPDX-License-Identifier: MIT OR Apache-2.0
#include "twin.h"

#include <temporal_vdb/float_mode.h>

#include <cfenv>
#include <functional>

#ifdef __SSE__
#include <xmmintrin.h>
#endif

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

/// What a host may have set in its thread.
struct HostMode {
    std::string name;
    std::function<void()> set;
    /// Whether arithmetic shows it, so that a test of it can fail.
    std::function<bool()> shows;
};

/// Added when this is called, under the mode of then: the compiler knows neither value.
float sum(float a, float b) {
    volatile float left = a, right = b;
    return left + right;
}

std::vector<HostMode> host_modes() {
    const auto up = [] { return sum(1.0f, 1e-30f) > 1.0f; };
    const auto down = [] { return std::signbit(sum(1.0f, -1.0f)); };
    const auto zero = [] { return sum(-1.0f, 1e-30f) > -1.0f && sum(1.0f, -1e-30f) < 1.0f; };
    std::vector<HostMode> modes = {
        {"upward", [] { std::fesetround(FE_UPWARD); }, up},
        {"downward", [] { std::fesetround(FE_DOWNWARD); }, down},
        {"toward zero", [] { std::fesetround(FE_TOWARDZERO); }, zero},
    };
#ifdef __SSE__
    constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x0040, overflow_mask = 0x0400,
                       invalid_mask = 0x0080;
    const auto flushed = [] { return bits_of(sum(1e-40f, 1e-40f)) == 0; };
    modes.push_back({"flush to zero, denormals are zero",
                     [] { _mm_setcsr(_mm_getcsr() | flush_to_zero | denormals_are_zero); },
                     flushed});
    modes.push_back({"traps", [] { _mm_setcsr(_mm_getcsr() & ~(overflow_mask | invalid_mask)); },
                     [] { return (_mm_getcsr() & overflow_mask) == 0; }});
#endif
    return modes;
}

/// What the host's thread would notice: rounding, flushing, masks of traps.
unsigned long control() {
#ifdef __SSE__
    return _mm_getcsr() & ~0x3fu;  // without the flags of what has happened
#else
    return static_cast<unsigned long>(std::fegetround());
#endif
}

/// This thread's mode as it was, given back even when a test fails.
class Restored {
public:
    Restored() { std::fegetenv(&before_); }
    ~Restored() { std::fesetenv(&before_); }

private:
    std::fenv_t before_;
};

/// Runs `call` under the host's mode, and says whether that was still set afterwards.
template <typename Call>
bool keeps(const HostMode& mode, const Call& call) {
    bool shown, kept;
    {
        const Restored restored;
        mode.set();
        shown = mode.shows();
        const auto host = control();
        call();
        kept = control() == host && mode.shows();
    }
    CHECK(shown);
    return kept;
}

/// Values whose sums come out differently in each of the modes.
std::vector<Voxel> sensitive(std::int32_t rows, std::int32_t cols, std::size_t count,
                             std::uint32_t seed) {
    const std::vector<float> values = {1e-40f, -1e-40f, 1.0f,    -1.0f, 0.1f,   1e-8f, -0.3f,
                                       1e-45f, 2e-38f,  -1e-38f, 3e38f, -3e38f, 1e30f, -1e-8f};
    Random random(seed);
    return random.voxels(rows, cols, count, [&] {
        return values[random.below(static_cast<std::uint32_t>(values.size()))];
    });
}

}  // namespace

TEST_CASE("a FloatMode computes by the book and gives the host's mode back") {
    for (const HostMode& mode : host_modes()) {
        CAPTURE(mode.name);
        std::uint32_t subnormal = 0, tie = 0, cancelled = 1, overflow = 0;
        const bool kept = keeps(mode, [&] {
            const FloatMode ieee;
            subnormal = bits_of(sum(1e-40f, 1e-40f));
            tie = bits_of(sum(1.0f, 1e-30f));
            cancelled = bits_of(sum(1.0f, -1.0f));
            overflow = bits_of(sum(3e38f, 3e38f));
        });
        CHECK(kept);
        CHECK(subnormal == 2 * bits_of(1e-40f));
        CHECK(tie == bits_of(1.0f));
        CHECK(cancelled == 0);
        CHECK(overflow == 0x7f800000);
    }
}

TEST_CASE("kernels give the same bits whatever the host has set") {
    for (const int threads : thread_counts()) {
        for (const HostMode& mode : host_modes()) {
            CAPTURE(threads);
            CAPTURE(mode.name);
            Twin twin(140, 20, threads);
            const auto kept = [&](const auto& call) { CHECK(keeps(mode, call)); };
            const std::vector<ZSpan> spans{{1, 20}};

            const auto base = sensitive(140, 20, 400, 1);
            twin.model.insert_base(base);
            kept([&] { insert_base(twin.grid, base); });
            for (std::int32_t z = 1; z <= 20; ++z) {
                const auto deltas = sensitive(140, 20, 400, static_cast<std::uint32_t>(z + 1));
                const std::vector<Voxel> marks{{z, 3, 1e-40f}, {z + 50, 19, -0.0f}};
                twin.model.insert_slice({}, z, deltas, marks);
                kept([&] { insert_slice(twin.grid, {}, z, deltas, marks); });
            }
            twin.check();

            const auto states = twin.model.states(spans);
            std::vector<float> dense(140 * 20), wanted(140 * 20);
            for (const auto& [weight, value] : states) {
                wanted[static_cast<std::size_t>(20 * weight.first + weight.second)] = value;
            }
            kept([&] {
                dense_state(twin.grid, spans, twin.whole(),
                            Span<float>(dense.data(), dense.size()));
            });
            CHECK(difference(dense, wanted) == "");
            SparseState sparse;
            kept([&] { sparse = sparse_state(twin.grid, spans, twin.whole()); });
            std::vector<float> present;
            for (const auto& entry : states) present.push_back(entry.second);
            CHECK(difference(sparse.values, present) == "");

            for (const Weight& weight :
                 {Weight{0, 0}, Weight{1, 3}, Weight{51, 19}, Weight{7, 7}, Weight{100, 11}}) {
                std::vector<ZValue> life;
                kept([&] { life = twin.life(weight, spans); });
                CHECK(difference(life, twin.model.history(weight, spans)) == "");
            }

            // Sums: below the smallest normal number, cancelling out, and too large.
            const std::vector<Voxel> small{{0, 0, 1e-40f}, {0, 1, 1.0f}, {0, 2, 1e-38f}};
            const std::vector<Voxel> more{{0, 0, 1e-40f}, {0, 1, -1.0f}, {0, 2, -0.9e-38f}};
            for (const auto& voxels : {small, more}) {
                twin.model.accumulate(21, voxels);
                kept([&] { accumulate(twin.grid, 21, voxels); });
                twin.check();
            }
            const std::vector<Voxel> most{{0, 3, 3.4e38f}};
            twin.model.accumulate(21, most);
            kept([&] { accumulate(twin.grid, 21, most); });
            std::optional<Error> error;
            kept([&] { error = error_of([&] { accumulate(twin.grid, 21, most); }); });
            REQUIRE(error);
            CHECK(error->code() == ErrorCode::not_finite);
            CHECK(bits_of(error->value()) == 0x7f800000);
            twin.check();
            // The sum that rounding upward would call infinite.
            twin.accumulate(21, {{0, 4, std::numeric_limits<float>::max()}});
            const std::vector<Voxel> tiny{{0, 4, 1.0f}};
            twin.model.accumulate(21, tiny);
            kept([&] { accumulate(twin.grid, 21, tiny); });
            twin.check();

            const std::vector<ZSpan> folded{{1, 7}};
            twin.model.insert_slice(folded, 1, small, {});
            kept([&] { insert_slice(twin.grid, folded, 1, small, {}); });
            twin.check();
            const std::vector<ZSpan> rest{{8, 21}, {1, 1}};
            twin.model.fold(rest);
            kept([&] { fold(twin.grid, rest); });
            twin.check();
            twin.check_states({});
        }
    }
}

TEST_CASE("threads give the same bits whatever the host has set") {
    for (const HostMode& mode : host_modes()) {
        CAPTURE(mode.name);
        Twin twin(600, 600, 2);  // large enough to be shared out
        const auto kept = [&](const auto& call) { CHECK(keeps(mode, call)); };
        const auto base = sensitive(600, 600, 8000, 1);
        twin.model.insert_base(base);
        kept([&] { insert_base(twin.grid, base); });
        for (std::int32_t z = 1; z <= 3; ++z) {
            const auto voxels = sensitive(600, 600, 8000, static_cast<std::uint32_t>(z + 1));
            twin.model.accumulate(z, voxels);
            kept([&] { accumulate(twin.grid, z, voxels); });
        }
        const std::vector<ZSpan> spans{{1, 3}};
        SparseState sparse;
        kept([&] { sparse = sparse_state(twin.grid, spans, twin.whole()); });
        std::vector<float> wanted;
        for (const auto& entry : twin.model.states(spans)) wanted.push_back(entry.second);
        CHECK(difference(sparse.values, wanted) == "");
        twin.model.fold(spans);
        kept([&] { fold(twin.grid, spans); });
        twin.check();
    }
}

TEST_CASE("grids are refused or taken whatever the host has set") {
    openvdb::initialize();
    for (const HostMode& mode : host_modes()) {
        CAPTURE(mode.name);
        // A background of 1e-40 is not 0, not even where denormals are.
        const auto bad = openvdb::FloatGrid::create(1e-40f);
        std::optional<Error> error;
        CHECK(keeps(mode, [&] {
            error = error_of([&] { TemporalGrid(bad, nullptr, "layer", 9, 9, 9, 1); });
        }));
        CHECK(error.has_value());

        const auto good = openvdb::FloatGrid::create(0.0f);
        good->tree().setValue({3, 3, 0}, 1e-40f);
        good->tree().addTile(1, {0, 0, 8}, 1e-45f, true);
        std::unique_ptr<TemporalGrid> grid;
        CHECK(keeps(mode, [&] {
            grid = std::make_unique<TemporalGrid>(good, nullptr, "layer", 9, 9, 15, 1);
        }));
        const Twin twin(std::move(*grid));
        CHECK(twin.model.deltas.size() == 513);
        CHECK(twin.model.deltas.at({3, 3, 0}) == 1e-40f);
    }
}
