//! The dense coding in a store: the same answers, whatever is done, in fewer bytes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use temporal_vdb::{
    Change, Codec, Delta, Dtype, Error, Favor, StorageOptions, StoreOptions, TemporalLayer,
    TemporalStore, TemporalVDBStorage, Tensor, Threshold,
};

/// Steps after the base.
const STEPS: usize = 45;

/// Numbers that look random (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
fn mix(a: usize, b: usize) -> u32 {
    let mixed = (a as u64) << 32 ^ b as u64;
    let mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 33) as u32
}

fn options(codec: Codec) -> StoreOptions {
    StoreOptions {
        codec,
        threads: NonZeroUsize::new(2),
        ..StoreOptions::default()
    }
}

/// Weights that move by a unit up or down, the small ones more often.
fn moves(i: usize, step: usize) -> u16 {
    let size = i * 7 % 8;
    let up = (1..=step)
        .filter(|step| mix(i, *step).is_multiple_of(2 << size))
        .count();
    (0x3b00 + size * 0x80 + up % 3) as u16
}

/// Rows that change together, each weight by something else.
fn rows(i: usize, step: usize) -> u32 {
    let row = i / 64;
    let last = (0..=step).rfind(|step| mix(row, 1000 + step).is_multiple_of(5));
    0x3f00_0000 ^ mix(i, last.unwrap_or(0)) >> 12
}

/// A run of three layers: bf16 weights that move by units, f32 rows, and f32 deltas of all kinds.
async fn record(store: &TemporalStore, steps: std::ops::RangeInclusive<usize>) {
    for step in steps {
        let two = (0..130 * 140).flat_map(|i| moves(i, step).to_le_bytes());
        let four = (0..90 * 64).flat_map(|i| rows(i, step).to_le_bytes());
        let tensor = |name: &str, dtype, shape: &[usize], data: Vec<u8>| Tensor {
            name: name.into(),
            dtype,
            shape: shape.to_vec(),
            data: data.into(),
        };
        let mut writer = store
            .begin_step(step)
            .tensor(
                tensor("moves", Dtype::Bf16, &[130, 140], two.collect()),
                Threshold::Lossless,
            )
            .tensor(
                tensor("rows", Dtype::F32, &[90, 64], four.collect()),
                Threshold::Lossless,
            );
        if step == 0 {
            let zeros = tensor("deltas", Dtype::F32, &[70, 70], vec![0; 4 * 70 * 70]);
            writer = writer.tensor(zeros, Threshold::Lossless);
        } else {
            writer = writer.changes("deltas", &deltas(step));
        }
        writer.commit().await.unwrap();
    }
}

fn deltas(step: usize) -> Delta {
    let change = |i: usize| {
        let delta = (mix(i, step) % 1000) as f32 * 1e-3 - 0.4;
        match mix(step, i) % 40 {
            0 => Change {
                delta: 0.0,
                exact: Some(f32::from_bits(0x7fc0_0000 + mix(i, 3) % 99)),
            },
            1 => Change {
                delta,
                exact: Some(-0.0),
            },
            2 => Change {
                delta: 1e-38,
                exact: None,
            },
            _ => Change { delta, exact: None },
        }
    };
    let changed = (0..70 * 70).filter(|i| mix(*i, step + 500).is_multiple_of(4));
    let changes = changed.map(|i| (((i / 70) as i32, (i % 70) as i32), change(i)));
    Delta::from_changes(70, 70, changes).unwrap()
}

type Voxels = Vec<(i32, i32, u32)>;

/// Everything that can be asked of the store, as bits.
#[derive(PartialEq)]
struct Answers {
    states: Vec<(usize, Vec<u8>)>,
    /// Deltas and marks.
    deltas: Vec<(usize, Voxels, Voxels)>,
    histories: Vec<Vec<(usize, u32)>>,
}

