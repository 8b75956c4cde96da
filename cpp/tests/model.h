// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#include "bits.h"

#include <temporal_vdb/voxel.h>

#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace temporal_vdb {
namespace test {

using Weight = std::pair<std::int32_t, std::int32_t>;                ///< row, column
using Place = std::tuple<std::int32_t, std::int32_t, std::int32_t>;  ///< row, column, z
using Voxels = std::map<Place, float>;
using States = std::map<Weight, float>;

constexpr std::int32_t last_z = std::numeric_limits<std::int32_t>::max() - 1;

/// What a TemporalGrid stands for, as plain maps: slow, and right by inspection.
class Model {
public:
    Voxels deltas;  ///< the base is z = 0
    Voxels marks;

    void insert_base(const std::vector<Voxel>& voxels) {
        deltas.clear();
        set(deltas, 0, voxels);
    }

    void insert_slice(const std::vector<ZSpan>& folded, std::int32_t z,
                      const std::vector<Voxel>& new_deltas, const std::vector<Voxel>& new_marks) {
        fold(folded);
        set(deltas, z, new_deltas);
        set(marks, z, new_marks);
    }

    /// What the delta would be after `value` is added.
    float sum(std::int32_t z, const Voxel& voxel) const {
        const auto before = deltas.find({voxel.row, voxel.col, z});
        return (before == deltas.end() ? 0.0f : before->second) + voxel.value;
    }

    bool marked(std::int32_t z, const Voxel& voxel) const {
        return marks.count({voxel.row, voxel.col, z}) > 0;
    }

    void accumulate(std::int32_t z, const std::vector<Voxel>& voxels) {
        for (const Voxel& voxel : voxels) {
            const float value = sum(z, voxel);
            const Place place{voxel.row, voxel.col, z};
            if (value == 0.0f) {
                deltas.erase(place);
            } else {
                deltas[place] = value;
            }
        }
    }

    void fold(const std::vector<ZSpan>& spans) {
        for (const Weight& weight : weights()) {
            if (change_times(weight, spans).empty()) continue;
            const float value = state(weight, spans);
            const Place base{weight.first, weight.second, 0};
            if (bits_of(value) == 0) {
                deltas.erase(base);
            } else {
                deltas[base] = value;
            }
        }
        for (const ZSpan span : spans) clear(span);
    }

    /// What pruning has to leave, told by the states before and after each span.
    void prune(std::int32_t base, const std::vector<ZSpan>& merges) {
        std::vector<States> before, after;
        for (const ZSpan span : merges) {
            before.push_back(span.first == 1 ? states({}) : states({{1, span.first - 1}}));
            after.push_back(states({{1, span.last}}));
        }
        if (base > 0) fold({{1, base}});
        for (std::size_t i = 0; i < merges.size(); ++i) {
            clear(merges[i]);
            for (const Weight& weight : weights_of(before[i], after[i])) {
                merge(weight, value(before[i], weight), value(after[i], weight), merges[i].last);
            }
        }
    }

    void clear(ZSpan span) {
        for (Voxels* voxels : {&deltas, &marks}) {
            for (auto at = voxels->begin(); at != voxels->end();) {
                const std::int32_t z = std::get<2>(at->first);
                at = span.first <= z && z <= span.last ? voxels->erase(at) : std::next(at);
            }
        }
    }

    /// The slices that have a delta or a mark for the weight, in the order of `spans`.
    std::vector<std::int32_t> change_times(const Weight& weight,
                                           const std::vector<ZSpan>& spans) const {
        std::vector<std::int32_t> times;
        for (const ZSpan span : spans) {
            std::set<std::int32_t> zs;
            for (const Voxels* voxels : {&deltas, &marks}) {
                const auto end = voxels->upper_bound({weight.first, weight.second, span.last});
                auto at = voxels->lower_bound({weight.first, weight.second, span.first});
                for (; at != end; ++at) zs.insert(std::get<2>(at->first));
            }
            times.insert(times.end(), zs.begin(), zs.end());
        }
        return times;
    }

    std::vector<ZValue> history(const Weight& weight, const std::vector<ZSpan>& spans) const {
        const auto base = deltas.find({weight.first, weight.second, 0});
        float state = base == deltas.end() ? 0.0f : base->second;
        std::vector<ZValue> states{{0, state}};
        for (const std::int32_t z : change_times(weight, spans)) {
            const Place place{weight.first, weight.second, z};
            const auto mark = marks.find(place);
            state = mark == marks.end() ? state + deltas.at(place) : mark->second;
            states.push_back({z, state});
        }
        return states;
    }

