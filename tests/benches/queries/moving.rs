//! Weights that move, many of them in groups.

use rand::prelude::*;
use rand_chacha::ChaCha8Rng;
use temporal_vdb::{Delta, Result, Voxel};

/// Steps of history; all weights change at the last one.
pub const STEPS: usize = 1000;

/// How many of 20 weights follow a pattern, rather than their own.
const FOLLOWERS: usize = 12;

/// Of those that follow a pattern every so many-th does so exactly.
const EXACT: usize = 4;

/// A layer and when its weights change.
pub struct Moving {
    shape: (i32, i32),
    /// Places of the weights, ascending, and the steps at which each changes, ascending.
    weights: Vec<(usize, Vec<usize>)>,
}

impl Moving {
    /// So many weights of a layer, the same ones each time. Patterns are of 30 to 150 steps; who
    /// follows one differs from it in some of 20 of them. The first pattern has a sixth of the
    /// followers, the second a sixth of the others, and so on.
    pub fn new(shape: (i32, i32), weights: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(6);
        let size = shape.0 as usize * shape.1 as usize;
        let mut places = rand::seq::index::sample(&mut random, size, weights).into_vec();
        places.sort_unstable();
        let patterns: Vec<Vec<bool>> = (0..400).map(|_| pattern(&mut random)).collect();
        let weights = places.into_iter().enumerate().map(|(i, place)| {
            let changes = if i % 20 < FOLLOWERS {
                let mut which = 0;
                while which + 1 < patterns.len() && !random.random_ratio(1, 6) {
                    which += 1;
                }
                let mut own = patterns[which].clone();
                if !i.is_multiple_of(EXACT) {
                    let count = own.iter().filter(|on| **on).count();
                    for _ in 0..random.random_range(0..=count / 20) {
                        let step = random.random_range(0..STEPS - 1);
                        own[step] = !own[step];
                    }
                }
                own
            } else {
                pattern(&mut random)
            };
            let steps = (1..=STEPS).filter(|step| changes[step - 1]).collect();
            (place, steps)
        });
        Moving {
            shape,
            weights: weights.collect(),
        }
    }

    /// Of each weight when it changes.
    pub fn histories(&self) -> Vec<&[usize]> {
        let steps = self.weights.iter().map(|(_, steps)| &steps[..]);
        steps.collect()
    }

    pub fn changes(&self) -> usize {
        self.weights.iter().map(|(_, steps)| steps.len()).sum()
    }

    /// What each step changes.
    pub fn deltas(&self) -> impl Iterator<Item = (usize, Result<Delta>)> {
        let (rows, cols) = self.shape;
        let mut slices: Vec<Vec<Voxel>> = vec![Vec::new(); STEPS + 1];
        for (place, steps) in &self.weights {
            let (row, col) = (
                (place / cols as usize) as i32,
                (place % cols as usize) as i32,
            );
            for &step in steps {
                let value = if step % 2 == 0 { -0.5 } else { 0.25 };
                slices[step].push(Voxel { row, col, value });
            }
        }
        let steps = slices.into_iter().enumerate().skip(1);
        steps.map(move |(step, voxels)| {
            let delta = Delta::from_sorted(rows, cols, voxels, Vec::new());
            (step, delta)
        })
    }
}

/// Some of all steps, the last one among them.
fn pattern(random: &mut ChaCha8Rng) -> Vec<bool> {
    let count = random.random_range(30..=150);
    let mut steps = vec![false; STEPS];
    for step in rand::seq::index::sample(random, STEPS, count) {
        steps[step] = true;
    }
    steps[STEPS - 1] = true;
    steps
}