impl Answers {
    async fn of(store: &TemporalStore) -> Self {
        let mut answers = Answers {
            states: Vec::new(),
            deltas: Vec::new(),
            histories: Vec::new(),
        };
        for name in ["moves", "rows", "deltas"] {
            let layer = store.layer(name).await.unwrap();
            let (oldest, latest) = (layer.oldest().await.unwrap(), layer.latest().await.unwrap());
            for t in oldest..=latest {
                let state = layer.dense_at_time(t).await.unwrap();
                let bits = state
                    .values
                    .iter()
                    .flat_map(|value| value.to_bits().to_le_bytes());
                answers.states.push((state.timestep, bits.collect()));
            }
            // All at once, and from the middle of a group on.
            let mut found = layer.deltas_in(oldest + 1..=latest).await.unwrap();
            found.extend(layer.recent_deltas(9).await.unwrap());
            for (step, delta) in found {
                let bits = |voxels: &[temporal_vdb::Voxel]| {
                    let bits = voxels.iter().map(|at| (at.row, at.col, at.value.to_bits()));
                    bits.collect::<Voxels>()
                };
                answers
                    .deltas
                    .push((step, bits(delta.deltas()), bits(delta.marks())));
            }
            let (height, width) = layer.shape();
            for (row, col) in [
                (0, 0),
                (3, 7),
                (height / 2, width / 2),
                (height - 1, width - 1),
            ] {
                let history = layer.weight_history(row, col).await.unwrap();
                let bits = history.into_iter().map(|(t, value)| (t, value.to_bits()));
                answers.histories.push(bits.collect());
            }
        }
        answers
    }
}

/// How many groups there are in the dense coding, and how many codebooks.
fn dense_groups(path: &Path) -> (i64, i64) {
    let database = Connection::open(path).unwrap();
    let sql = "SELECT count(codebook), count(DISTINCT codebook) FROM groups";
    database
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

fn block_bytes(path: &Path, layer: u32) -> i64 {
    let database = Connection::open(path).unwrap();
    let sql = "SELECT sum(bytes) FROM groups WHERE layer = ?";
    database.query_row(sql, [layer], |row| row.get(0)).unwrap()
}

async fn recorded(folder: &Path, codec: Codec) -> (PathBuf, TemporalStore) {
    let path = folder.join(format!("{codec:?}.tvdb"));
    let store = TemporalStore::create(&path, options(codec)).await.unwrap();
    record(&store, 0..=STEPS).await;
    (path, store)
}

#[tokio::test]
async fn every_answer_is_the_same_in_either_coding() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = recorded(folder.path(), Codec::Fast).await;
    store.compact().await.unwrap();
    let expected = Answers::of(&store).await;
    let fast = store.stats().await.unwrap();
    drop(store);
    assert_eq!(dense_groups(&path), (0, 0));
    let fast_moves = block_bytes(&path, 0);

    let store = TemporalStore::open(&path, options(Codec::Dense))
        .await
        .unwrap();
    store.compact().await.unwrap();
    assert!(Answers::of(&store).await == expected);
    store.verify(|_, _| ()).await.unwrap();
    let dense = store.stats().await.unwrap();
    let moves = block_bytes(&path, 0);
    assert!(100 * moves < 85 * fast_moves, "{moves} of {fast_moves}");
    assert!(dense.block_bytes < fast.block_bytes);
    // All layers share the codebook of their width.
    let (groups, codebooks) = dense_groups(&path);
    assert!(groups >= 3 && codebooks == 2, "{groups} {codebooks}");
    // What is in grids is the same too.
    let layer = store.layer("deltas").await.unwrap();
    let grid = layer
        .grid(13..=STEPS, StorageOptions::default())
        .await
        .unwrap();
    for t in [13, 14, 30, STEPS] {
        let (ours, grids) = (
            layer.dense_at_time(t).await.unwrap(),
            grid.dense_at_time(t).await.unwrap(),
        );
        assert!(
            ours.values
                .iter()
                .zip(&grids.values)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        );
    }
    drop((layer, store));

    // And back again.
    let store = TemporalStore::open(&path, options(Codec::Fast))
        .await
        .unwrap();
    store.compact().await.unwrap();
    assert!(Answers::of(&store).await == expected);
    store.verify(|_, _| ()).await.unwrap();
    assert_eq!(dense_groups(&path), (0, 0));
}

