//! A layer in a `.vdb`.

use std::path::Path;

use super::{Layer, Origin};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::grids::StorageOptions;
use crate::grids::grid::Grid;
use crate::grids::timeline::Timeline;
use crate::values::Voxel;
use crate::vdb::{CHANGES, Form, VdbGrid, keys};

impl Layer {
    /// Writes the layer as `.vdb` in the exact form, z being the timestep. Tags and the policy are not
    /// written, and a step that is open is one like the others there. Errors: `Io`.
    pub fn export_vdb(&self, path: &Path) -> Result<()> {
        if self.timeline.ring().is_none() {
            return self.write_grid(&self.grid, path);
        }
        let mut unrolled = Grid::new(
            self.name(),
            self.shape().0,
            self.shape().1,
            StorageOptions::default().grid(),
        )?;
        self.copy_into(&mut unrolled, |step| step)?;
        self.write_grid(&unrolled, path)
    }

    fn write_grid(&self, grid: &Grid, path: &Path) -> Result<()> {
        let (rows, cols) = self.shape();
        let form = Form {
            rows,
            cols,
            dtype: self.dtype(),
            shape: self.tensor_shape(),
            oldest: self.timeline.oldest(),
            steps: self.timeline.steps().iter().copied().collect(),
            ordinal: false,
            marks: grid.marks(),
        };
        let digest = grid.digest(&form.digested())?;
        let creator = concat!("temporal-vdb ", env!("CARGO_PKG_VERSION"));
        let own = [
            (keys::CREATOR, creator.to_owned()),
            (keys::PART, CHANGES.to_owned()),
            (keys::DIGEST, format!("{digest:016x}")),
        ];
        let entries: Vec<_> = own.into_iter().chain(form.texts()).collect();
        grid.write_vdb(&entries, path)
    }

    /// Copies base and slices into an empty grid, where step `t` goes to `z_of(t)`.
    fn copy_into(&self, grid: &mut Grid, z_of: impl Fn(i32) -> i32) -> Result<()> {
        let base = self.weights_at_time(self.oldest())?;
        let voxels: Vec<_> = base
            .iter()
            .map(|((row, col), &value)| Voxel { row, col, value })
            .collect();
        grid.insert_base(&voxels)?;
        for &step in self.timeline.steps() {
            grid.insert_slice(&[], z_of(step), &self.get_delta_layer(step as usize)?)?;
        }
        Ok(())
    }

    /// Reads a layer from a `.vdb`: grid `name`, or the only one that could be a layer where it is
    /// `None`. Into a ring goes what it reaches; older steps are folded. See
    /// [`OpenVdbStorage::open_vdb`](crate::OpenVdbStorage::open_vdb). Errors: `Io`, `NotALayer`.
    pub fn open_vdb(path: &Path, name: Option<&str>, options: StorageOptions) -> Result<Self> {
        Layer::read_vdb(&VdbGrid::check(path, name)?, options)
    }

    /// Reads a layer from a grid that has been checked, as [`Layer::open_vdb`] does.
    pub fn read_vdb(checked: &VdbGrid, options: StorageOptions) -> Result<Self> {
        let layer = match &checked.form {
            None => Layer::read_plain(checked, options)?,
            Some((form, digest)) => Layer::read_exact(checked, form, *digest, options)?,
        };
        match options.ring {
            Some(_) => layer.into_ring(options),
            None => Ok(layer),
        }
    }

    /// A grid that knows nothing of steps: those are the z at which it has voxels.
    fn read_plain(checked: &VdbGrid, options: StorageOptions) -> Result<Self> {
        let grid = Grid::read_vdb(checked, options.grid())?;
        let timeline = Timeline::with_steps(0, grid.slices_in_use()?);
        Ok(Layer::with(grid, timeline, options))
    }

    fn read_exact(
        checked: &VdbGrid,
        form: &Form,
        digest: u64,
        options: StorageOptions,
    ) -> Result<Self> {
        let mut grid = Grid::read_vdb(checked, options.grid())?;
        let used = grid.slices_in_use()?;
        let is_step = |z: &i32| match form.ordinal {
            true => *z as usize <= form.steps.len(),
            false => form.steps.binary_search(z).is_ok(),
        };
        if let Some(z) = used.iter().find(|z| !is_step(z)) {
            return Err(checked.refuse(format!(
                "grid '{}' has voxels at step {z}, which is not in its list of steps",
                grid.name()
            )));
        }
        if grid.digest(&form.digested())? != digest {
            return Err(checked.refuse(format!(
                "the voxels of grid '{}', or what it says of itself, are not what was exported: its digest is another (was it changed, or damaged?)",
                grid.name()
            )));
        }
        let origin = Origin {
            dtype: form.dtype,
            shape: form.shape.clone(),
        };
        if form.ordinal {
            let places = Timeline::with_steps(0, (1..=form.steps.len() as i32).collect());
            let by_place = Layer::with(grid, places, options);
            grid = Grid::new(checked.name(), form.rows, form.cols, options.grid())?;
            by_place.copy_into(&mut grid, |place| form.steps[place as usize - 1])?;
        }
        let timeline = Timeline::with_steps(form.oldest, form.steps.clone());
        let mut layer = Layer::with(grid, timeline, options);
        layer.origin = Some(origin);
        Ok(layer)
    }

    fn into_ring(mut self, options: StorageOptions) -> Result<Self> {
        let Some(ring) = options.ring else {
            return Ok(self);
        };
        let reach = self.timeline.latest() - ring.steps();
        let steps = self.timeline.steps().iter();
        self.prune_history(steps.filter(|&&step| step > reach).count())?;
        let (rows, cols) = self.shape();
        let mut slots = Grid::new(self.name(), rows, cols, options.grid())?;
        self.copy_into(&mut slots, |step| ring.z_of(step as usize))?;
        let timeline = self.timeline.in_ring(ring);
        let mut layer = Layer::with(slots, timeline, options);
        layer.origin = self.origin;
        Ok(layer)
    }

    /// The type that its weights have come with: that of a store's layer, until something is written
    /// to it; else F32.
    pub fn dtype(&self) -> Dtype {
        self.origin
            .as_ref()
            .map_or(Dtype::F32, |origin| origin.dtype)
    }

    /// The shape of the tensor that it is made of: that of a store's layer, until something is written to
    /// it; else rows and columns.
    pub fn tensor_shape(&self) -> Vec<usize> {
        match &self.origin {
            Some(origin) => origin.shape.clone(),
            None => vec![self.shape().0 as usize, self.shape().1 as usize],
        }
    }
}
