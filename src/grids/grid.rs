use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cxx::UniquePtr;

use super::zspan::{ZSpan, ZValue};
use crate::error::{Error, Result};
use crate::grids::ffi;
use crate::host::vec_with_room;
use crate::values::{Delta, Figures, Region, SparseWeights, Voxel, dense_len};
use crate::vdb::VdbGrid;

/// The safe owner of one layer's grids in C++. It knows z, not timesteps: which slice is which
/// step is the layer's business.
///
/// Rust's borrows are OpenVDB's rule: many readers or one writer.
pub(crate) struct Grid {
    raw: UniquePtr<ffi::TemporalGrid>,
    name: String,
}

/// How a grid works, whatever it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GridOptions {
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) spare_bytes: usize,
}

impl GridOptions {
    /// As the kernels take it: 0 is the machine's own number.
    fn threads(&self) -> i32 {
        self.threads.map_or(0, |threads| {
            i32::try_from(threads.get()).unwrap_or(i32::MAX)
        })
    }
}

/// The lives of some weights, one after the other.
pub(crate) struct Histories(UniquePtr<ffi::Histories>);

/// When each of some weights changed.
pub(crate) struct ChangeTimes(UniquePtr<ffi::ChangeTimes>);

impl Grid {
    pub(crate) fn new(name: &str, rows: i32, cols: i32, options: GridOptions) -> Result<Self> {
        let raw = ffi::new_grid(name, rows, cols, options.threads(), options.spare_bytes)?;
        Grid::own(raw)
    }

