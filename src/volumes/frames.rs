//! A file a step: layers as plates, with an afterglow.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::layout::{Layout, Scene};
use super::magnitudes::Magnitudes;
use super::movement::{Movement, Plane, Pooling};
use super::report::PicturedLayer;
use super::request::Request;
use super::tone::Tone;
use super::volume::{Made, density_of, shown};
use super::volume_file::{FogGrid, VolumeFile};
use crate::error::Result;
use crate::host::{Progress, Task, blocking};

/// What is left of a movement one frame later.
const AFTERGLOW: f32 = 0.7;

/// Bytes of planes that are held at a time.
const PLANES_BYTES: usize = 64 << 20;

/// Goes through all frames, as many at a time as are held.
struct Frames<'a> {
    movements: Vec<Movement<'a>>,
    /// Of each layer what the frame before showed.
    glow: Vec<Option<Plane>>,
    at_once: usize,
}

impl<'a> Frames<'a> {
    fn new(request: &'a Request<'_>, poolings: &[Arc<Pooling>]) -> Self {
        let movements = poolings.iter().enumerate();
        let voxels: usize = poolings.iter().map(|own| own.voxels.0 * own.voxels.1).sum();
        Frames {
            movements: movements.map(|(i, own)| request.movement(i, own)).collect(),
            glow: poolings.iter().map(|_| None).collect(),
            at_once: (PLANES_BYTES / (8 * voxels.max(1))).max(1),
        }
    }

    /// The next frames, of each its layers as they moved, and the same with their afterglow; none at
    /// the end.
    async fn next(&mut self, task: &Task) -> Result<Vec<Vec<(Plane, Plane)>>> {
        let mut frames: Vec<Vec<(Plane, Plane)>> = Vec::new();
        let mut count = self.at_once;
        for (movement, glow) in self.movements.iter_mut().zip(&mut self.glow) {
            // A layer may give fewer at once than were asked for; all have to give as many.
            let mut planes = Vec::new();
            while planes.len() < count {
                let more = movement.next(count - planes.len(), task).await?;
                if more.is_empty() {
                    break;
                }
                planes.extend(more);
            }
            count = planes.len();
            frames.resize_with(count, Vec::new);
            for (frame, plane) in frames.iter_mut().zip(planes) {
                let own = match glow.take() {
                    Some(before) => faded(before, &plane),
                    None => plane.clone(),
                };
                *glow = Some(own.clone());
                frame.push((plane, own));
            }
        }
        Ok(frames)
    }
}

/// What a frame shows: a movement, or what is left of an earlier one where that is more.
fn faded(mut before: Plane, now: &Plane) -> Plane {
    let parts = [(&mut before.rise, &now.rise), (&mut before.fall, &now.fall)];
    for (glow, now) in parts {
        for (glow, now) in glow.iter_mut().zip(now) {
            *glow = now.max(*glow * AFTERGLOW);
        }
    }
    before
}

