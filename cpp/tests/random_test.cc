// SPDX-License-Identifier: MIT OR Apache-2.0
#include "folder.h"
#include "places.h"
#include "twin.h"

#include <temporal_vdb/digest.h>
#include <temporal_vdb/vdb_file.h>

#include <algorithm>
#include <memory>

using namespace temporal_vdb;
using namespace temporal_vdb::test;

namespace {

/// One layer's life: random calls, each one made to the grid and to the model. Either time goes on
/// without end, in jumps, or it goes round in a ring.
class Life {
public:
    Life(std::uint32_t seed, int threads) : random_(seed) {
        const auto side = [&] {
            const std::uint32_t most = random_.once_in(8) ? 140 : random_.once_in(2) ? 20 : 6;
            return static_cast<std::int32_t>(1 + random_.below(most));
        };
        const std::int32_t rows = side(), cols = side();
        const std::size_t spare = random_.once_in(3) ? 0 : TemporalGrid::default_spare_bytes;
        twin_ = std::make_unique<Twin>(rows, cols, threads, spare);
        if (random_.once_in(2)) slots_ = 1 + static_cast<std::int32_t>(random_.below(20));
        if (!random_.once_in(4)) insert_base();
    }

    void live(int calls) {
        for (int i = 0; i < calls; ++i) {
            switch (random_.below(11)) {
                case 0:
                case 1:
                case 2:
                    insert_slice();
                    break;
                case 3:
                case 4:
                    accumulate();
                    break;
                case 5:
                    fold();
                    break;
                case 6:
                    clear();
                    break;
                case 7:
                    query_states();
                    break;
                case 8:
                    query_slices();
                    break;
                case 9:
                    query_lives();
                    break;
                case 10:
                    prune();
                    break;
            }
        }
        query_states();
        query_slices();
        query_lives();
    }

    /// Writes the layer, reads it back and goes on with that.
    void reopen(const Folder& folder) {
        if (slots_ > 0) return;  // a file's z are times, in order
        const auto path = folder.path("layer.vdb");
        write_vdb(twin_->grid, {}, path);
        const Places places(path);
        const std::string& name = twin_->grid.name();
        std::vector<TreeBytes> trees = {places.of(name)};
        if (places.count() > 1) trees.push_back(places.of(name + ".exact"));
        auto back =
            read_vdb(path, trees, name, Extent{twin_->grid.rows(), twin_->grid.cols(), last_z},
                     twin_->grid.workers().threads());
        CHECK(digest(back, "") == digest(twin_->grid, ""));
        const Model before = twin_->model;
        twin_ = std::make_unique<Twin>(std::move(back));
        CHECK(difference(twin_->model.deltas, before.deltas) == "");
        CHECK(difference(twin_->model.marks, before.marks) == "");
    }

private:
    std::size_t batch() { return random_.once_in(6) ? 0 : 1 + random_.below(25); }
    std::vector<Voxel> deltas() { return random_.deltas(rows(), cols(), batch()); }
    std::vector<Voxel> marks() {
        return random_.values(rows(), cols(), random_.once_in(2) ? 0 : 1 + random_.below(4));
    }
    std::int32_t rows() const { return twin_->grid.rows(); }
    std::int32_t cols() const { return twin_->grid.cols(); }

    void insert_base() { twin_->insert_base(random_.values(rows(), cols(), batch())); }

    void insert_slice() {
        const std::int32_t jump =
            random_.once_in(4)
                ? 1 + static_cast<std::int32_t>(random_.below(random_.once_in(4) ? 6000 : 12))
                : 1;
        if (slots_ == 0) {
            time_ += jump;
            std::size_t folded = 0;
            if (random_.once_in(4))
                folded = random_.below(static_cast<std::uint32_t>(zs_.size() + 1));
            twin_->insert_slice(time_, deltas(), marks(), spans_of(0, folded));
            zs_.erase(zs_.begin(), zs_.begin() + static_cast<std::ptrdiff_t>(folded));
            times_.erase(times_.begin(), times_.begin() + static_cast<std::ptrdiff_t>(folded));
            zs_.push_back(time_);
        } else {
            time_ += std::min(jump, 2 * slots_);
            std::size_t folded = 0;
            while (folded < times_.size() && times_[folded] <= time_ - slots_) ++folded;
            const std::int32_t z = 1 + (time_ - 1) % slots_;
            twin_->insert_slice(z, deltas(), marks(), spans_of(0, folded));
            zs_.erase(zs_.begin(), zs_.begin() + static_cast<std::ptrdiff_t>(folded));
            times_.erase(times_.begin(), times_.begin() + static_cast<std::ptrdiff_t>(folded));
            zs_.push_back(z);
        }
        times_.push_back(time_);
    }

    void accumulate() {
        if (zs_.empty()) return insert_slice();
        const std::int32_t z = zs_.back();
        auto voxels = deltas();
        if (random_.once_in(3)) {
            // What is there already, the other way round: sums of exactly 0.
            voxels = Model::slice(twin_->model.deltas, z);
            for (Voxel& voxel : voxels) voxel.value = -voxel.value;
        }
        if (random_.once_in(2)) {
            voxels.erase(
                std::remove_if(voxels.begin(), voxels.end(),
                               [&](const Voxel& voxel) { return twin_->model.marked(z, voxel); }),
                voxels.end());
        }
        twin_->accumulate(z, voxels);
    }

