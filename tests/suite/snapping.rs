//! Changes that are snapped: every weight is within the threshold at every step, whatever is done to
//! the store, and it takes a fraction of the bytes.

use std::num::NonZeroUsize;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use rusqlite::Connection;
use temporal_vdb::{
    Checkpoint, Codec, Delta, DenseDetector, Dtype, Error, ErrorKind, OpenVdbStorage,
    RecordOptions, StoreOptions, TemporalLayer, TemporalStore, TemporalVDBStorage, Tensor,
    Threshold,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::traces;

/// splitmix64 (Steele, Lea, Flood 2014)
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// About normally distributed.
fn normal(seed: &mut u64) -> f64 {
    let uniform = (0..12).map(|_| (random(seed) >> 11) as f64 / (1u64 << 53) as f64);
    uniform.sum::<f64>() - 6.0
}

const ROWS: usize = 20;
const COLS: usize = 140;

/// The element of about a value.
fn element(dtype: Dtype, value: f32) -> Vec<u8> {
    let wide = value.to_bits();
    match dtype {
        Dtype::F32 => wide.to_le_bytes().to_vec(),
        Dtype::Bf16 => wide.to_le_bytes()[2..].to_vec(),
        // Of magnitudes that halves have as normal numbers; others become 0.
        _ => {
            let exponent = wide >> 23 & 255;
            let magnitude = match exponent {
                113..=142 => (exponent - 112) << 10 | wide >> 13 & 0x3ff,
                _ => 0,
            };
            ((wide >> 16 & 0x8000 | magnitude) as u16)
                .to_le_bytes()
                .to_vec()
        }
    }
}

fn value(dtype: Dtype, element: &[u8]) -> f64 {
    match dtype {
        Dtype::F32 => f32::from_le_bytes(element.try_into().unwrap()).into(),
        Dtype::Bf16 => f32::from_le_bytes([0, 0, element[0], element[1]]).into(),
        _ => {
            let bits = u16::from_le_bytes(element.try_into().unwrap());
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
            let magnitude = match exponent {
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                0 => fraction * 2f64.powi(-24),
                _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
            };
            if bits >> 15 == 1 {
                -magnitude
            } else {
                magnitude
            }
        }
    }
}

/// Weights that walk, and some that get any bits.
fn walk(dtype: Dtype, steps: usize, growth: f64, seed: &mut u64) -> Vec<Vec<u8>> {
    let mut values: Vec<f64> = (0..ROWS * COLS).map(|_| 0.1 * normal(seed)).collect();
    let mut run = Vec::new();
    for _ in 0..steps {
        let mut data = Vec::new();
        for value in &mut values {
            *value = *value * growth + 0.002 * normal(seed);
            let mut element = element(dtype, *value as f32);
            if random(seed).is_multiple_of(400) {
                let special = [f32::NAN, f32::INFINITY, -0.0, 0.0, 1e30, f32::NEG_INFINITY];
                let drawn = random(seed) as usize;
                match special.get(drawn % 8) {
                    Some(special) => element = self::element(dtype, *special),
                    None => element.fill(drawn as u8),
                }
            }
            data.extend(element);
        }
        run.push(data);
    }
    run
}

/// What a threshold comes to for a tensor.
fn bound(threshold: Threshold, dtype: Dtype, data: &[u8]) -> f64 {
    match threshold {
        Threshold::Lossless => 0.0,
        Threshold::Absolute(bound) | Threshold::SnappedAbsolute(bound) => bound.into(),
        Threshold::Relative(share) | Threshold::SnappedRelative(share) => {
            let elements = data.chunks_exact(dtype.size());
            let values: Vec<f64> = elements
                .map(|element| value(dtype, element))
                .filter(|value| value.is_finite())
                .collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares = values.iter().map(|value| (value - mean).powi(2));
            let deviation = (squares.sum::<f64>() / values.len() as f64).sqrt();
            f64::from((f64::from(share) * deviation) as f32)
        }
    }
}

fn checkpoint(dtype: Dtype, data: &[u8]) -> Checkpoint {
    Checkpoint {
        tensors: vec![Tensor {
            name: "w".to_owned(),
            dtype,
            shape: vec![ROWS, COLS],
            data: Bytes::from(data.to_vec()),
        }],
        ..Checkpoint::default()
    }
}

async fn record(store: &TemporalStore, dtype: Dtype, data: &[u8], threshold: Threshold) {
    let options = RecordOptions {
        threshold,
        ..RecordOptions::default()
    };
    let checkpoint = checkpoint(dtype, data);
    store.record(None, checkpoint, options).await.unwrap();
}

fn options(codec: Codec, threads: usize) -> StoreOptions {
    StoreOptions {
        codec,
        threads: NonZeroUsize::new(threads),
        ..StoreOptions::default()
    }
}

/// The tensor's bytes after every step.
async fn states(store: &TemporalStore, steps: usize) -> Vec<Bytes> {
    let mut states = Vec::new();
    for step in 0..steps {
        let found = store.weights_at(step).await.unwrap();
        assert_eq!(found.timestep, step);
        states.push(found.checkpoint.tensors[0].data.clone());
    }
    states
}

/// Every weight is within the threshold of what was given, or the same bits.
fn check(dtype: Dtype, run: &[Vec<u8>], thresholds: &[Threshold], states: &[Bytes]) {
    for (step, (given, state)) in run.iter().zip(states).enumerate() {
        let bound = match step {
            0 => 0.0,
            _ => bound(thresholds[step], dtype, given),
        };
        let size = dtype.size();
        for (found, wanted) in state.chunks_exact(size).zip(given.chunks_exact(size)) {
            let error = (value(dtype, found) - value(dtype, wanted)).abs();
            assert!(
                found == wanted || error <= bound,
                "{dtype} at {step}: {error} off, not within {bound}"
            );
        }
    }
}

/// What the layer says that each step changed follows from the states.
async fn check_deltas(store: &TemporalStore, dtype: Dtype, states: &[Bytes]) {
    let layer = store.layer("w").await.unwrap();
    let deltas = layer.deltas_in(0..=usize::MAX).await.unwrap();
    assert_eq!(deltas.len(), states.len() - 1);
    for ((step, delta), pair) in deltas.iter().zip(states.windows(2)) {
        let values = |state: &Bytes| -> Vec<f32> {
            let elements = state.chunks_exact(dtype.size());
            elements.map(|one| value(dtype, one) as f32).collect()
        };
        let mut detector =
            DenseDetector::from_base(0.0, ROWS as i32, COLS as i32, &values(&pair[0])).unwrap();
        let expected: Delta = detector.compute_changes(&values(&pair[1])).unwrap();
        // A NaN's payload got lost in f64.
        assert_eq!(delta.deltas(), expected.deltas(), "{step}");
        assert_eq!(delta.marks().len(), expected.marks().len(), "{step}");
        assert_eq!(&layer.get_delta_layer(*step).await.unwrap(), delta);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn snapped_weights_are_within_the_threshold(
        dtype in prop::sample::select(vec![Dtype::F32, Dtype::Bf16, Dtype::F16]),
        threshold in prop::sample::select(vec![
            Threshold::SnappedAbsolute(1e-3),
            Threshold::SnappedAbsolute(0.1),
            Threshold::SnappedAbsolute(1e-40),
            Threshold::SnappedRelative(1e-3),
            Threshold::SnappedRelative(0.01),
            Threshold::SnappedRelative(1.0),
        ]),
        growth in prop::sample::select(vec![0.97, 1.0, 1.05]),
        dense in any::<bool>(),
        steps in 2..40usize,
        reopened_after in 0..40usize,
        mut seed in any::<u64>(),
    ) {
        let run = walk(dtype, steps, growth, &mut seed);
        let codec = if dense { Codec::Dense } else { Codec::Fast };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("run.tvdb");
            let mut store = TemporalStore::create(&path, options(codec, 2)).await.unwrap();
            for (step, data) in run.iter().enumerate() {
                record(&store, dtype, data, threshold).await;
                if step == reopened_after {
                    drop(store);
                    store = TemporalStore::open(&path, options(codec, 2)).await.unwrap();
                }
            }
            let latest = store.latest().await.unwrap().checkpoint.tensors[0].data.clone();
            let recorded = states(&store, steps).await;
            assert!(recorded[steps - 1] == latest);
            check(dtype, &run, &vec![threshold; steps], &recorded);
            store.seal().await.unwrap();
            assert!(states(&store, steps).await == recorded);
            store.compact().await.unwrap();
            assert!(states(&store, steps).await == recorded);
            check_deltas(&store, dtype, &recorded).await;
            store.verify(|_, _| ()).await.unwrap();
            drop(store);
            let store = TemporalStore::open_read_only(&path, options(codec, 1)).await.unwrap();
            assert!(states(&store, steps).await == recorded);
        });
    }
}

