//! A layer in a `.vdb`.

use std::path::Path;

use super::Layer;
use crate::error::Result;
use crate::grids::StorageOptions;
use crate::grids::grid::{Grid, GridFile};
use crate::grids::timeline::Timeline;
use crate::values::Voxel;

impl Layer {
    /// Writes the layer as `.vdb`, z being the timestep. Tags and the policy are not written, and a
    /// step that is open is one like the others there. Errors: `Io`.
    pub fn export_vdb(&self, path: &Path) -> Result<()> {
        let steps: Vec<i32> = self.timeline.steps().iter().copied().collect();
        if self.timeline.ring().is_none() {
            return self.grid.write_vdb(self.timeline.oldest(), &steps, path);
        }
        let mut unrolled = Grid::new(
            self.name(),
            self.shape().0,
            self.shape().1,
            StorageOptions::default().grid(),
        )?;
        self.copy_into(&mut unrolled, |step| step)?;
        unrolled.write_vdb(self.timeline.oldest(), &steps, path)
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

    /// Reads a layer from a `.vdb`: `name`, or the only one where it is `None`. Into a ring goes
    /// what it reaches; older steps are folded. For files you trust. Errors: `Io`, `NotALayer`.
    pub fn open_vdb(path: &Path, name: Option<&str>, options: StorageOptions) -> Result<Self> {
        let GridFile {
            grid,
            oldest,
            steps,
        } = Grid::read_vdb(path, name.unwrap_or(""), options.grid())?;
        let mut layer = Layer::with(grid, Timeline::with_steps(oldest, steps), options);
        let Some(ring) = options.ring else {
            return Ok(layer);
        };
        let reach = layer.timeline.latest() - ring.steps();
        layer.prune_history(
            layer
                .timeline
                .steps()
                .iter()
                .filter(|&&step| step > reach)
                .count(),
        )?;
        let (rows, cols) = layer.shape();
        let mut slots = Grid::new(layer.name(), rows, cols, options.grid())?;
        layer.copy_into(&mut slots, |step| ring.z_of(step as usize))?;
        let timeline = layer.timeline.in_ring(ring);
        Ok(Layer::with(slots, timeline, options))
    }
}
