use std::path::Path;

use temporal_vdb::{Delta, DenseDetector, Voxel};

use crate::traces::{self, Trace};

/// A run to record: the changes of each step, and the same in the order in which they arrive.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) rows: i32,
    pub(crate) cols: i32,
    pub(crate) steps: Vec<Delta>,
    pub(crate) arrival: Vec<Vec<Voxel>>,
}

impl Workload {
    /// A square layer of made-up changes.
    fn made_up(name: &str, size: i32, arrival: Vec<Vec<Voxel>>) -> Self {
        let (rows, cols) = (size, size);
        let sorted = |voxels: &Vec<Voxel>| {
            let triplets = voxels
                .iter()
                .map(|voxel| (voxel.row, voxel.col, voxel.value));
            Delta::from_triplets(rows, cols, triplets).unwrap()
        };
        let steps = arrival.iter().map(sorted).collect();
        Workload {
            name: name.to_owned(),
            rows,
            cols,
            steps,
            arrival,
        }
    }

    /// Changes of all steps together.
    pub(crate) fn changes(&self) -> u64 {
        self.steps
            .iter()
            .map(|delta| delta.deltas().len() as u64)
            .sum()
    }
}

/// A small generator of its own (xorshift64*, Vigna 2016), so that runs are the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((u128::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) * end as u128) >> 64) as usize
    }
}

/// `share` of all weights, anywhere, in random order.
fn scattered(size: i32, share: f64, steps: usize) -> Workload {
    let mut random = Random(1);
    let weights = (size as usize).pow(2);
    let step = |_| {
        let mut places = std::collections::HashSet::new();
        let mut voxels = Vec::new();
        while voxels.len() < (share * weights as f64) as usize {
            let place = random.below(weights);
            if places.insert(place) {
                let (row, col) = (
                    (place / size as usize) as i32,
                    (place % size as usize) as i32,
                );
                voxels.push(Voxel {
                    row,
                    col,
                    value: 0.01,
                });
            }
        }
        voxels
    };
    let arrival = (0..steps).map(step).collect();
    let name = format!("random {}% of {size} x {size}", share * 100.0);
    Workload::made_up(&name, size, arrival)
}

/// Whole rows, in random order.
fn row_wise(size: i32, share: f64, steps: usize) -> Workload {
    let mut random = Random(2);
    let step = |_| {
        let mut rows = std::collections::HashSet::new();
        let mut voxels = Vec::new();
        while rows.len() < (share * f64::from(size)) as usize {
            let row = random.below(size as usize) as i32;
            if rows.insert(row) {
                voxels.extend((0..size).map(|col| Voxel {
                    row,
                    col,
                    value: 0.01,
                }));
            }
        }
        voxels
    };
    let arrival = (0..steps).map(step).collect();
    let name = format!("rows {}% of {size} x {size}", share * 100.0);
    Workload::made_up(&name, size, arrival)
}

/// A step that adds 1 to every weight of one row.
pub(crate) fn row_of_ones(rows: i32, cols: i32, row: i32) -> Delta {
    let voxels = (0..cols)
        .map(|col| Voxel {
            row,
            col,
            value: 1.0,
        })
        .collect();
    Delta::from_sorted(rows, cols, voxels, Vec::new()).unwrap()
}

/// One tensor of a run of checkpoints, losslessly; the first one is the base.
fn real(folder: &Path, tensor: &str) -> Workload {
    let Trace { rows, cols, steps } = Trace::read(folder, tensor);
    let mut detector = DenseDetector::from_base(0.0, rows, cols, &steps[0]).unwrap();
    let steps: Vec<_> = steps[1..]
        .iter()
        .map(|step| detector.compute_changes(step).unwrap())
        .collect();
    let arrival = steps.iter().map(|delta| delta.deltas().to_vec()).collect();
    let run = folder.file_name().unwrap().to_string_lossy();
    Workload {
        name: format!("{run} {tensor}"),
        rows,
        cols,
        steps,
        arrival,
    }
}

pub(crate) fn all() -> Vec<Workload> {
    let mut all = vec![
        scattered(4096, 0.001, 64),
        scattered(4096, 0.01, 32),
        row_wise(4096, 0.01, 32),
    ];
    let Some(folder) = traces::folder() else {
        println!("SKIPPED: no real runs, there is no folder of traces (set TEMPORAL_VDB_TRACES)");
        return all;
    };
    for (run, tensor) in [
        ("embeddings_f32", "W_in"),
        ("finetune_bf16", "layers.1.mlp.up_proj.weight"),
        ("mlp_sgd_f32", "fc2.weight"),
    ] {
        all.push(real(&folder.join(run), tensor));
    }
    all
}