/// Steps with a lattice, with another one, with none and by hand, in one layer.
#[tokio::test]
async fn steps_of_any_kind_follow_each_other() {
    let dtype = Dtype::F32;
    let mut seed = 7;
    let run = walk(dtype, 60, 1.0, &mut seed);
    let thresholds: Vec<Threshold> = (0..60)
        .map(|step| match step {
            0..20 => [Threshold::SnappedRelative(0.01), Threshold::Lossless][step % 2],
            20..30 => Threshold::SnappedAbsolute(0.01),
            30..40 => Threshold::SnappedAbsolute(0.001),
            40..52 => Threshold::Absolute(0.01),
            _ => Threshold::SnappedAbsolute(0.003),
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let mut found: Vec<Vec<Bytes>> = Vec::new();
    for (codec, threads) in [(Codec::Dense, 1), (Codec::Dense, 2), (Codec::Fast, 2)] {
        let path = folder.path().join(format!("{codec:?}{threads}.tvdb"));
        let options = options(codec, threads);
        let store = TemporalStore::create(&path, options).await.unwrap();
        for (data, threshold) in run.iter().zip(&thresholds) {
            record(&store, dtype, data, *threshold).await;
        }
        let by_hand = Delta::from_triplets(ROWS as i32, COLS as i32, [(1, 2, 0.5), (3, 4, -1.0)]);
        let mut layer = store.layer("w").await.unwrap();
        layer.store_changes(60, &by_hand.unwrap()).await.unwrap();
        let recorded = states(&store, 61).await;
        check(dtype, &run, &thresholds, &recorded);
        store.compact().await.unwrap();
        assert!(states(&store, 61).await == recorded);
        let history = layer.weight_history(3, 4).await.unwrap();
        for (step, value) in &history {
            let bytes = &recorded[*step][4 * (3 * COLS + 4)..][..4];
            assert_eq!(value.to_le_bytes(), bytes);
        }
        // In the middle of what was one group.
        layer.prune_history(25).await.unwrap();
        for (step, recorded) in recorded.iter().enumerate().skip(35) {
            let state = store.weights_at(step).await.unwrap();
            assert!(state.checkpoint.tensors[0].data == recorded);
        }
        store.verify(|_, _| ()).await.unwrap();
        found.push(recorded);
    }
    assert!(found.iter().all(|states| *states == found[0]));
}

/// A relative threshold that follows the weights as they grow: the lattice follows, in few jumps.
#[tokio::test]
async fn a_lattice_stays_while_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let lattices = |name: &str| {
        let database = Connection::open(folder.path().join(name)).unwrap();
        let sql = "SELECT count(DISTINCT lattice) FROM groups WHERE changes > 0";
        let count = database.query_row(sql, [], |row| row.get::<_, i64>(0));
        count.unwrap()
    };
    for (name, growth, expected) in [("same", 1.0, 1..=2), ("grows", 1.05, 8..=25)] {
        let path = folder.path().join(name);
        let store = TemporalStore::create(&path, StoreOptions::default());
        let store = store.await.unwrap();
        let mut seed = 3;
        let run = walk(Dtype::F32, 50, growth, &mut seed);
        let threshold = Threshold::SnappedRelative(0.02);
        for data in &run {
            let mut data = data.clone();
            // Without what a deviation would jump by.
            data.chunks_exact_mut(4)
                .filter(|one| value(Dtype::F32, one).abs() > 100.0)
                .for_each(|one| one.fill(0));
            record(&store, Dtype::F32, &data, threshold).await;
        }
        store.compact().await.unwrap();
        drop(store);
        assert!(expected.contains(&lattices(name)), "{}", lattices(name));
    }
}

#[tokio::test]
async fn snapping_needs_a_threshold() {
    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    let mut seed = 1;
    let data = walk(Dtype::F32, 1, 1.0, &mut seed).remove(0);
    for (threshold, refused) in [
        (Threshold::SnappedAbsolute(0.0), true),
        (Threshold::SnappedRelative(0.0), true),
        (Threshold::SnappedAbsolute(-1.0), false),
        (Threshold::SnappedRelative(f32::NAN), false),
    ] {
        let options = RecordOptions {
            threshold,
            ..RecordOptions::default()
        };
        let checkpoint = checkpoint(Dtype::F32, &data);
        let error = store.record(None, checkpoint, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(matches!(error, Error::NothingToSnap), refused, "{error}");
        assert_eq!(
            matches!(error, Error::InvalidThreshold { .. }),
            !refused,
            "{error}"
        );
    }
    assert!(store.layers().await.unwrap().is_empty());
}

/// A group's row with another lattice, and the checksum that goes with it.
fn set_lattice(path: &Path, lattice: i64) {
    let database = Connection::open(path).unwrap();
    let columns = "layer first last steps level per_run blob bytes changes codebook";
    let sql = format!(
        "SELECT {}, manifest FROM groups WHERE lattice IS NOT NULL ORDER BY first",
        columns.replace(' ', ", ")
    );
    let mut sum = [&6u64.to_le_bytes()[..], b"groups"].concat();
    let first = database
        .query_row(&sql, [], |row| {
            for column in 0..10 {
                let number: Option<i64> = row.get(column)?;
                sum.extend(number.unwrap_or(-1).to_le_bytes());
            }
            sum.extend(lattice.to_le_bytes());
            let manifest: Vec<u8> = row.get(10)?;
            sum.extend((manifest.len() as u64).to_le_bytes());
            sum.extend(manifest);
            row.get::<_, i64>(1)
        })
        .unwrap();
    database
        .execute(
            "UPDATE groups SET lattice = ?, sum = ? WHERE first = ?",
            [lattice, xxh3_64(&sum) as i64, first],
        )
        .unwrap();
}

#[tokio::test]
async fn damaged_lattices_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.tvdb");
    let store = TemporalStore::create(&path, StoreOptions::default());
    let store = store.await.unwrap();
    let mut seed = 5;
    let run = walk(Dtype::F32, 12, 1.0, &mut seed);
    for data in &run {
        record(&store, Dtype::F32, data, Threshold::SnappedAbsolute(0.002)).await;
    }
    store.compact().await.unwrap();
    drop(store);
    let read = async |lattice: Option<i64>| {
        let damaged = folder.path().join("damaged.tvdb");
        std::fs::copy(&path, &damaged).unwrap();
        if let Some(lattice) = lattice {
            set_lattice(&damaged, lattice);
        }
        let store = TemporalStore::open_read_only(&damaged, StoreOptions::default()).await;
        store.unwrap().weights_at(3).await
    };
    let width = |width: f32| i64::from(width.to_bits());
    read(None).await.unwrap();
    // None: it was 0.00390625 at most. Others lead to other states, which the digest finds, or to
    // none.
    read(Some(width(0.00390625))).await.unwrap();
    for lattice in [
        0,
        -1,
        1 << 32,
        i64::MIN,
        width(f32::NAN),
        width(f32::INFINITY),
        width(f32::NEG_INFINITY),
        width(-0.0),
        width(-0.00390625),
        width(0.004),
        width(f32::MAX),
        width(1e-45),
    ] {
        let error = read(Some(lattice)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadFile, "{lattice:x}: {error}");
    }
}

/// In memory, with a detector: equal deltas are equal floats.
#[tokio::test]
async fn a_detector_snaps_for_grids() {
    let (rows, cols) = (ROWS as i32, COLS as i32);
    let mut seed = 9;
    let run = walk(Dtype::F32, 12, 1.0, &mut seed);
    let storage = OpenVdbStorage::new("w", rows, cols).unwrap();
    let detector = DenseDetector::new(0.003, rows, cols).unwrap();
    let mut detector = detector.snapped().unwrap();
    let mut deltas = 0;
    let mut different = std::collections::BTreeSet::new();
    for (step, data) in (1..).zip(&run) {
        let elements = data.chunks_exact(4);
        let weights: Vec<f32> = elements
            .map(|element| f32::from_le_bytes(element.try_into().unwrap()))
            .collect();
        let changes = detector.compute_changes(&weights).unwrap();
        if step > 1 {
            deltas += changes.deltas().len();
            different.extend(changes.deltas().iter().map(|delta| delta.value.to_bits()));
        }
        storage.store_changes(step, &changes).await.unwrap();
        let found = storage.dense_at_time(step).await.unwrap().values;
        for ((found, state), weight) in found.iter().zip(detector.state()).zip(&weights) {
            assert_eq!(found.to_bits(), state.to_bits());
            let error = (f64::from(*state) - f64::from(*weight)).abs();
            assert!(state.to_bits() == weight.to_bits() || error <= f64::from(0.003f32));
        }
    }
    assert!(deltas > 2000, "{deltas}");
    assert!(
        different.len() * 4 < deltas,
        "{} of {deltas}",
        different.len()
    );
}

/// Bytes of the journal and the blocks of a run, after compaction, and the largest error as a share
/// of the threshold.
async fn measure(files: &[Checkpoint], threshold: Threshold, codec: Codec) -> (u64, u64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.tvdb");
    let options = StoreOptions {
        durability: temporal_vdb::Durability::Eventual,
        ..options(codec, 2)
    };
    let store = TemporalStore::create(&path, options).await.unwrap();
    for file in files {
        let options = RecordOptions {
            threshold,
            ..RecordOptions::default()
        };
        store.record(None, file.clone(), options).await.unwrap();
    }
    store.compact().await.unwrap();
    let mut worst = 0.0f64;
    for (step, file) in files.iter().enumerate().skip(1) {
        let found = store.weights_at(step).await.unwrap().checkpoint;
        for (found, given) in found.tensors.iter().zip(&file.tensors) {
            let bound = bound(threshold, given.dtype, &given.data);
            let elements = found.data.chunks_exact(4).zip(given.data.chunks_exact(4));
            for (found, wanted) in elements {
                let error = value(given.dtype, found) - value(given.dtype, wanted);
                worst = worst.max(error.abs() / bound);
            }
        }
    }
    let stats = store.stats().await.unwrap();
    (
        stats.journal_bytes + stats.block_bytes,
        stats.changes,
        worst,
    )
}

/// On a real run snapping takes at most a third of the bytes, in either coding.
#[tokio::test]
async fn a_real_run_takes_a_third_of_the_bytes() {
    let Some(folder) = traces::folder() else {
        eprintln!("SKIPPED: a_real_run_takes_a_third_of_the_bytes: TEMPORAL_VDB_TRACES is not set");
        return;
    };
    let folder = folder.join("mlp_sgd_f32");
    let names = ["fc1.weight", "fc2.weight", "fc3.weight"];
    let layers = names.map(|name| traces::Trace::read(&folder, name));
    let tensor = |layer: &traces::Trace, name: &str, step: usize| Tensor {
        name: name.to_owned(),
        dtype: Dtype::F32,
        shape: vec![layer.rows as usize, layer.cols as usize],
        data: layer.steps[step]
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect(),
    };
    let files: Vec<Checkpoint> = (0..layers[0].steps.len())
        .map(|step| Checkpoint {
            tensors: names
                .iter()
                .zip(&layers)
                .map(|(name, layer)| tensor(layer, name, step))
                .collect(),
            ..Checkpoint::default()
        })
        .collect();
    for share in [1e-3, 1e-2] {
        for codec in [Codec::Fast, Codec::Dense] {
            let (bytes, changes, worst) = measure(&files, Threshold::Relative(share), codec).await;
            let snapped = measure(&files, Threshold::SnappedRelative(share), codec).await;
            println!(
                "{share} {codec:?}: {bytes} bytes of {changes} changes, off by {worst:.4}; snapped \
                 {} of {}, off by {:.4}",
                snapped.0, snapped.1, snapped.2
            );
            assert!(worst <= 1.0 && snapped.2 <= 1.0);
            assert!(3 * snapped.0 <= bytes);
        }
    }
}
