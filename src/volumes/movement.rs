use std::sync::Arc;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::layer::VolumeLayer;
use super::lines::Lines;
use super::options::VolumeValue;
use crate::error::Result;
use crate::host::{Task, blocking};
use crate::values::dense_len;

/// Bytes of states that are read at a time.
const STATES_BYTES: usize = 256 << 20;

/// How the weights of a layer become voxels.
pub(super) struct Pooling {
    shape: (i32, i32),
    rows: Lines,
    /// The voxel that each column lies in.
    col_voxels: Vec<u32>,
    pool: (usize, usize),
    pub(super) voxels: (usize, usize),
}

/// One step of a layer, in voxels: row by row the means of what rose and of what fell, both at least 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plane {
    pub(super) rise: Vec<f32>,
    pub(super) fall: Vec<f32>,
    /// Weights that went to or from NaN or an infinity: no way is so long.
    pub(super) left_out: u64,
}

/// How a layer moves, step by step.
pub(super) struct Movement<'a> {
    layer: &'a dyn VolumeLayer,
    value: VolumeValue,
    pooling: Arc<Pooling>,
    threads: Arc<ThreadPool>,
    /// The time of the first state; before it nothing moves.
    first: usize,
    times: &'a [usize],
    /// The state that the next one is compared with.
    before: Option<Arc<Vec<f32>>>,
}

impl Pooling {
    pub(super) fn new(
        shape: (i32, i32),
        (rows, cols): (Lines, Lines),
        pool: (usize, usize),
    ) -> Self {
        Pooling {
            shape,
            rows,
            col_voxels: cols.voxels(pool.1),
            pool,
            voxels: (
                (shape.0 as usize).div_ceil(pool.0),
                (shape.1 as usize).div_ceil(pool.1),
            ),
        }
    }

    fn still(&self) -> Plane {
        let len = self.voxels.0 * self.voxels.1;
        Plane {
            rise: vec![0.0; len],
            fall: vec![0.0; len],
            left_out: 0,
        }
    }

    /// What led from one state to another. Each row of voxels is one task's, and sums are in f64, in
    /// the order of the lines: the number of threads does not show.
    fn plane(&self, value: VolumeValue, from: &[f32], to: &[f32]) -> Plane {
        let mut plane = self.still();
        let width = self.voxels.1;
        let rows = plane.rise.par_chunks_mut(width);
        let both = rows.zip(plane.fall.par_chunks_mut(width)).enumerate();
        let left_out = both.map(|(row, (rise, fall))| {
            let begin = row * self.pool.0;
            let end = (begin + self.pool.0).min(self.rows.at.len());
            let lines = &self.rows.at[begin..end];
            self.voxel_row(value, lines, (from, to), rise, fall)
        });
        plane.left_out = left_out.sum();
        plane
    }

    /// One row of voxels: the rows `lines` of the layer. How many weights are left out.
    fn voxel_row(
        &self,
        value: VolumeValue,
        lines: &[u32],
        (from, to): (&[f32], &[f32]),
        rise: &mut [f32],
        fall: &mut [f32],
    ) -> u64 {
        let cols = self.shape.1 as usize;
        let mut sums = vec![(0.0f64, 0.0f64); rise.len()];
        let mut left_out = 0;
        for &line in lines {
            let own = line as usize * cols..(line as usize + 1) * cols;
            let pairs = from[own.clone()].iter().zip(&to[own]);
            for ((before, after), &voxel) in pairs.zip(&self.col_voxels) {
                let way = f64::from(*after) - f64::from(*before);
                if !way.is_finite() {
                    left_out += u64::from(before.to_bits() != after.to_bits());
                    continue;
                }
                let length = match value {
                    VolumeValue::Activity if way != 0.0 => 1.0,
                    _ => way.abs(),
                };
                let sum = &mut sums[voxel as usize];
                if way > 0.0 {
                    sum.0 += length;
                } else {
                    sum.1 += length;
                }
            }
        }
        for (voxel, sum) in sums.iter().enumerate() {
            let begin = voxel * self.pool.1;
            let weights = (lines.len() * (cols - begin).min(self.pool.1)) as f64;
            let mean = |sum: f64| ((sum / weights) as f32).min(f32::MAX);
            (rise[voxel], fall[voxel]) = (mean(sum.0), mean(sum.1));
        }
        left_out
    }
}

