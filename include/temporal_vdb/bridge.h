// SPDX-License-Identifier: MIT OR Apache-2.0
#pragma once

#ifdef __FAST_MATH__
#error "temporal-vdb promises the same bits everywhere: compile it without -ffast-math"
#endif

#include <temporal_vdb/digest.h>
#include <temporal_vdb/exceptions.h>
#include <temporal_vdb/histories.h>
#include <temporal_vdb/slices.h>
#include <temporal_vdb/state.h>
#include <temporal_vdb/temporal_grid.h>
#include <temporal_vdb/vdb_file.h>
#include <temporal_vdb/voxel.h>

#include "rust/cxx.h"

#include <memory>

// What src/grids/ffi.rs declares, in the same order and under the same names.

namespace temporal_vdb {
namespace bridge {

std::unique_ptr<TemporalGrid> new_grid(rust::Str name, std::int32_t rows, std::int32_t cols,
                                       std::int32_t threads, std::size_t spare_bytes);
rust::String grid_name(const TemporalGrid& grid);
std::int32_t grid_rows(const TemporalGrid& grid);
std::int32_t grid_cols(const TemporalGrid& grid);
bool has_exact(const TemporalGrid& grid);
Figures figures(const TemporalGrid& grid);

void insert_base(TemporalGrid& grid, rust::Slice<const Voxel> voxels);
void insert_slice(TemporalGrid& grid, rust::Slice<const ZSpan> fold, std::int32_t z,
                  rust::Slice<const Voxel> deltas, rust::Slice<const Voxel> marks);
void accumulate(TemporalGrid& grid, std::int32_t z, rust::Slice<const Voxel> voxels);
void fold(TemporalGrid& grid, rust::Slice<const ZSpan> spans);
void clear(TemporalGrid& grid, ZSpan span);
void prune(TemporalGrid& grid, std::int32_t base, rust::Slice<const ZSpan> merges);
std::int64_t growth_by_prune(const TemporalGrid& grid, std::int32_t base,
                             rust::Slice<const ZSpan> merges);

void dense_states(const TemporalGrid& grid, rust::Slice<const ZSpan> spans,
                  rust::Slice<const std::size_t> stops, Region region,
                  rust::Slice<const FloatSpan> outs);
std::unique_ptr<SparseState> sparse_state(const TemporalGrid& grid, rust::Slice<const ZSpan> spans,
                                          Region region);
rust::Slice<const std::uint64_t> state_row_offsets(const SparseState& state);
rust::Slice<const std::int32_t> state_cols(const SparseState& state);
rust::Slice<const float> state_values(const SparseState& state);

std::unique_ptr<Slices> delta_slices(const TemporalGrid& grid, rust::Slice<const std::int32_t> zs);
std::unique_ptr<Slices> exact_slices(const TemporalGrid& grid, rust::Slice<const std::int32_t> zs);
rust::Slice<const std::uint64_t> slice_offsets(const Slices& slices);
rust::Slice<const Voxel> slice_voxels(const Slices& slices);

std::unique_ptr<Histories> histories(const TemporalGrid& grid, rust::Slice<const Voxel> weights,
                                     rust::Slice<const ZSpan> before,
                                     rust::Slice<const ZSpan> spans);
rust::Slice<const float> history_starts(const Histories& histories);
rust::Slice<const std::uint64_t> history_offsets(const Histories& histories);
rust::Slice<const ZValue> history_changes(const Histories& histories);
std::unique_ptr<ChangeTimes> change_times(const TemporalGrid& grid,
                                          rust::Slice<const Voxel> weights,
                                          rust::Slice<const ZSpan> spans);
rust::Slice<const std::uint64_t> times_offsets(const ChangeTimes& times);
rust::Slice<const std::int32_t> times_zs(const ChangeTimes& times);
void change_counts(const TemporalGrid& grid, rust::Slice<const ZSpan> spans,
                   rust::Slice<std::uint32_t> out);

rust::Vec<std::int32_t> slices_in_use(const TemporalGrid& grid);
std::uint64_t marks(const TemporalGrid& grid);
std::uint64_t digest(const TemporalGrid& grid, rust::Str text);
void write_vdb(const TemporalGrid& grid, rust::Slice<const rust::Str> keys,
               rust::Slice<const rust::Str> texts, rust::Slice<const std::uint8_t> path);
std::unique_ptr<TemporalGrid> read_vdb(rust::Slice<const std::uint8_t> path,
                                       rust::Slice<const TreeBytes> trees, rust::Str name,
                                       Extent extent, std::int32_t threads,
                                       std::size_t spare_bytes);

void set_voxelwise(TemporalGrid& grid, std::int32_t z, rust::Slice<const Voxel> voxels);
std::unique_ptr<TemporalGrid> sum_voxelwise(const TemporalGrid& grid, std::int32_t last);
void write_plainly(const TemporalGrid& grid, rust::Slice<const std::uint8_t> path);

void throw_exception(std::int32_t which);

}  // namespace bridge
}  // namespace temporal_vdb