    fn own(raw: UniquePtr<ffi::TemporalGrid>) -> Result<Self> {
        let name = ffi::grid_name(&raw)?;
        Ok(Grid { raw, name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shape(&self) -> (i32, i32) {
        (ffi::grid_rows(&self.raw), ffi::grid_cols(&self.raw))
    }

    pub(crate) fn has_exact(&self) -> bool {
        ffi::has_exact(&self.raw)
    }

    pub(crate) fn figures(&self) -> Result<Figures> {
        Ok(ffi::figures(&self.raw)?)
    }

    /// Makes `voxels` the base of a grid that holds no slices.
    pub(crate) fn insert_base(&mut self, voxels: &[Voxel]) -> Result<()> {
        Ok(ffi::insert_base(self.raw.pin_mut(), voxels)?)
    }

    /// Folds `fold` into the base, if anything, and fills slice z, which is empty then.
    pub(crate) fn insert_slice(&mut self, fold: &[ZSpan], z: i32, delta: &Delta) -> Result<()> {
        Ok(ffi::insert_slice(
            self.raw.pin_mut(),
            fold,
            z,
            delta.deltas(),
            delta.marks(),
        )?)
    }

    /// Adds to slice z.
    pub(crate) fn accumulate(&mut self, z: i32, voxels: &[Voxel]) -> Result<()> {
        Ok(ffi::accumulate(self.raw.pin_mut(), z, voxels)?)
    }

    /// Folds slices into the base.
    pub(crate) fn fold(&mut self, spans: &[ZSpan]) -> Result<()> {
        Ok(ffi::fold(self.raw.pin_mut(), spans)?)
    }

    /// Drops slices.
    pub(crate) fn clear(&mut self, span: ZSpan) -> Result<()> {
        Ok(ffi::clear(self.raw.pin_mut(), span)?)
    }

    /// Folds slices 1 to `base` into the base, and makes one slice of those of each span of
    /// `merges`: the one at its end.
    pub(crate) fn prune(&mut self, base: i32, merges: &[ZSpan]) -> Result<()> {
        Ok(ffi::prune(self.raw.pin_mut(), base, merges)?)
    }

    /// By how many bytes that would change what the trees take.
    pub(crate) fn growth_by_prune(&self, base: i32, merges: &[ZSpan]) -> Result<i64> {
        Ok(ffi::growth_by_prune(&self.raw, base, merges)?)
    }

    /// Several states of a region, row-major: those after the slices of `spans[..stops[i]]`.
    /// `stops` ascend.
    pub(crate) fn dense_states(
        &self,
        spans: &[ZSpan],
        stops: &[usize],
        region: Region,
    ) -> Result<Vec<Vec<f32>>> {
        let len = dense_len(region.shape_within(self.shape())?);
        let mut outs = vec_with_room(stops.len())?;
        for _ in stops {
            let mut out = vec_with_room(len)?;
            out.resize(len, 0.0);
            outs.push(out);
        }
        ffi::dense_states(&self.raw, spans, stops, region, &mut outs)?;
        Ok(outs)
    }

    /// In how many slices of `spans` each weight changed, row-major.
    pub(crate) fn change_counts(&self, spans: &[ZSpan]) -> Result<Vec<u32>> {
        let len = dense_len(self.shape());
        let mut counts = vec_with_room(len)?;
        counts.resize(len, 0);
        ffi::change_counts(&self.raw, spans, &mut counts)?;
        Ok(counts)
    }

    /// The state after `spans` of a region, sparse, as that of `timestep`.
    pub(crate) fn sparse_state(
        &self,
        spans: &[ZSpan],
        region: Region,
        timestep: usize,
    ) -> Result<SparseWeights> {
        let shape = region.shape_within(self.shape())?;
        let state = ffi::sparse_state(&self.raw, spans, region)?;
        let mut row_offsets = vec_with_room(shape.0 as usize + 1)?;
        row_offsets.extend(
            ffi::state_row_offsets(&state)
                .iter()
                .map(|&offset| offset as usize),
        );
        let cols = ffi::state_cols(&state).to_vec();
        let values = ffi::state_values(&state).to_vec();
        Ok(SparseWeights::from_state(
            shape,
            row_offsets,
            cols,
            values,
            timestep,
        ))
    }

    /// Several slices, `zs` ascending.
    pub(crate) fn slices(&self, zs: &[i32]) -> Result<Vec<Delta>> {
        let (rows, cols) = self.shape();
        let deltas = ffi::delta_slices(&self.raw, zs)?;
        let marks = ffi::exact_slices(&self.raw, zs)?;
        let part = |slices: &ffi::Slices, i: usize| {
            let offsets = ffi::slice_offsets(slices);
            ffi::slice_voxels(slices)[offsets[i] as usize..offsets[i + 1] as usize].to_vec()
        };
        let slice = |i| Delta::from_checked((rows, cols), part(&deltas, i), part(&marks, i));
        Ok((0..zs.len()).map(slice).collect())
    }

    /// The lives of some weights in the slices of `spans`, which follow those of `before`.
    pub(crate) fn histories(
        &self,
        weights: &[Voxel],
        before: &[ZSpan],
        spans: &[ZSpan],
    ) -> Result<Histories> {
        Ok(Histories(ffi::histories(
            &self.raw, weights, before, spans,
        )?))
    }

    /// In which slices each of some weights changed.
    pub(crate) fn change_times(&self, weights: &[Voxel], spans: &[ZSpan]) -> Result<ChangeTimes> {
        Ok(ChangeTimes(ffi::change_times(&self.raw, weights, spans)?))
    }

    /// What [`Grid::insert_slice`] does, voxel by voxel in any order; see `baseline.rs`.
    pub(crate) fn set_voxelwise(&mut self, z: i32, voxels: &[Voxel]) -> Result<()> {
        Ok(ffi::set_voxelwise(self.raw.pin_mut(), z, voxels)?)
    }

    /// What [`Grid::sparse_state`] does, voxel by voxel: a grid with the state as its base.
    pub(crate) fn sum_voxelwise(&self, last: i32) -> Result<Grid> {
        Grid::own(ffi::sum_voxelwise(&self.raw, last)?)
    }

    /// What [`Grid::write_vdb`] does, as OpenVDB's documentation shows it; see `baseline.rs`.
    pub(crate) fn write_plainly(&self, path: &Path) -> Result<()> {
        ffi::write_plainly(&self.raw, bytes_of(path)).map_err(|error| at_path(error, path))
    }

    /// How many exact marks there are.
    pub(crate) fn marks(&self) -> u64 {
        ffi::marks(&self.raw)
    }

    /// The z of the slices that hold anything, ascending.
    pub(crate) fn slices_in_use(&self) -> Result<Vec<i32>> {
        Ok(ffi::slices_in_use(&self.raw)?)
    }

    /// The digest of a text and, after it, all voxels; `include/temporal_vdb/digest.h` says which.
    pub(crate) fn digest(&self, text: &str) -> Result<u64> {
        Ok(ffi::digest(&self.raw, text)?)
    }

    /// Writes the grid with metadata, whole or not at all.
    pub(crate) fn write_vdb(&self, entries: &[(&str, String)], path: &Path) -> Result<()> {
        let (keys, texts): (Vec<_>, Vec<_>) =
            entries.iter().map(|(key, text)| (*key, &text[..])).unzip();
        ffi::write_vdb(&self.raw, &keys, &texts, bytes_of(path))
            .map_err(|error| at_path(error, path))
    }

    /// Reads a grid that has been checked.
    pub(crate) fn read_vdb(checked: &VdbGrid, options: GridOptions) -> Result<Grid> {
        let trees: Vec<_> = [Some(checked.deltas), checked.marks]
            .into_iter()
            .flatten()
            .collect();
        let raw = ffi::read_vdb(
            bytes_of(checked.path()),
            &trees,
            checked.name(),
            checked.extent(),
            options.threads(),
            options.spare_bytes,
        );
        Grid::own(raw.map_err(|error| at_path(error, checked.path()))?)
    }
}

impl Histories {
    /// Of each weight its state before, and z and the state after it for each change.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f32, &[ZValue])> {
        let changes = ffi::history_changes(&self.0);
        let spans = ffi::history_offsets(&self.0).windows(2);
        let own = spans.map(|ends| &changes[ends[0] as usize..ends[1] as usize]);
        ffi::history_starts(&self.0).iter().copied().zip(own)
    }
}

impl ChangeTimes {
    /// Of each weight the z of its changes, in the order of time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[i32]> {
        let zs = ffi::times_zs(&self.0);
        let spans = ffi::times_offsets(&self.0).windows(2);
        spans.map(|ends| &zs[ends[0] as usize..ends[1] as usize])
    }
}

fn bytes_of(path: &Path) -> &[u8] {
    OsStr::as_bytes(path.as_os_str())
}

/// The kernels name no file in what they throw; here it is known.
fn at_path(exception: cxx::Exception, file: &Path) -> Error {
    match Error::from(exception) {
        Error::Io { source, .. } => Error::Io {
            path: file.to_owned(),
            source,
        },
        Error::NotALayer { reason, .. } => Error::NotALayer {
            path: file.to_owned(),
            reason,
        },
        other => other,
    }
}
