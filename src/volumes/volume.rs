//! One file for all steps: layers as blocks, time upward.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::layout::{Layout, Place, Scene, TimeAxis};
use super::lines::Lines;
use super::magnitudes::Magnitudes;
use super::movement::{Plane, Pooling};
use super::report::PicturedLayer;
use super::request::Request;
use super::tone::Tone;
use super::volume_file::{FogGrid, VolumeFile};
use crate::error::{Error, Result};
use crate::host::{Progress, Task, blocking, vec_with_room};

/// Mean optical depth along the shortest edge: seen without a material, and seen through.
pub(super) const DEPTH: f64 = 1.5;

/// The densest that a 16-bit float can tell.
const DENSEST: f64 = 65_504.0;

/// The density where rise and fall are 1 together, for a volume in which they are `mean` on the mean;
/// `None` where nothing is bright.
pub(super) fn density_of(mean: f64, scene: &Scene) -> Option<f32> {
    (mean > 0.0).then(|| (DEPTH / (mean * scene.shortest())).min(DENSEST) as f32)
}

/// The movements of a layer, in voxels: plane after plane in the order of time.
struct Block {
    plane: usize,
    steps_per_voxel: usize,
    steps: usize,
    rise: Vec<f32>,
    fall: Vec<f32>,
    left_out: u64,
}

impl Block {
    fn new(place: &Place, axis: TimeAxis, steps: usize) -> Result<Self> {
        let plane = place.voxels.0 * place.voxels.1;
        let len = plane
            .checked_mul(steps.div_ceil(axis.steps_per_voxel))
            .ok_or(Error::OutOfMemory)?;
        let zeros = || -> Result<Vec<f32>> {
            let mut zeros = vec_with_room(len)?;
            zeros.resize(len, 0.0);
            Ok(zeros)
        };
        Ok(Block {
            plane,
            steps_per_voxel: axis.steps_per_voxel,
            steps,
            rise: zeros()?,
            fall: zeros()?,
            left_out: 0,
        })
    }

    /// Adds step `i`: a voxel of several steps holds their mean.
    fn add(&mut self, i: usize, plane: &Plane) {
        let voxel = i / self.steps_per_voxel;
        let begin = voxel * self.steps_per_voxel;
        let count = (self.steps - begin).min(self.steps_per_voxel) as f32;
        let own = voxel * self.plane..(voxel + 1) * self.plane;
        for (to, from) in [(&mut self.rise, &plane.rise), (&mut self.fall, &plane.fall)] {
            for (sum, value) in to[own.clone()].iter_mut().zip(from) {
                *sum = (*sum + value / count).min(f32::MAX);
            }
        }
        self.left_out += plane.left_out;
    }

    fn magnitudes(&self) -> Magnitudes {
        let mut found = Magnitudes::new();
        found.add(&self.rise);
        found.add(&self.fall);
        found
    }

    fn brighten(&mut self, tone: Tone) {
        for value in self.rise.iter_mut().chain(&mut self.fall) {
            *value = tone.brightness(*value);
        }
    }

    fn sum(&self) -> f64 {
        let both = self.rise.iter().zip(&self.fall);
        both.map(|(rise, fall)| f64::from(*rise) + f64::from(*fall))
            .sum()
    }
}

/// What was made of the layers.
pub(super) struct Made {
    pub(super) layers: Vec<PicturedLayer>,
    pub(super) lines: Vec<(Lines, Lines)>,
    pub(super) voxels: [usize; 3],
    /// The density where rise and fall are 1 together.
    pub(super) dense: f32,
}