impl<'a> Movement<'a> {
    /// From the state as of `first` on, at `times`, which ascend after it.
    pub(super) fn new(
        layer: &'a dyn VolumeLayer,
        value: VolumeValue,
        pooling: Arc<Pooling>,
        threads: &Arc<ThreadPool>,
        first: usize,
        times: &'a [usize],
    ) -> Self {
        Movement {
            layer,
            value,
            pooling,
            threads: Arc::clone(threads),
            first,
            times,
            before: None,
        }
    }

    /// The next times, as many as are best read at once and at most `most`; none at the end.
    pub(super) async fn next(&mut self, most: usize, task: &Task) -> Result<Vec<Plane>> {
        let at_once = STATES_BYTES / (4 * dense_len(self.pooling.shape).max(1));
        let count = self.times.len().min(most).min(at_once.max(1));
        let (times, later) = self.times.split_at(count);
        self.times = later;
        let begun = times.partition_point(|&time| time <= self.first);
        let mut planes: Vec<_> = times[..begun]
            .iter()
            .map(|_| self.pooling.still())
            .collect();
        if begun < count {
            planes.extend(self.read(&times[begun..]).await?);
        }
        task.advance(count as u64)?;
        Ok(planes)
    }

    async fn read(&mut self, times: &[usize]) -> Result<Vec<Plane>> {
        let first = self.before.is_none().then_some(self.first);
        let wanted: Vec<usize> = first.into_iter().chain(times.iter().copied()).collect();
        let states = self.layer.dense_at_many(&wanted).await?;
        let mut states = states.into_iter().map(|state| state.values);
        let mut before = match self.before.take() {
            Some(before) => before,
            None => Arc::new(states.next().unwrap_or_default()),
        };
        let (pooling, threads) = (Arc::clone(&self.pooling), Arc::clone(&self.threads));
        let value = self.value;
        let (planes, before) = blocking::run(move || {
            let mut planes = Vec::with_capacity(states.len());
            for state in states {
                planes.push(threads.install(|| pooling.plane(value, &before, &state)));
                if value != VolumeValue::Drift {
                    before = Arc::new(state);
                }
            }
            Ok((planes, before))
        })
        .await?;
        self.before = Some(before);
        Ok(planes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(at: &[u32]) -> Lines {
        Lines { at: at.to_vec() }
    }

    #[test]
    fn rise_and_fall_are_means_by_themselves() {
        // Rows in the order 2, 0, 1, two to a voxel; columns two to a voxel, the last one alone.
        let order = (lines(&[2, 0, 1]), lines(&[0, 1, 2]));
        let pooling = Pooling::new((3, 3), order, (2, 2));
        let from = [0.0; 9];
        let to = [
            1.0,
            -1.0,
            0.0, //
            0.5,
            0.0,
            -2.0, //
            3.0,
            0.0,
            f32::NAN,
        ];
        let plane = pooling.plane(VolumeValue::Drift, &from, &to);
        assert_eq!(plane.rise, [1.0, 0.0, 0.25, 0.0]);
        assert_eq!(plane.fall, [0.25, 0.0, 0.0, 2.0]);
        assert_eq!(plane.left_out, 1);
        let plane = pooling.plane(VolumeValue::Activity, &from, &to);
        assert_eq!(plane.rise, [0.5, 0.0, 0.5, 0.0]);
        assert_eq!(plane.fall, [0.25, 0.0, 0.0, 1.0]);
    }
}
