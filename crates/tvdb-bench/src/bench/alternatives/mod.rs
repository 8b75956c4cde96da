//! What people write who do not use this library, each on one thread.

pub(super) mod coo;
pub(super) mod hashmap;
pub(super) mod voxel;

#[cfg(test)]
mod tests {
    use temporal_vdb::{Delta, SparseWeights};

    use super::*;

    #[test]
    fn all_come_to_one_sum() {
        let shape = (20, 30);
        // Sums of multiples of 1/2 are exact in any order, and none of these is 0.
        let step = |t: usize| {
            let weights = (0..200).map(|i| ((i + t) % 20, (i * 7 + t * 3) % 30));
            let unique: std::collections::BTreeSet<_> = weights.collect();
            let triplets = unique
                .into_iter()
                .map(|(r, c)| (r as i32, c as i32, (t + c) as f32 / 2.0));
            (t, Delta::from_triplets(20, 30, triplets).unwrap())
        };
        let steps: Vec<_> = (1..=19).map(step).collect();

        let mut sum = coo::DenseSum::new(&[0.0; 600], 30);
        sum.add(steps.iter().map(|(_, delta)| delta.deltas()));
        let (dense, _) = sum.finish();
        let maps: Vec<_> = steps.iter().map(|(_, delta)| delta.to_hashmap()).collect();
        let mut from_maps = vec![0.0; 600];
        for ((row, col), value) in hashmap::sum(&maps) {
            from_maps[(row * 30 + col) as usize] = value;
        }
        assert_eq!(from_maps, dense);
        let grid = voxel::fill(shape, &steps).unwrap();
        let sparse = SparseWeights::from_dense(20, 30, &dense).unwrap();
        assert_eq!(grid.sum(19).unwrap().base().unwrap(), sparse);

        let leaf = |t: usize, row: i32, col: i32| (row / 8, col / 8, t / 8);
        let leaves: std::collections::HashSet<_> = steps
            .iter()
            .flat_map(|(t, delta)| delta.deltas().iter().map(move |v| leaf(*t, v.row, v.col)))
            .collect();
        assert_eq!(voxel::leaves(&steps), leaves.len());
    }
}