#[tokio::test]
async fn recording_alone_comes_to_dense_groups_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for codec in [Codec::Fast, Codec::Dense] {
        let path = folder.path().join(format!("{codec:?}.tvdb"));
        let store = TemporalStore::create(&path, options(codec)).await.unwrap();
        record(&store, 0..=70).await;
        store.settle().await.unwrap();
        bytes.push(store.stats().await.unwrap().block_bytes);
        drop(store);
        assert_eq!(dense_groups(&path).0 > 0, codec == Codec::Dense);
    }
    assert!(bytes[1] < bytes[0], "{bytes:?}");
}

/// A dense group is coded upon the state before it; what pruning leaves of one is coded anew.
#[tokio::test]
async fn pruning_keeps_what_it_leaves_of_a_dense_group() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = recorded(folder.path(), Codec::Dense).await;
    store.compact().await.unwrap();
    let all = Answers::of(&store).await;
    drop(store);
    for keep in [44, 37, 36, 9, 8, 1, 0] {
        let copy = folder.path().join("copy.tvdb");
        std::fs::copy(&path, &copy).unwrap();
        let store = TemporalStore::open(&copy, options(Codec::Dense))
            .await
            .unwrap();
        for name in ["moves", "rows", "deltas"] {
            store
                .layer(name)
                .await
                .unwrap()
                .prune_history(keep)
                .await
                .unwrap();
        }
        let left = Answers::of(&store).await;
        let oldest = STEPS - keep;
        assert_eq!(left.states.len(), 3 * (keep + 1));
        let states = all
            .states
            .chunks(STEPS + 1)
            .flat_map(|layer| &layer[oldest..]);
        assert!(states.eq(&left.states), "{keep}");
        let deltas = all.deltas.iter().filter(|(step, ..)| *step > oldest);
        assert!(
            deltas.eq(left.deltas.iter().filter(|(step, ..)| *step > oldest)),
            "{keep}"
        );
        store.verify(|_, _| ()).await.unwrap();
        // Recording goes on, and pruning again, from what has been coded anew.
        record(&store, STEPS + 1..=STEPS + 10).await;
        store.compact().await.unwrap();
        store
            .layer("moves")
            .await
            .unwrap()
            .prune_history(4)
            .await
            .unwrap();
        store.verify(|_, _| ()).await.unwrap();
        drop(store);
        // No codebook stays behind without a group.
        let store = TemporalStore::open(&copy, options(Codec::Fast))
            .await
            .unwrap();
        store.compact().await.unwrap();
        store.verify(|_, _| ()).await.unwrap();
    }
}

/// Many little matrices would drown in tables of their own.
#[tokio::test]
async fn little_matrices_share_their_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("little.tvdb");
    let store = TemporalStore::create(&path, options(Codec::Fast))
        .await
        .unwrap();
    let layers = 100;
    for step in 0..=16 {
        let mut writer = store.begin_step(step);
        for layer in 0..layers {
            let weight = |i: usize| moves(i + layer * 512, step).to_le_bytes();
            let tensor = Tensor {
                name: format!("layer.{layer}"),
                dtype: Dtype::Bf16,
                shape: vec![16, 32],
                data: (0..512).flat_map(weight).collect::<Vec<u8>>().into(),
            };
            writer = writer.tensor(tensor, Threshold::Lossless);
        }
        writer.commit().await.unwrap();
    }
    store.compact().await.unwrap();
    let fast = store.stats().await.unwrap().block_bytes;
    drop(store);
    let store = TemporalStore::open(&path, options(Codec::Dense))
        .await
        .unwrap();
    store.compact().await.unwrap();
    let dense = store.stats().await.unwrap().block_bytes;
    store.verify(|_, _| ()).await.unwrap();
    let (groups, codebooks) = dense_groups(&path);
    assert!(
        groups >= layers as i64 && codebooks == 1,
        "{groups} {codebooks}"
    );
    assert!((dense as f64) < 0.7 * fast as f64, "{dense} of {fast}");
}

