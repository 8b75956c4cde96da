//! What people write without this library.

use std::collections::{HashMap, HashSet};

use crate::workload::Workload;

pub(crate) type Map = HashMap<(i32, i32), f32>;

pub(crate) fn hash_map_per_step(workload: &Workload) -> Vec<Map> {
    workload
        .steps
        .iter()
        .map(|delta| delta.to_hashmap())
        .collect()
}

/// One map per step, added up in one map, in the order of time.
pub(crate) fn sum_of(maps: &[Map]) -> Map {
    let mut sum = Map::new();
    for map in maps {
        for (&weight, delta) in map {
            *sum.entry(weight).or_insert(0.0) += delta;
        }
    }
    sum
}

/// How many weights change at all.
pub(crate) fn weights_of(workload: &Workload) -> usize {
    let weights = workload.steps.iter().flat_map(|delta| delta.deltas());
    weights
        .map(|voxel| (voxel.row, voxel.col))
        .collect::<HashSet<_>>()
        .len()
}