    float state(const Weight& weight, const std::vector<ZSpan>& spans) const {
        return history(weight, spans).back().value;
    }

    /// The states of all weights whose bits are not those of +0.0.
    States states(const std::vector<ZSpan>& spans) const {
        States all;
        for (const Weight& weight : weights()) {
            const float value = state(weight, spans);
            if (bits_of(value) != 0) all[weight] = value;
        }
        return all;
    }

    /// One slice of the deltas or of the marks.
    static std::vector<Voxel> slice(const Voxels& voxels, std::int32_t z) {
        std::vector<Voxel> slice;
        for (const auto& [place, value] : voxels) {
            if (std::get<2>(place) == z) {
                slice.push_back({std::get<0>(place), std::get<1>(place), value});
            }
        }
        return slice;
    }

    /// The weights that have any voxel.
    std::set<Weight> weights() const {
        std::set<Weight> all;
        for (const Voxels* voxels : {&deltas, &marks}) {
            for (const auto& entry : *voxels) {
                all.emplace(std::get<0>(entry.first), std::get<1>(entry.first));
            }
        }
        return all;
    }

private:
    static std::set<Weight> weights_of(const States& some, const States& others) {
        std::set<Weight> weights;
        for (const States* states : {&some, &others}) {
            for (const auto& entry : *states) weights.insert(entry.first);
        }
        return weights;
    }

    static float value(const States& states, const Weight& weight) {
        const auto at = states.find(weight);
        return at == states.end() ? 0.0f : at->second;
    }

    /// What leads from one state of a weight to another, as slice z.
    void merge(const Weight& weight, float from, float to, std::int32_t z) {
        if (bits_of(from) == bits_of(to)) return;
        const Place place{weight.first, weight.second, z};
        float landed = from;
        const float delta = to - from;
        if (std::isfinite(delta) && delta != 0.0f) {
            deltas[place] = delta;
            landed = from + delta;
        }
        const bool exact =
            std::isfinite(from) && std::isfinite(to) && bits_of(landed) == bits_of(to);
        if (!exact) marks[place] = to;
    }

    static void set(Voxels& to, std::int32_t z, const std::vector<Voxel>& voxels) {
        for (const Voxel& voxel : voxels) to[{voxel.row, voxel.col, z}] = voxel.value;
    }
};

inline std::string text_of(const Weight& weight) {
    return "(" + std::to_string(weight.first) + ", " + std::to_string(weight.second) + ")";
}

inline std::string text_of(const Place& place) {
    return "(" + std::to_string(std::get<0>(place)) + ", " + std::to_string(std::get<1>(place)) +
           ", " + std::to_string(std::get<2>(place)) + ")";
}

/// "" if the two have the same places with the same bits, else where they differ first.
template <typename At>
std::string difference(const std::map<At, float>& got, const std::map<At, float>& wanted) {
    for (const auto& [place, value] : wanted) {
        const auto at = got.find(place);
        if (at == got.end()) return "nothing at " + text_of(place);
        if (bits_of(at->second) != bits_of(value)) {
            return text_of(place) + " is " + text_of(at->second) + ", not " + text_of(value);
        }
    }
    for (const auto& entry : got) {
        if (!wanted.count(entry.first)) return "something at " + text_of(entry.first);
    }
    return "";
}

inline std::string difference(const std::vector<Voxel>& got, const std::vector<Voxel>& wanted) {
    if (got.size() != wanted.size()) {
        return std::to_string(got.size()) + " voxels, not " + std::to_string(wanted.size());
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
        const Place at{got[i].row, got[i].col, 0}, expected{wanted[i].row, wanted[i].col, 0};
        if (at != expected) return text_of(at) + " instead of " + text_of(expected);
        if (bits_of(got[i].value) != bits_of(wanted[i].value)) {
            return text_of(at) + " is " + text_of(got[i].value) + ", not " +
                   text_of(wanted[i].value);
        }
    }
    return "";
}

inline std::string difference(const std::vector<ZValue>& got, const std::vector<ZValue>& wanted) {
    if (got.size() != wanted.size()) {
        return std::to_string(got.size()) + " values, not " + std::to_string(wanted.size());
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (got[i].z == wanted[i].z && bits_of(got[i].value) == bits_of(wanted[i].value)) continue;
        return "value " + std::to_string(i) + " is " + text_of(got[i].value) +
               " at z = " + std::to_string(got[i].z) + ", not " + text_of(wanted[i].value) +
               " at z = " + std::to_string(wanted[i].z);
    }
    return "";
}

}  // namespace test
}  // namespace temporal_vdb