impl Request<'_> {
    /// Writes one file for all steps into `folder`, and gives its name.
    pub(super) async fn write_volume(
        &self,
        folder: &Arc<TempDir>,
        progress: &Progress,
        task: &Task,
    ) -> Result<(Vec<PathBuf>, Made)> {
        let options = self.options;
        let (layout, axis) = Layout::side_by_side(
            &self.shapes(),
            self.steps.len(),
            options.pool,
            options.time_scale,
        );
        self.check_size(&layout, 1)?;
        task.expect((self.layers.len() * self.steps.len()) as u64);
        let lines = self.lines(progress).await?;
        let mut blocks = Vec::new();
        for (i, place) in layout.places.iter().enumerate() {
            blocks.push(self.block(i, place, &lines[i], axis, task).await?);
        }
        let (scale, gamma) = (options.scale, options.gamma);
        let (blocks, tones) = blocking::run(move || {
            let found: Vec<_> = blocks.iter().map(Block::magnitudes).collect();
            let tones = Tone::of_layers(scale, gamma, &found);
            for (block, tone) in blocks.iter_mut().zip(tones.iter().flatten()) {
                block.brighten(*tone);
            }
            Ok((blocks, tones))
        })
        .await?;
        let tones = tones.ok_or_else(|| self.nothing_moves())?;
        let scene = Scene::new(&layout, options.size, options.up);
        let mut file = scene.file()?;
        let mut layers = Vec::new();
        let shown = self.layers.iter().zip(&layout.places).zip(&tones);
        for (((own, place), tone), block) in shown.zip(&blocks) {
            layers.push(PicturedLayer {
                name: own.name.clone(),
                shape: own.shape,
                pool: (place.pool.0, place.pool.1, axis.steps_per_voxel),
                scale: tone.scale,
                left_out: block.left_out,
            });
        }
        let scales: Vec<_> = layers.iter().map(|own| (own.scale, own.pool)).collect();
        self.tell(&mut file, &scales)?;
        let per_step = axis.voxels_per_step as f32 / axis.steps_per_voxel as f32;
        file.set_float("voxels_per_step", per_step)?;
        self.tell_notes(&mut file, self.steps.last().copied().unwrap_or(0))?;
        let (voxels, task) = (layout.dims, task.clone());
        // The folder stays as long as anybody writes into it.
        let (folder, path) = (Arc::clone(folder), folder.path().join("volume"));
        let name = path.clone();
        let dense = blocking::run(move || {
            let sum: f64 = blocks.iter().map(Block::sum).sum();
            let mean = sum * axis.voxels_per_step as f64 / layout.box_voxels() as f64;
            let Some(dense) = density_of(mean, &scene) else {
                return Ok(None);
            };
            fill(&mut file, &layout, &scene, axis, (&blocks, dense))?;
            task.check()?;
            file.write(&path)?;
            drop(folder);
            Ok(Some(dense))
        })
        .await?;
        let dense = dense.ok_or_else(|| self.too_faint())?;
        let made = Made {
            layers,
            lines,
            voxels,
            dense,
        };
        Ok((vec![name], made))
    }

    async fn block(
        &self,
        layer: usize,
        place: &Place,
        lines: &(Lines, Lines),
        axis: TimeAxis,
        task: &Task,
    ) -> Result<Block> {
        let shape = self.layers[layer].shape;
        let pooling = Arc::new(Pooling::new(shape, lines.clone(), place.pool));
        let mut movement = self.movement(layer, &pooling);
        let mut block = Block::new(place, axis, self.steps.len())?;
        let mut i = 0;
        loop {
            let planes = movement.next(usize::MAX, task).await?;
            if planes.is_empty() {
                return Ok(block);
            }
            let begin = i;
            i += planes.len();
            block = blocking::run(move || {
                for (plane, i) in planes.iter().zip(begin..) {
                    block.add(i, plane);
                }
                Ok(block)
            })
            .await?;
        }
    }
}

/// Fills the three grids.
fn fill(
    file: &mut VolumeFile,
    layout: &Layout,
    scene: &Scene,
    axis: TimeAxis,
    (blocks, dense): (&[Block], f32),
) -> Result<()> {
    let mut voxels = scene.blank()?;
    for grid in [FogGrid::Density, FogGrid::Fall, FogGrid::Rise] {
        // What one grid sets the next one sets anew.
        for (place, block) in layout.places.iter().zip(blocks) {
            scene.paint(&mut voxels, place, |[row, col, z]| {
                let at = z / axis.voxels_per_step * block.plane + row * place.voxels.1 + col;
                shown(grid, dense, block.rise[at], block.fall[at])
            });
        }
        scene.fill(file, grid, &voxels)?;
    }
    Ok(())
}

/// What a grid shows of a voxel.
pub(super) fn shown(grid: FogGrid, dense: f32, rise: f32, fall: f32) -> f32 {
    match grid {
        FogGrid::Density => (dense * (rise + fall)).min(DENSEST as f32),
        FogGrid::Fall => fall,
        FogGrid::Rise => rise,
    }
}
