//! A host that flushes subnormals to zero, as audio and machine learning code does, gets the same
//! bits as any other, on its own thread and on threads that inherit the mode from it.
//!
//! The compiler took a look at a delta's bits for a comparison with 0, which a host's mode then
//! answered: subnormal deltas were lost, but only in optimized builds. So tests are optimized.
#![cfg(target_arch = "x86_64")]
#![allow(unsafe_code)]

use temporal_vdb::{
    Delta, DeltaDetector, DenseDetector, Dtype, Layer, OpenVdbStorage, Progress, SparseWeights,
    StorageOptions, StoreOptions, TemporalQueries, TemporalStore,
};

const FLUSH_TO_ZERO: u32 = 1 << 15;
const DENORMALS_ARE_ZERO: u32 = 1 << 6;
const ROUND_DOWN: u32 = 1 << 13;

fn mode() -> u32 {
    let mut mode = 0u32;
    // SAFETY: stores the register into a local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mode, options(nostack)) };
    mode
}

fn set_mode(mode: u32) {
    // SAFETY: loads the register from a local; the callers set defined bits only.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mode, options(nostack)) };
}

const SHAPE: (i32, i32) = (16, 200);

fn tiny(n: u32) -> f32 {
    f32::from_bits(n)
}

/// Weights over twelve steps, around the smallest normal number. Made before any mode is changed.
fn run() -> Vec<Vec<f32>> {
    let weight = |t: u32, i: u32| tiny(i * 31 + t * 97) + 1e-38 * t as f32;
    (0..12)
        .map(|t| {
            (0..(SHAPE.0 * SHAPE.1) as u32)
                .map(|i| weight(t, i))
                .collect()
        })
        .collect()
}

/// What implementations say of a run, as bits.
fn ask(run: &[Vec<f32>]) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let (rows, cols) = SHAPE;
        let options = StorageOptions::default();
        let mut grid = OpenVdbStorage::with_options("w", rows, cols, options).unwrap();
        let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
        let mut stored = store
            .create_layer("w", Dtype::F32, rows, cols)
            .await
            .unwrap();
        let mut said = Vec::new();
        let layers: [&mut dyn TemporalQueries; 2] = [&mut grid, &mut stored];
        for layer in layers {
            let mut detector = DenseDetector::new(0.0, rows, cols).unwrap();
            for (t, weights) in run.iter().enumerate() {
                let changes = detector.compute_changes(weights).unwrap();
                layer.store_changes(t + 1, &changes).await.unwrap();
            }
            let progress = Progress::default();
            let found = layer
                .evolution(0..=usize::MAX, 10, &progress)
                .await
                .unwrap();
            for own in found
                .rows
                .iter()
                .chain(&found.columns)
                .chain([&found.layer])
            {
                said.extend([own.path.to_bits(), own.net.to_bits(), own.largest.to_bits()]);
                said.extend([own.changes, own.flips]);
            }
            let states = layer.weights_at_time(run.len()).await.unwrap();
            let states = states.to_dense().unwrap();
            said.extend(states.iter().map(|value| u64::from(value.to_bits())));
            let net = layer.net_change(2, run.len()).await.unwrap();
            let net = net
                .deltas()
                .iter()
                .map(|voxel| u64::from(voxel.value.to_bits()));
            said.extend(net);
            let score = layer.co_occurrence_score((0, 1), (3, 7)).await.unwrap();
            said.push(score.to_bits());
        }
        said
    })
}

/// As bits, since under denormals-are-zero even a comparison lies.
fn record_and_read(run: &[Vec<f32>]) -> Vec<u32> {
    let (rows, cols) = SHAPE;
    let mut layer = Layer::new("w", rows, cols, StorageOptions::default()).unwrap();
    let mut detector = DenseDetector::new(0.0, rows, cols).unwrap();
    for (t, weights) in run.iter().enumerate() {
        layer
            .store_changes(t + 1, &detector.compute_changes(weights).unwrap())
            .unwrap();
    }
    let third = Delta::from_triplets(rows, cols, [(0, 0, 1.0 / 3.0), (1, 1, tiny(5))]).unwrap();
    for _ in 0..3 {
        layer.accumulate(13, &third, 1.5).unwrap();
    }
    let mut bits = Vec::new();
    let mut add = |values: &[f32]| bits.extend(values.iter().map(|value| value.to_bits()));
    add(&layer.dense_at_time(7).unwrap().values);
    add(&layer.dense_at_time(13).unwrap().values);
    add(&layer
        .weight_history(1, 1)
        .unwrap()
        .iter()
        .map(|entry| entry.1)
        .collect::<Vec<_>>());
    let merged = layer.net_change(3, 11).unwrap();
    add(&merged
        .deltas()
        .iter()
        .map(|voxel| voxel.value)
        .collect::<Vec<_>>());
    layer.commit_accumulated().unwrap();
    layer.prune(&"tiers 2,4@3".parse().unwrap()).unwrap();
    for (_, delta) in layer.recent_deltas(usize::MAX).unwrap() {
        for voxels in [delta.deltas(), delta.marks()] {
            add(&voxels.iter().map(|voxel| voxel.value).collect::<Vec<_>>());
        }
    }
    layer.prune_history(4).unwrap();
    add(&layer.weights_at_time(13).unwrap().to_dense().unwrap());
    let mut sparse = DeltaDetector::new(0.0).unwrap();
    let weights = |value| SparseWeights::from_triplets(1, 1, [(0, 0, value)]).unwrap();
    for value in [tiny(9), tiny(3), 1.0, 1.0 / 3.0] {
        add(&sparse
            .compute_deltas(&weights(value))
            .into_values()
            .collect::<Vec<_>>());
    }
    bits
}

#[test]
fn a_host_s_float_mode_does_not_show() {
    let run = std::sync::Arc::new(run());
    let work = |run: &[Vec<f32>]| (record_and_read(run), ask(run));
    let plain = work(&run);
    let host = mode();
    let odd = host | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO;
    for odd in [odd, host | ROUND_DOWN] {
        set_mode(odd);
        let there = std::sync::Arc::clone(&run);
        let found = std::thread::spawn(move || (mode(), work(&there))).join();
        let here = work(&run);
        let after = mode();
        set_mode(host);
        let (inherited, there) = found.unwrap();
        let sticky_flags = 0x3f;
        assert_eq!(
            after & !sticky_flags,
            odd & !sticky_flags,
            "the host's mode came back"
        );
        assert_eq!(
            inherited & !sticky_flags,
            odd & !sticky_flags,
            "a new thread inherits it"
        );
        assert!(here == plain && there == plain, "mode {odd:#x}");
    }
}