#[tokio::test]
async fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    // One file for all: what is sealed behind recording, and when, does depend on the time.
    let sealed = folder.path().join("sealed.tvdb");
    let store = TemporalStore::create(&sealed, options(Codec::Fast))
        .await
        .unwrap();
    record(&store, 0..=20).await;
    store.settle().await.unwrap();
    drop(store);
    let mut contents = Vec::new();
    for threads in [1, 2, 5] {
        let path = folder.path().join(format!("{threads}.tvdb"));
        std::fs::copy(&sealed, &path).unwrap();
        let options = StoreOptions {
            threads: NonZeroUsize::new(threads),
            ..options(Codec::Dense)
        };
        let store = TemporalStore::open(&path, options).await.unwrap();
        store.compact().await.unwrap();
        drop(store);
        assert!(dense_groups(&path).0 > 0);
        let database = Connection::open(&path).unwrap();
        let mut query = database
            .prepare("SELECT data FROM blobs ORDER BY data")
            .unwrap();
        let blobs = query.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        // Codebooks begin with a sum over their id, which may be another.
        let blobs: Vec<Vec<u8>> = blobs.map(Result::unwrap).collect();
        let bodies = blobs.iter().map(|blob| blob[blob.len().min(8)..].to_vec());
        let mut bodies: Vec<Vec<u8>> = bodies.collect();
        bodies.sort();
        contents.push(bodies);
    }
    assert!(contents[0] == contents[1] && contents[0] == contents[2]);
}

#[tokio::test]
async fn a_damaged_codebook_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = recorded(folder.path(), Codec::Dense).await;
    store.compact().await.unwrap();
    drop(store);
    let change = |sql: &str| Connection::open(&path).unwrap().execute(sql, []).unwrap();
    let first = "FROM groups WHERE layer = 0 AND codebook IS NOT NULL ORDER BY first LIMIT 1";
    let of_moves = format!("(SELECT codebook {first})");
    let database = Connection::open(&path).unwrap();
    // At its last step there may be a keyframe.
    let inside: u32 = database
        .query_row(&format!("SELECT last - 1 {first}"), [], |row| row.get(0))
        .unwrap();
    let inside = inside as usize;
    drop(database);
    for sql in [
        format!(
            "UPDATE blobs SET data = CAST(substr(data, 1, 20) || x'00' || substr(data, 22) AS BLOB) WHERE id = {of_moves}"
        ),
        format!("UPDATE blobs SET data = x'' WHERE id = {of_moves}"),
        format!("DELETE FROM blobs WHERE id = {of_moves}"),
    ] {
        assert_eq!(change(&sql), 1);
        let store = TemporalStore::open(&path, options(Codec::Dense))
            .await
            .unwrap();
        let layer = store.layer("moves").await.unwrap();
        for error in [
            layer.weights_at_time(inside).await.map(drop).unwrap_err(),
            layer.weight_history(0, 0).await.map(drop).unwrap_err(),
            store.verify(|_, _| ()).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
            assert!(error.to_string().contains("codebook"), "{error}");
        }
    }
}

/// Old steps may be read more often than space matters: then changes stay in the fast coding.
#[tokio::test]
async fn favoring_reads_goes_with_either_coding() {
    let folder = tempfile::tempdir().unwrap();
    for codec in [Codec::Fast, Codec::Dense] {
        let path = folder.path().join(format!("{codec:?}.tvdb"));
        let options = StoreOptions {
            favor: Favor::Reads,
            ..options(codec)
        };
        let store = TemporalStore::create(&path, options).await.unwrap();
        record(&store, 0..=STEPS).await;
        store.settle().await.unwrap();
        store.verify(|_, _| ()).await.unwrap();
        let layer = store.layer("moves").await.unwrap();
        for t in [0, 7, 8, 20, STEPS] {
            let state = layer.dense_at_time(t).await.unwrap();
            let expected = (0..130 * 140).map(|i| f32::from_bits(u32::from(moves(i, t)) << 16));
            assert!(state.values.iter().copied().eq(expected), "{t}");
        }
    }
}
