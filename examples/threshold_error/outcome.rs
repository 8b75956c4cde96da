//! What a way of recording comes to.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ndarray::Array2;
use temporal_vdb::{Checkpoint, Durability, StoreOptions, TemporalStore, Threshold};
use tvdb_bench::training::{Images, Mlp, STEPS, largest_error, same_bits, standard_deviation};

use crate::run::Run;
use crate::variant::Variant;

/// States are read back every so many steps.
const READ_EVERY: usize = 5;

/// Steps that a store seals together.
const SLAB: usize = 8;

/// A state that was read back.
pub struct Point {
    pub step: usize,
    /// Share of the test images that it gets right, 0..=1.
    pub accuracy: f64,
    /// How far that is from the trained network's.
    pub difference: f64,
}

/// A run as one variant has recorded it.
pub struct Outcome {
    pub variant: Variant,
    /// Changes of all steps.
    pub changes: u64,
    pub file_bytes: u64,
    /// Bytes of the file without the base, over changes.
    pub bytes_per_change: f64,
    /// Largest distance of a weight from the trained one, in standard deviations of its matrix.
    pub largest_error: f64,
    pub points: Vec<Point>,
}

impl Outcome {
    /// Records the run into a new store in `folder`, reads states back and tests them.
    ///
    /// # Errors
    ///
    /// If the store cannot be made or read; if a weight is further from the trained one than the
    /// variant allows.
    pub async fn measure(
        variant: Variant,
        run: &Run,
        test: &Images,
        folder: &Path,
    ) -> Result<Self> {
        let path = folder.join(variant.file_name());
        // A run that is cut short begins anew, so no step has to be on the disk before the next.
        let options = StoreOptions {
            durability: Durability::Eventual,
            ..StoreOptions::default()
        };
        let store = TemporalStore::create(&path, options).await?;
        for step in 0..=STEPS {
            let checkpoint = run.checkpoint(step);
            let options = variant.options.clone();
            store.record(Some(step), checkpoint, options).await?;
            // Sealing and merging go on behind recording. How far they have come by then would be
            // seen in the size, by half a percent, if they were not waited for.
            if step % SLAB == 0 {
                store.settle().await?;
            }
        }
        store.compact().await?;
        let stats = store.stats().await?;

        let mut outcome = Outcome {
            variant,
            changes: stats.changes,
            file_bytes: stats.file_bytes(),
            bytes_per_change: stats.file_bytes_per_change().context("no weight changed")?,
            largest_error: 0.0,
            points: Vec::new(),
        };
        for step in (0..=STEPS).step_by(READ_EVERY) {
            let found = matrices(store.weights_at(step).await?.checkpoint)?;
            outcome.compare(step, &found, run.state(step))?;
            let accuracy = Mlp::from_layers(found)?.accuracy(test);
            outcome.points.push(Point {
                step,
                accuracy,
                difference: (accuracy - run.accuracies[step]).abs(),
            });
        }
        Ok(outcome)
    }

    /// Holds a state against the trained one: no weight may be further off than was asked for.
    fn compare(
        &mut self,
        step: usize,
        found: &[Array2<f32>],
        trained: &[Array2<f32>],
    ) -> Result<()> {
        let label = &self.variant.label;
        for (found, trained) in found.iter().zip(trained) {
            if self.variant.options.threshold == Threshold::Lossless {
                ensure!(same_bits(found, trained), "{label}: step {step} differs");
            }
            let deviation = standard_deviation(trained.as_slice().context("not row-major")?);
            let (error, bound) = (largest_error(found, trained), self.variant.bound(deviation));
            ensure!(
                error <= bound,
                "{label}: at step {step} a weight is {error} off, and may be {bound}"
            );
            self.largest_error = self.largest_error.max(error / deviation);
        }
        Ok(())
    }

    /// Mean over the states that were read back, 0..=1.
    pub fn mean_difference(&self) -> f64 {
        let sum: f64 = self.points.iter().map(|point| point.difference).sum();
        sum / self.points.len() as f64
    }

    /// Of the states that were read back, 0..=1.
    pub fn largest_difference(&self) -> f64 {
        let differences = self.points.iter().map(|point| point.difference);
        differences.fold(0.0, f64::max)
    }
}

fn matrices(checkpoint: Checkpoint) -> Result<Vec<Array2<f32>>> {
    let tensors = checkpoint.tensors.into_iter();
    tensors
        .map(|tensor| {
            let [rows, cols] = tensor.shape[..] else {
                anyhow::bail!("{} is no matrix", tensor.name);
            };
            let weights = tensor.data.chunks_exact(4);
            let weights =
                weights.map(|bits| f32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]));
            Ok(Array2::from_shape_vec((rows, cols), weights.collect())?)
        })
        .collect()
}
