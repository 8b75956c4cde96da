//! The kernels against the plain ways of doing the same, in one run: `./run bench`.
//!
//! Criterion measures; at the end a table puts each pair into one line, beside the ratio it should
//! reach. Runs of real checkpoints are measured too where `TEMPORAL_VDB_TRACES` names a folder of
//! them.

mod baselines;
mod ratios;
#[path = "../../support/traces.rs"]
mod traces;
mod workload;

use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use temporal_vdb::baseline::VoxelwiseGrid;
use temporal_vdb::{Delta, Layer, Retention, StorageOptions, Tier};

use workload::Workload;

fn empty_layer(workload: &Workload) -> Layer {
    // Room for all that is emptied: what a ring that turns over keeps.
    let options = StorageOptions {
        spare_bytes: usize::MAX,
        ..StorageOptions::default()
    };
    Layer::new("bench", workload.rows, workload.cols, options).unwrap()
}

fn store_all(layer: &mut Layer, workload: &Workload) {
    for (i, delta) in workload.steps.iter().enumerate() {
        layer.store_changes(i + 1, delta).unwrap();
    }
}

/// Times `work` on something that `make` builds afresh, untimed, for each repetition.
fn time_each<T>(
    repetitions: u64,
    mut make: impl FnMut() -> T,
    mut work: impl FnMut(&mut T),
) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..repetitions {
        let mut subject = make();
        let start = Instant::now();
        work(&mut subject);
        spent += start.elapsed();
    }
    spent
}

/// All steps of a run into a grid: fresh, into memory that was emptied before, and voxel by voxel.
fn insert(group: &mut BenchmarkGroup<'_, WallTime>, workload: &Workload) {
    group.bench_function("accessor", |bench| {
        bench.iter_custom(|n| {
            let make = || VoxelwiseGrid::new(workload.rows, workload.cols).unwrap();
            time_each(n, make, |grid| {
                for (i, voxels) in workload.arrival.iter().enumerate() {
                    grid.set(i as i32 + 1, voxels).unwrap();
                }
            })
        });
    });
    group.bench_function("batch, fresh memory", |bench| {
        bench.iter_custom(|n| {
            time_each(
                n,
                || empty_layer(workload),
                |layer| store_all(layer, workload),
            )
        });
    });
    group.bench_function("batch, kept memory", |bench| {
        let mut layer = empty_layer(workload);
        store_all(&mut layer, workload);
        bench.iter_custom(|n| {
            let mut spent = Duration::ZERO;
            for _ in 0..n {
                layer.rollback(0).unwrap();
                let start = Instant::now();
                store_all(&mut layer, workload);
                spent += start.elapsed();
            }
            spent
        });
    });
}

/// The state at the latest step.
fn state(group: &mut BenchmarkGroup<'_, WallTime>, workload: &Workload) {
    let mut layer = empty_layer(workload);
    store_all(&mut layer, workload);
    let expected = layer.weights_at_time(usize::MAX).unwrap();

    group.bench_function("kernel, dense", |bench| {
        bench.iter(|| layer.dense_at_time(usize::MAX).unwrap())
    });
    group.bench_function("kernel, sparse", |bench| {
        bench.iter(|| layer.weights_at_time(usize::MAX).unwrap())
    });
    let spread: Vec<usize> = (1..=16).map(|i| workload.steps.len() * i / 16).collect();
    group.bench_function("16 states, one by one", |bench| {
        bench.iter(|| spread.iter().for_each(|&t| drop(layer.dense_at_time(t))))
    });
    group.bench_function("16 states, at once", |bench| {
        bench.iter(|| layer.dense_at_many(&spread).unwrap())
    });
    let figures = layer.figures().unwrap();
    drop(layer);

    let maps = baselines::hash_map_per_step(workload);
    assert_eq!(
        baselines::sum_of(&maps).len(),
        baselines::weights_of(workload)
    );
    group.bench_function("hash maps", |bench| bench.iter(|| baselines::sum_of(&maps)));
    drop(maps);

    let mut voxelwise = VoxelwiseGrid::new(workload.rows, workload.cols).unwrap();
    for (i, delta) in workload.steps.iter().enumerate() {
        voxelwise.set(i as i32 + 1, delta.deltas()).unwrap();
    }
    let last = workload.steps.len() as i32;
    if workload.steps.iter().all(|delta| delta.marks().is_empty()) {
        assert_eq!(
            voxelwise.sum(last).unwrap().base().unwrap(),
            expected,
            "both ways give one answer"
        );
    }
    group.bench_function("voxel iterator", |bench| {
        bench.iter(|| voxelwise.sum(last).unwrap())
    });

    println!(
        "{}: {} changes, {:.1} per leaf, {:.1} bytes of memory per delta",
        workload.name,
        figures.delta_voxels,
        figures.delta_voxels as f64 / figures.leaves as f64,
        figures.memory_bytes as f64 / figures.delta_voxels as f64,
    );
}

