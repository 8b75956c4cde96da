//! One hash map per step, added up in one hash map.

use std::collections::HashMap;

pub(in crate::bench) type Map = HashMap<(i32, i32), f32>;

/// What all steps together added to each weight. The base is not in it, which would be dearer.
pub(in crate::bench) fn sum(steps: &[Map]) -> Map {
    let mut sum = Map::new();
    for step in steps {
        for (&weight, delta) in step {
            *sum.entry(weight).or_insert(0.0) += delta;
        }
    }
    sum
}
