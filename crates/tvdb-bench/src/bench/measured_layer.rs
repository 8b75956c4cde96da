//! The last state of one layer out of all its changes, in all ways but the store's own.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use temporal_vdb::{
    Delta, LayerStats, StorageOptions, StoreOptions, StoredLayer, TemporalLayer, TemporalStore,
};

use super::alternatives::{coo, hashmap, voxel};
use super::measure::{Timings, available_memory, timed};
use crate::background;

/// Changes that are in memory at a time, about: 12 bytes each.
pub(super) const CHANGES_AT_ONCE: u64 = 30_000_000;

/// What a leaf of a FloatGrid takes, with its place in the tree.
const LEAF_BYTES: u64 = 2150;

/// A layer whose grids would take more is not made into grids.
const GRID_BYTES: u64 = 8 << 30;

/// A layer, and what its alternatives begin and end with.
pub(super) struct MeasuredLayer {
    layer: StoredLayer,
    oldest: usize,
    latest: usize,
    changes: u64,
    grid_options: StorageOptions,
    base: Arc<Vec<f32>>,
    last: Arc<Vec<f32>>,
}

/// The changes of some steps.
pub(super) type Steps = Arc<Vec<(usize, Delta)>>;

impl MeasuredLayer {
    pub(super) async fn new(
        store: &TemporalStore,
        stats: &LayerStats,
        options: StoreOptions,
    ) -> Result<Self> {
        let layer = store.layer(&stats.info.name).await?;
        let (oldest, latest) = (stats.info.oldest, stats.info.latest);
        Ok(MeasuredLayer {
            oldest,
            latest,
            changes: stats.changes,
            grid_options: StorageOptions {
                threads: options.threads,
                ..StorageOptions::default()
            },
            base: Arc::new(layer.dense_at_time(oldest).await?.values),
            last: Arc::new(layer.dense_at_time(latest).await?.values),
            layer,
        })
    }

    pub(super) fn name(&self) -> &str {
        self.layer.name()
    }

    /// Seconds for a dense sum, and all steps where they were in memory at once.
    pub(super) async fn coo(&self) -> Result<(f64, Option<Steps>)> {
        let ranges = self.ranges();
        if let [range] = &ranges[..] {
            let steps: Steps = Arc::new(self.layer.deltas_in(range.0..=range.1).await?);
            let mut timings = Timings::default();
            while timings.wants_more() {
                let sum = self.begin_dense_sum().await?;
                let sum = add(sum, &steps).await?;
                timings.push(self.finish(sum, has_marks(&steps)).await?);
            }
            return Ok((timings.median(), Some(steps)));
        }
        let mut sum = self.begin_dense_sum().await?;
        let mut marks = false;
        for (from, to) in ranges {
            let steps = Arc::new(self.layer.deltas_in(from..=to).await?);
            marks |= has_marks(&steps);
            sum = add(sum, &steps).await?;
        }
        Ok((self.finish(sum, marks).await?, None))
    }

    /// The steps after the base, in parts that fit into memory.
    fn ranges(&self) -> Vec<(usize, usize)> {
        let steps = (self.latest - self.oldest).max(1) as u64;
        let per_step = (self.changes / steps).max(1);
        let most = (CHANGES_AT_ONCE / per_step).max(1);
        // Steps are decoded by eights: parts of eights are not decoded twice.
        let length = if most >= 8 { most - most % 8 } else { most } as usize;
        let length = if self.changes <= CHANGES_AT_ONCE {
            usize::MAX
        } else {
            length
        };
        let starts = (self.oldest + 1..=self.latest).step_by(length);
        starts
            .map(|from| (from, from.saturating_add(length - 1).min(self.latest)))
            .collect()
    }

    async fn begin_dense_sum(&self) -> Result<coo::DenseSum> {
        let (base, cols) = (Arc::clone(&self.base), self.layer.shape().1 as usize);
        background::run(move || Ok(coo::DenseSum::new(&base, cols))).await
    }

    /// The seconds a sum took. Without exact marks it must be the last state, bit for bit.
    async fn finish(&self, sum: coo::DenseSum, marks: bool) -> Result<f64> {
        let (weights, seconds) = sum.finish();
        if !marks {
            self.check("the sum of its changes", weights).await?;
        }
        Ok(seconds)
    }

    async fn check(&self, what: &str, weights: Vec<f32>) -> Result<()> {
        let last = Arc::clone(&self.last);
        let same = background::run(move || Ok(same_bits(&weights, &last))).await?;
        if !same {
            bail!(
                "layer '{}': {what} is not its last state",
                self.layer.name()
            );
        }
        Ok(())
    }

    /// Seconds for a sum of hash maps.
    pub(super) async fn hashmap(&self, steps: &Steps) -> Result<f64> {
        let steps = Arc::clone(steps);
        background::run(move || {
            let maps: Vec<_> = steps.iter().map(|(_, delta)| delta.to_hashmap()).collect();
            let mut timings = Timings::default();
            while timings.wants_more() {
                let start = Instant::now();
                let sum = hashmap::sum(&maps);
                timings.push(start.elapsed().as_secs_f64());
                drop(sum);
            }
            Ok(timings.median())
        })
        .await
    }

    /// Seconds for a voxelwise sum; `None` where its grids would be too large.
    pub(super) async fn voxel(&self, steps: &Steps) -> Result<Option<f64>> {
        let (shape, steps) = (self.layer.shape(), Arc::clone(steps));
        background::run(move || {
            // The second grid is flat: one leaf where the first one has a column of them.
            if !fits(2 * voxel::leaves(&steps) as u64) {
                return Ok(None);
            }
            let grid = voxel::fill(shape, &steps)?;
            let last = i32::try_from(steps.len()).context("too many steps for z")?;
            let mut timings = Timings::default();
            while timings.wants_more() {
                let start = Instant::now();
                let sum = grid.sum(last)?;
                timings.push(start.elapsed().as_secs_f64());
                drop(sum);
            }
            Ok(Some(timings.median()))
        })
        .await
    }

    /// Seconds for a dense state out of a grid of all steps; `None` where that would be too large.
    pub(super) async fn grid(&self) -> Result<Option<f64>> {
        let (rows, cols) = self.layer.shape();
        let columns = (rows as u64).div_ceil(8) * (cols as u64).div_ceil(8);
        let slabs = (self.latest - self.oldest) as u64 / 8 + 1;
        if !fits(columns + self.changes.min(columns * slabs)) {
            return Ok(None);
        }
        let grid = self
            .layer
            .grid(self.oldest..=self.latest, self.grid_options)
            .await?;
        let mut timings = Timings::default();
        while timings.wants_more() {
            let (dense, seconds) = timed(grid.dense_at_time(self.latest)).await?;
            self.check("the state of its grid", dense.values).await?;
            timings.push(seconds);
        }
        Ok(Some(timings.median()))
    }
}

async fn add(mut sum: coo::DenseSum, steps: &Steps) -> Result<coo::DenseSum> {
    let steps = Arc::clone(steps);
    background::run(move || {
        sum.add(steps.iter().map(|(_, delta)| delta.deltas()));
        Ok(sum)
    })
    .await
}

fn has_marks(steps: &Steps) -> bool {
    steps.iter().any(|(_, delta)| !delta.marks().is_empty())
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Whether there is memory for so many leaves.
fn fits(leaves: u64) -> bool {
    let available = available_memory().map_or(GRID_BYTES, |available| available / 2);
    leaves * LEAF_BYTES <= GRID_BYTES.min(available)
}
