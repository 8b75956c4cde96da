// SPDX-License-Identifier: MIT OR Apache-2.0
#include <temporal_vdb/bridge.h>

#include <temporal_vdb/baseline.h>
#include <temporal_vdb/fold.h>
#include <temporal_vdb/insert.h>
#include <temporal_vdb/prune.h>

#include <cstddef>
#include <new>
#include <stdexcept>

namespace temporal_vdb {

// src/grids/ffi.rs states the same layouts.
static_assert(sizeof(Voxel) == 12 && offsetof(Voxel, col) == 4 && offsetof(Voxel, value) == 8);
static_assert(sizeof(ZValue) == 8 && offsetof(ZValue, value) == 4);
static_assert(sizeof(ZSpan) == 8 && offsetof(ZSpan, last) == 4);
static_assert(sizeof(Region) == 16 && offsetof(Region, row_end) == 4 &&
              offsetof(Region, col_begin) == 8 && offsetof(Region, col_end) == 12);
static_assert(sizeof(Figures) == 64 && offsetof(Figures, leaves) == 24 &&
              offsetof(Figures, spare_bytes) == 56);
static_assert(sizeof(FloatSpan) == 16 && offsetof(FloatSpan, size) == 8);
static_assert(sizeof(TreeBytes) == 24 && offsetof(TreeBytes, compression) == 16 &&
              offsetof(TreeBytes, half) == 20);
static_assert(sizeof(Extent) == 12 && offsetof(Extent, last_z) == 8);

namespace bridge {

namespace {

template <typename T>
Span<T> span(rust::Slice<T> slice) {
    return {slice.data(), slice.size()};
}

template <typename T>
rust::Slice<const T> slice(const std::vector<T>& vector) {
    return {vector.data(), vector.size()};
}

std::string path_of(rust::Slice<const std::uint8_t> bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

std::unique_ptr<TemporalGrid> new_grid(rust::Str name, std::int32_t rows, std::int32_t cols,
                                       std::int32_t threads, std::size_t spare_bytes) {
    return std::make_unique<TemporalGrid>(std::string(name), rows, cols, threads, spare_bytes);
}

rust::String grid_name(const TemporalGrid& grid) {
    return rust::String::lossy(grid.name());  // a file's names need not be UTF-8
}
std::int32_t grid_rows(const TemporalGrid& grid) { return grid.rows(); }
std::int32_t grid_cols(const TemporalGrid& grid) { return grid.cols(); }
bool has_exact(const TemporalGrid& grid) { return grid.exact() != nullptr; }
Figures figures(const TemporalGrid& grid) { return temporal_vdb::figures(grid); }

void insert_base(TemporalGrid& grid, rust::Slice<const Voxel> voxels) {
    temporal_vdb::insert_base(grid, span(voxels));
}

void insert_slice(TemporalGrid& grid, rust::Slice<const ZSpan> fold, std::int32_t z,
                  rust::Slice<const Voxel> deltas, rust::Slice<const Voxel> marks) {
    temporal_vdb::insert_slice(grid, span(fold), z, span(deltas), span(marks));
}

void accumulate(TemporalGrid& grid, std::int32_t z, rust::Slice<const Voxel> voxels) {
    temporal_vdb::accumulate(grid, z, span(voxels));
}

void fold(TemporalGrid& grid, rust::Slice<const ZSpan> spans) {
    temporal_vdb::fold(grid, span(spans));
}

void clear(TemporalGrid& grid, ZSpan span) { temporal_vdb::clear(grid, span); }

void prune(TemporalGrid& grid, std::int32_t base, rust::Slice<const ZSpan> merges) {
    temporal_vdb::prune(grid, base, span(merges));
}

std::int64_t growth_by_prune(const TemporalGrid& grid, std::int32_t base,
                             rust::Slice<const ZSpan> merges) {
    return temporal_vdb::growth_by_prune(grid, base, span(merges));
}

void dense_states(const TemporalGrid& grid, rust::Slice<const ZSpan> spans,
                  rust::Slice<const std::size_t> stops, Region region,
                  rust::Slice<const FloatSpan> outs) {
    temporal_vdb::dense_states(grid, span(spans), span(stops), region, span(outs));
}

std::unique_ptr<SparseState> sparse_state(const TemporalGrid& grid, rust::Slice<const ZSpan> spans,
                                          Region region) {
    return std::make_unique<SparseState>(temporal_vdb::sparse_state(grid, span(spans), region));
}

rust::Slice<const std::uint64_t> state_row_offsets(const SparseState& state) {
    return slice(state.row_offsets);
}
rust::Slice<const std::int32_t> state_cols(const SparseState& state) { return slice(state.cols); }
rust::Slice<const float> state_values(const SparseState& state) { return slice(state.values); }

std::unique_ptr<Slices> delta_slices(const TemporalGrid& grid, rust::Slice<const std::int32_t> zs) {
    return std::make_unique<Slices>(temporal_vdb::delta_slices(grid, span(zs)));
}

std::unique_ptr<Slices> exact_slices(const TemporalGrid& grid, rust::Slice<const std::int32_t> zs) {
    return std::make_unique<Slices>(temporal_vdb::exact_slices(grid, span(zs)));
}

rust::Slice<const std::uint64_t> slice_offsets(const Slices& slices) {
    return slice(slices.offsets);
}
rust::Slice<const Voxel> slice_voxels(const Slices& slices) { return slice(slices.voxels); }

std::unique_ptr<Histories> histories(const TemporalGrid& grid, rust::Slice<const Voxel> weights,
                                     rust::Slice<const ZSpan> before,
                                     rust::Slice<const ZSpan> spans) {
    return std::make_unique<Histories>(
        temporal_vdb::histories(grid, span(weights), span(before), span(spans)));
}

rust::Slice<const float> history_starts(const Histories& histories) {
    return slice(histories.starts);
}
rust::Slice<const std::uint64_t> history_offsets(const Histories& histories) {
    return slice(histories.offsets);
}
rust::Slice<const ZValue> history_changes(const Histories& histories) {
    return slice(histories.changes);
}

std::unique_ptr<ChangeTimes> change_times(const TemporalGrid& grid,
                                          rust::Slice<const Voxel> weights,
                                          rust::Slice<const ZSpan> spans) {
    return std::make_unique<ChangeTimes>(
        temporal_vdb::change_times(grid, span(weights), span(spans)));
}

rust::Slice<const std::uint64_t> times_offsets(const ChangeTimes& times) {
    return slice(times.offsets);
}
rust::Slice<const std::int32_t> times_zs(const ChangeTimes& times) { return slice(times.zs); }

void change_counts(const TemporalGrid& grid, rust::Slice<const ZSpan> spans,
                   rust::Slice<std::uint32_t> out) {
    temporal_vdb::change_counts(grid, span(spans), span(out));
}

rust::Vec<std::int32_t> slices_in_use(const TemporalGrid& grid) {
    rust::Vec<std::int32_t> zs;
    for (const std::int32_t z : temporal_vdb::slices_in_use(grid)) zs.push_back(z);
    return zs;
}

std::uint64_t marks(const TemporalGrid& grid) {
    return grid.exact() ? grid.exact()->activeVoxelCount() : 0;
}

std::uint64_t digest(const TemporalGrid& grid, rust::Str text) {
    return temporal_vdb::digest(grid, std::string(text));
}

void write_vdb(const TemporalGrid& grid, rust::Slice<const rust::Str> keys,
               rust::Slice<const rust::Str> texts, rust::Slice<const std::uint8_t> path) {
    Entries all;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        all.emplace_back(std::string(keys[i]), std::string(texts[i]));
    }
    temporal_vdb::write_vdb(grid, all, path_of(path));
}

std::unique_ptr<TemporalGrid> read_vdb(rust::Slice<const std::uint8_t> path,
                                       rust::Slice<const TreeBytes> trees, rust::Str name,
                                       Extent extent, std::int32_t threads,
                                       std::size_t spare_bytes) {
    return std::make_unique<TemporalGrid>(temporal_vdb::read_vdb(
        path_of(path), span(trees), std::string(name), extent, threads, spare_bytes));
}

void set_voxelwise(TemporalGrid& grid, std::int32_t z, rust::Slice<const Voxel> voxels) {
    temporal_vdb::set_voxelwise(grid, z, span(voxels));
}

std::unique_ptr<TemporalGrid> sum_voxelwise(const TemporalGrid& grid, std::int32_t last) {
    return std::make_unique<TemporalGrid>(temporal_vdb::sum_voxelwise(grid, last));
}

void write_plainly(const TemporalGrid& grid, rust::Slice<const std::uint8_t> path) {
    temporal_vdb::write_plainly(grid, path_of(path));
}

void throw_exception(std::int32_t which) {
    switch (which) {
        case 0:
            OPENVDB_THROW(openvdb::ArithmeticError, "thrown");
        case 1:
            OPENVDB_THROW(openvdb::IndexError, "thrown");
        case 2:
            OPENVDB_THROW(openvdb::IoError, "thrown");
        case 3:
            OPENVDB_THROW(openvdb::KeyError, "thrown");
        case 4:
            OPENVDB_THROW(openvdb::LookupError, "thrown");
        case 5:
            OPENVDB_THROW(openvdb::NotImplementedError, "thrown");
        case 6:
            OPENVDB_THROW(openvdb::ReferenceError, "thrown");
        case 7:
            OPENVDB_THROW(openvdb::RuntimeError, "thrown");
        case 8:
            OPENVDB_THROW(openvdb::TypeError, "thrown");
        case 9:
            OPENVDB_THROW(openvdb::ValueError, "thrown");
        case 10:
            throw std::bad_alloc();
        case 11:
            throw std::runtime_error("thrown");
        case 12:
            throw 42;
        default:
            throw std::length_error("thrown");
    }
}

}  // namespace bridge
}  // namespace temporal_vdb