/// A run to a file: with its digest, and on the disk; and as OpenVDB alone writes the same voxels.
fn export(group: &mut BenchmarkGroup<'_, WallTime>, workload: &Workload) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.vdb");
    let mut layer = empty_layer(workload);
    store_all(&mut layer, workload);
    group.bench_function("exact form", |bench| {
        bench.iter(|| layer.export_vdb(&path).unwrap())
    });
    drop(layer);
    let mut voxelwise = VoxelwiseGrid::new(workload.rows, workload.cols).unwrap();
    for (i, delta) in workload.steps.iter().enumerate() {
        voxelwise.set(i as i32 + 1, delta.deltas()).unwrap();
    }
    group.bench_function("io::File", |bench| {
        bench.iter(|| voxelwise.write(&path).unwrap())
    });
}

/// What is left of a run when one of every ten steps stays.
fn prune(group: &mut BenchmarkGroup<'_, WallTime>, workload: &Workload) {
    let filled = || {
        let mut layer = empty_layer(workload);
        store_all(&mut layer, workload);
        layer
    };
    let policy = Retention::Tiered(vec![Tier {
        steps: usize::MAX - 1,
        every: 10,
    }]);
    group.bench_function("plan", |bench| {
        let layer = filled();
        bench.iter(|| layer.plan_prune(&policy).unwrap())
    });
    group.bench_function("merge tens", |bench| {
        bench.iter_custom(|n| {
            time_each(n, filled, |layer| {
                layer.prune(&policy).unwrap();
            })
        });
    });
    group.bench_function("fold all", |bench| {
        bench.iter_custom(|n| time_each(n, filled, |layer| layer.prune_history(0).unwrap()));
    });
}

/// One weight over 1,000 steps, and what it costs to cross the bridge at all.
fn small_calls(criterion: &mut Criterion) {
    let mut layer = Layer::new("bench", 256, 256, StorageOptions::default()).unwrap();
    for step in 1..=1000 {
        layer
            .store_changes(step, &workload::row_of_ones(256, 256, 7))
            .unwrap();
    }
    assert_eq!(layer.weight_history(7, 9).unwrap().len(), 1001);
    let mut group = criterion.benchmark_group("small calls");
    group.bench_function("history of 1,000 steps", |bench| {
        bench.iter(|| layer.weight_history(7, 9).unwrap())
    });
    let nothing = Delta::empty(256, 256).unwrap();
    group.bench_function("empty batch over the bridge", |bench| {
        bench.iter(|| layer.accumulate(1001, &nothing, 1.0).unwrap());
    });
    group.finish();
}

/// One grid for two things: weights and gradients in one grid, on even and odd z, or one grid each.
fn unified_z(criterion: &mut Criterion, workload: &Workload) {
    let mut group = criterion.benchmark_group(format!("weights and gradients, {}", workload.name));
    let steps = || workload.steps.iter().enumerate();
    let one = || {
        let mut layer = empty_layer(workload);
        for (i, delta) in steps() {
            layer.store_changes(2 * i + 1, delta).unwrap();
            layer.store_changes(2 * i + 2, delta).unwrap();
        }
        layer
    };
    let two = || {
        let (mut weights, mut gradients) = (empty_layer(workload), empty_layer(workload));
        for (i, delta) in steps() {
            weights.store_changes(i + 1, delta).unwrap();
            gradients.store_changes(i + 1, delta).unwrap();
        }
        (weights, gradients)
    };
    // Dropping the grids is not timed: an optimizer keeps them.
    group.bench_function("one grid, insert", |bench| bench.iter_with_large_drop(one));
    group.bench_function("two grids, insert", |bench| bench.iter_with_large_drop(two));
    let (unified, (weights, gradients)) = (one(), two());
    let last = workload.steps.len();
    group.bench_function("one grid, read a step", |bench| {
        bench.iter(|| unified.deltas_in(2 * last - 1..=2 * last).unwrap());
    });
    group.bench_function("two grids, read a step", |bench| {
        bench.iter(|| {
            (
                weights.get_delta_layer(last).unwrap(),
                gradients.get_delta_layer(last).unwrap(),
            )
        });
    });
    group.finish();
    let bytes = |layer: &Layer| layer.figures().unwrap().memory_bytes as f64 / 1e6;
    println!(
        "weights and gradients of {}: {:.1} MB in one grid, {:.1} MB in two",
        workload.name,
        bytes(&unified),
        bytes(&weights) + bytes(&gradients)
    );
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let since = std::time::SystemTime::now();
    ratios::print_machine();
    for workload in workload::all() {
        let mut group = criterion.benchmark_group(format!("insert, {}", workload.name));
        group.throughput(criterion::Throughput::Elements(workload.changes()));
        insert(&mut group, &workload);
        group.finish();
        let mut group = criterion.benchmark_group(format!("state, {}", workload.name));
        group.throughput(criterion::Throughput::Elements(workload.changes()));
        state(&mut group, &workload);
        group.finish();
        let mut group = criterion.benchmark_group(format!("export, {}", workload.name));
        group.throughput(criterion::Throughput::Elements(workload.changes()));
        export(&mut group, &workload);
        group.finish();
        let mut group = criterion.benchmark_group(format!("prune, {}", workload.name));
        group.throughput(criterion::Throughput::Elements(workload.changes()));
        prune(&mut group, &workload);
        group.finish();
        unified_z(&mut criterion, &workload);
    }
    small_calls(&mut criterion);
    criterion.final_summary();
    ratios::print_table(since);
}