impl Request<'_> {
    /// Writes a file for each step into `folder`, and gives their names in their order.
    pub(super) async fn write_frames(
        &self,
        folder: &Arc<TempDir>,
        progress: &Progress,
        task: &Task,
    ) -> Result<(Vec<PathBuf>, Made)> {
        let options = self.options;
        let layout = Layout::plates(&self.shapes(), options.pool);
        self.check_size(&layout, self.steps.len() as u64)?;
        task.expect((2 * self.layers.len() * self.steps.len()) as u64);
        let lines = self.lines(progress).await?;
        let poolings: Vec<_> = layout
            .places
            .iter()
            .zip(self.shapes())
            .zip(&lines)
            .map(|((place, shape), lines)| Arc::new(Pooling::new(shape, lines.clone(), place.pool)))
            .collect();

        // Once for the scale, which all frames share, and once for the frames.
        let seen = self.look_through(&poolings, task).await?;
        let tones = Tone::of_layers(options.scale, options.gamma, &seen.moved)
            .ok_or_else(|| self.nothing_moves())?;
        let scene = Scene::new(&layout, options.size, options.up);
        let shown = layout.places.iter().zip(&seen.glowed).zip(&tones);
        let sums = shown.map(|((place, own), tone)| {
            let voxels: usize = place.dims.iter().product();
            // A voxel rises or falls, or both: two magnitudes for each.
            2.0 * voxels as f64 * own.mean(|movement| tone.brightness(movement))
        });
        let mean = sums.sum::<f64>() / layout.box_voxels() as f64;
        let dense = density_of(mean, &scene).ok_or_else(|| self.too_faint())?;
        let pictured = self
            .layers
            .iter()
            .zip(&layout.places)
            .zip(&tones)
            .zip(seen.left_out);
        let layers: Vec<_> = pictured
            .map(|(((own, place), tone), left_out)| PicturedLayer {
                name: own.name.clone(),
                shape: own.shape,
                pool: (place.pool.0, place.pool.1, 1),
                scale: tone.scale,
                left_out,
            })
            .collect();

        let stage = Arc::new(Stage {
            layout,
            scene,
            tones,
            dense,
        });
        let scales: Vec<_> = layers.iter().map(|own| (own.scale, own.pool)).collect();
        let mut frames = Frames::new(self, &poolings);
        let mut names = Vec::new();
        loop {
            let next = frames.next(task).await?;
            if next.is_empty() {
                break;
            }
            for mut frame in next {
                let step = self.steps[names.len()];
                let mut file = stage.scene.file()?;
                self.tell(&mut file, &scales)?;
                self.tell_notes(&mut file, step)?;
                file.set_number("step", i32::try_from(step).unwrap_or(i32::MAX))?;
                file.set_number("frame", names.len() as i32 + 1)?;
                let path = folder.path().join(names.len().to_string());
                names.push(path.clone());
                let (stage, task) = (Arc::clone(&stage), task.clone());
                // It stays as long as anybody writes into it.
                let folder = Arc::clone(folder);
                blocking::run(move || {
                    stage.fill(&mut file, &mut frame)?;
                    task.check()?;
                    file.write(&path)?;
                    drop(folder);
                    Ok(())
                })
                .await?;
            }
        }
        let made = Made {
            layers,
            lines,
            voxels: stage.layout.dims,
            dense: stage.dense,
        };
        Ok((names, made))
    }

    /// Goes through all frames, to see how much moves.
    async fn look_through(&self, poolings: &[Arc<Pooling>], task: &Task) -> Result<Seen> {
        let mut seen = Seen {
            moved: vec![Magnitudes::new(); poolings.len()],
            glowed: vec![Magnitudes::new(); poolings.len()],
            left_out: vec![0; poolings.len()],
        };
        let mut frames = Frames::new(self, poolings);
        loop {
            let next = frames.next(task).await?;
            if next.is_empty() {
                return Ok(seen);
            }
            seen = blocking::run(move || {
                for frame in next {
                    for (i, (plane, glow)) in frame.into_iter().enumerate() {
                        seen.moved[i].add(&plane.rise);
                        seen.moved[i].add(&plane.fall);
                        seen.glowed[i].add(&glow.rise);
                        seen.glowed[i].add(&glow.fall);
                        seen.left_out[i] += plane.left_out;
                    }
                }
                Ok(seen)
            })
            .await?;
        }
    }
}

/// How much moved in all frames, layer by layer.
struct Seen {
    moved: Vec<Magnitudes>,
    glowed: Vec<Magnitudes>,
    left_out: Vec<u64>,
}

/// What all frames share.
struct Stage {
    layout: Layout,
    scene: Scene,
    tones: Vec<Tone>,
    dense: f32,
}

impl Stage {
    fn fill(&self, file: &mut VolumeFile, frame: &mut [(Plane, Plane)]) -> Result<()> {
        for ((_, glow), tone) in frame.iter_mut().zip(&self.tones) {
            for value in glow.rise.iter_mut().chain(&mut glow.fall) {
                *value = tone.brightness(*value);
            }
        }
        let mut voxels = self.scene.blank()?;
        for grid in [FogGrid::Density, FogGrid::Fall, FogGrid::Rise] {
            for (place, (_, glow)) in self.layout.places.iter().zip(&*frame) {
                self.scene.paint(&mut voxels, place, |[_, col, z]| {
                    let at = (place.voxels.0 - 1 - z) * place.voxels.1 + col;
                    shown(grid, self.dense, glow.rise[at], glow.fall[at])
                });
            }
            self.scene.fill(file, grid, &voxels)?;
        }
        self.scene.hold_bounds(file)
    }
}