    void fold() {
        if (zs_.empty()) return insert_base();
        const std::size_t count = random_.below(static_cast<std::uint32_t>(zs_.size() + 1));
        const auto before = twin_->model.states(spans_of(0, zs_.size()));
        twin_->fold(spans_of(0, count));
        zs_.erase(zs_.begin(), zs_.begin() + static_cast<std::ptrdiff_t>(count));
        times_.erase(times_.begin(), times_.begin() + static_cast<std::ptrdiff_t>(count));
        CHECK(difference(walk_states(twin_->grid, spans_of(0, zs_.size())), before) == "");
    }

    /// Some steps stay; what is between them is merged.
    void prune() {
        if (zs_.empty() || slots_ > 0) return;
        const std::uint32_t thinned = 1 + random_.below(4);
        std::vector<std::int32_t> kept;
        std::vector<ZSpan> merges;
        const std::int32_t base =
            random_.once_in(2) ? 0 : zs_[random_.below(static_cast<std::uint32_t>(zs_.size()))];
        std::int32_t before = base;
        bool gap = false;
        for (const std::int32_t z : zs_) {
            if (z <= base) continue;
            if (z != zs_.back() && !random_.once_in(thinned)) {
                gap = true;
                continue;
            }
            if (gap) merges.push_back({before + 1, z});
            kept.push_back(z);
            before = z;
            gap = false;
        }
        std::vector<States> states;
        for (const std::int32_t z : kept) states.push_back(twin_->model.states({{1, z}}));
        twin_->prune(base, merges);
        zs_ = times_ = kept;
        for (std::size_t i = 0; i < kept.size(); ++i) {
            CHECK(difference(walk_states(twin_->grid, {{1, kept[i]}}), states[i]) == "");
        }
    }

    /// Drops the newest steps.
    void clear() {
        if (zs_.empty() || random_.once_in(2)) return;
        const std::size_t kept =
            zs_.size() - 1 -
            random_.below(static_cast<std::uint32_t>(std::min<std::size_t>(zs_.size(), 3)));
        const auto before = twin_->model.states(spans_of(0, kept));
        if (slots_ == 0) {
            twin_->clear({zs_[kept], last_z});
        } else {
            for (std::size_t i = kept; i < zs_.size(); ++i) twin_->clear({zs_[i], zs_[i]});
        }
        zs_.resize(kept);
        times_.resize(kept);
        CHECK(difference(walk_states(twin_->grid, spans_of(0, kept)), before) == "");
    }

    void query_states() {
        const auto some = [&](std::int32_t end, std::int32_t& first, std::int32_t& last) {
            first = static_cast<std::int32_t>(random_.below(static_cast<std::uint32_t>(end)));
            last = first + static_cast<std::int32_t>(
                               random_.below(static_cast<std::uint32_t>(end - first + 1)));
        };
        Region region = twin_->whole();
        if (!random_.once_in(3)) {
            some(rows(), region.row_begin, region.row_end);
            some(cols(), region.col_begin, region.col_end);
        }
        twin_->check_states(some_spans(), region);
        if (random_.once_in(3)) twin_->check_many_states(some_spans());
    }

    void query_slices() {
        std::set<std::int32_t> asked;
        for (const std::int32_t z : zs_) {
            if (random_.once_in(2)) asked.insert(z);
        }
        if (random_.once_in(2)) asked.insert(0);
        if (random_.once_in(2)) asked.insert(static_cast<std::int32_t>(random_.below(30)));
        twin_->check_slices({asked.begin(), asked.end()});
    }

    void query_lives() {
        std::vector<Weight> weights;
        for (const Weight& weight : twin_->model.weights()) {
            if (random_.once_in(5)) weights.push_back(weight);
        }
        weights.emplace_back(rows() - 1, cols() - 1);
        twin_->check_lives(weights, some_spans());
        twin_->check_counts(some_spans());
    }

    std::vector<ZSpan> some_spans() {
        return spans_of(0, random_.below(static_cast<std::uint32_t>(zs_.size() + 1)));
    }

    /// Slices zs_[begin..end] as spans: slices that follow each other in one span, mostly.
    std::vector<ZSpan> spans_of(std::size_t begin, std::size_t end) {
        std::vector<ZSpan> spans;
        for (std::size_t i = begin; i < end; ++i) {
            const bool joins = !spans.empty() && (slots_ == 0 ? spans.back().last < zs_[i]
                                                              : spans.back().last + 1 == zs_[i]);
            if (joins && !random_.once_in(10)) {
                spans.back().last = zs_[i];
            } else {
                spans.push_back({zs_[i], zs_[i]});
            }
        }
        return spans;
    }

    Random random_;
    std::unique_ptr<Twin> twin_;
    std::int32_t slots_ = 0;  ///< of the ring, if it is one
    std::int32_t time_ = 0;
    std::vector<std::int32_t> zs_;     ///< of the slices kept, in time order
    std::vector<std::int32_t> times_;  ///< their times
};

}  // namespace

TEST_CASE("any sequence of calls gives what the model gives") {
    const Folder folder;
    for (std::uint32_t seed = 0; seed < 600; ++seed) {
        CAPTURE(seed);
        Life life(seed, seed % 2 ? 1 : 2);
        life.live(30);
        if (seed % 16 == 0) {
            life.reopen(folder);
            life.live(10);
        }
    }
}
