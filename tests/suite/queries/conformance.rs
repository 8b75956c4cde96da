//! Every implementation of `TemporalQueries`, in every condition its history can be in, gives the
//! answers of the model; and all that hold the same history give the same evolution, bit for bit.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use temporal_vdb::{
    By, Change, CoOccurrence, Codec, Delta, Dtype, LayerEvolution, OpenVdbStorage, Region,
    Retention, Ring, SparseWeights, StorageOptions, StoreOptions, StoredLayer, TemporalLayer,
    TemporalQueries, TemporalStore, TemporalVDBStorage,
};

use super::brute::Brute;

/// Four tiles: three of them are smaller.
const SHAPE: (i32, i32) = (132, 150);

/// More steps than a mask's word has bits, with gaps.
const STEPS: usize = 76;

const TIERS: &str = "tiers 20,6@4,4@12";

fn hash(parts: [usize; 3]) -> usize {
    let mut mixed = 0x9e37_79b9_7f4a_7c15_u64;
    for part in parts {
        mixed = (mixed ^ part as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^= mixed >> 29;
    }
    (mixed >> 7) as usize
}

/// A base and what steps change: clusters of weights that nearly always move as one, and loners with
/// values that are hard. All are on the lattice of BF16 where that is asked for.
fn history(dtype: Dtype) -> (SparseWeights, Vec<(usize, Delta)>) {
    let coarse = dtype == Dtype::Bf16;
    let (rows, cols) = SHAPE;
    let nan = f32::from_bits(if coarse { 0x7fc1_0000 } else { 0x7fa0_0001 });
    // Adding 1 to the first of these changes it to what it was.
    let large = (1u32 << 27) as f32;
    let start = [((2, 2), large), ((3, 3), 1.0), ((4, 4), nan)];
    let mut state: BTreeMap<(i32, i32), f32> = start.into();
    let triplets = start.map(|((row, col), value)| (row, col, value));
    let base = SparseWeights::from_triplets(rows, cols, triplets).unwrap();
    let (mut t, mut steps) = (0, Vec::new());
    for number in 1..=STEPS {
        t += if hash([number, 0, 1]).is_multiple_of(5) {
            1 + number % 9
        } else {
            1
        };
        let mut changes = BTreeMap::new();
        let moved = |delta| Change { delta, exact: None };
        let marked = |value| Change {
            delta: 0.0,
            exact: Some(value),
        };
        for cluster in 0..14usize {
            if !hash([cluster, t, 2]).is_multiple_of(2 + cluster % 4) {
                continue;
            }
            for member in 0..8usize {
                // The first cluster's members are all alike.
                if cluster > 0 && hash([cluster * 8 + member, t, 3]).is_multiple_of(16) {
                    continue;
                }
                let row = (117 + 2 * cluster + member) as i32 % rows;
                let col = (120 + 5 * member + cluster) as i32 % cols;
                let before = state.get(&(row, col)).copied().unwrap_or(0.0);
                let size = if coarse {
                    0.5
                } else {
                    0.1 * (member + 1) as f32
                };
                let up = !hash([cluster, member, t]).is_multiple_of(3);
                let up = if before.abs() > 40.0 {
                    before < 0.0
                } else {
                    up
                };
                changes.insert((row, col), moved(if up { size } else { -size }));
            }
        }
        changes.insert((2, 2), moved(1.0));
        changes.insert((3, 3), moved(if t % 2 == 0 { -1.0 } else { 1.0 }));
        if number % 3 == 0 {
            let tiny = if coarse { 2f32.powi(-100) } else { 1e-30 };
            let values = [-0.0, f32::INFINITY, tiny, nan, f32::NEG_INFINITY, 0.0];
            changes.insert((6, 6), marked(values[number / 3 % values.len()]));
        }
        if number % 7 == 0 {
            // To the bits it has.
            let value = state.get(&(131, 149)).copied().unwrap_or(0.0);
            changes.insert((131, 149), marked(value));
        }
        if number == 40 {
            changes.insert((131, 149), moved(2.0));
        }
        if number == 50 {
            changes.clear();
        }
        for (weight, change) in &changes {
            let value = state.entry(*weight).or_insert(0.0);
            *value = change.exact.unwrap_or(*value + change.delta);
        }
        steps.push((t, Delta::from_changes(rows, cols, changes).unwrap()));
    }
    (base, steps)
}

/// An implementation with the history in it; its description.
type Made = (String, Box<dyn TemporalQueries>);

async fn fill(storage: &mut (impl TemporalLayer + ?Sized), dtype: Dtype) {
    let (base, steps) = history(dtype);
    storage.store_base(&base).await.unwrap();
    for (t, delta) in &steps {
        storage.store_changes(*t, delta).await.unwrap();
    }
}

fn tiers() -> Retention {
    TIERS.parse().unwrap()
}

async fn grid(dtype: Dtype, threads: usize, ring: Option<usize>) -> OpenVdbStorage {
    let options = StorageOptions {
        threads: NonZeroUsize::new(threads),
        ring: ring.map(|slots| Ring::new(slots).unwrap()),
        ..StorageOptions::default()
    };
    let mut grid = OpenVdbStorage::with_options("w", SHAPE.0, SHAPE.1, options).unwrap();
    fill(&mut grid, dtype).await;
    grid
}

async fn grids(dtype: Dtype) -> Vec<Made> {
    let mut made = Vec::new();
    for threads in [1, 2] {
        let mut put = |what: &str, grid| {
            let what = format!("OpenVdbStorage, {threads} threads, {what}");
            made.push((what, Box::new(grid) as Box<dyn TemporalQueries>));
        };
        put("all steps", grid(dtype, threads, None).await);
        put("a ring", grid(dtype, threads, Some(9)).await);
        let mut last = grid(dtype, threads, None).await;
        last.prune_history(11).await.unwrap();
        put("the last steps", last);
        let tiered = grid(dtype, threads, None).await;
        tiered.prune(&tiers()).await.unwrap();
        put("tiers", tiered);
    }
    made
}

fn options(codec: Codec, threads: usize) -> StoreOptions {
    StoreOptions {
        codec,
        threads: NonZeroUsize::new(threads),
        ..StoreOptions::default()
    }
}

async fn fill_store(store: &TemporalStore, dtype: Dtype) -> StoredLayer {
    let layer = store.create_layer("w", dtype, SHAPE.0, SHAPE.1).await;
    let mut layer = layer.unwrap();
    fill(&mut layer, dtype).await;
    layer
}

async fn stores(folder: &Path, dtype: Dtype) -> Vec<Made> {
    let mut made = Vec::new();
    let mut put = |what: String, layer: StoredLayer| {
        made.push((format!("StoredLayer, {what}"), Box::new(layer) as Box<_>));
    };
    for threads in [1, 2] {
        let store = TemporalStore::in_memory(options(Codec::Fast, threads)).unwrap();
        let layer = fill_store(&store, dtype).await;
        put(format!("in memory, {threads} threads"), layer);
    }
    for codec in [Codec::Fast, Codec::Dense] {
        for state in [
            "written",
            "sealed",
            "compacted",
            "reopened",
            "last",
            "tiers",
            "tiers, compacted",
        ] {
            let what = format!("{codec:?}, {state}");
            let path = folder.join(format!("{dtype:?} {what}.tvdb"));
            let mut store = TemporalStore::create(&path, options(codec, 2))
                .await
                .unwrap();
            let mut layer = fill_store(&store, dtype).await;
            match state {
                "written" => {}
                "sealed" => store.seal().await.unwrap(),
                "compacted" => store.compact().await.unwrap(),
                "reopened" => {
                    store.seal().await.unwrap();
                    drop((layer, store));
                    store = TemporalStore::open_read_only(&path, options(codec, 2))
                        .await
                        .unwrap();
                    layer = store.layer("w").await.unwrap();
                }
                "last" => layer.prune_history(11).await.unwrap(),
                _ => {
                    store.prune(&tiers()).await.unwrap();
                    if state != "tiers" {
                        store.compact().await.unwrap();
                    }
                }
            }
            put(what, layer);
        }
    }
    made
}

async fn all(folder: &Path, dtype: Dtype) -> Vec<Made> {
    let mut made = grids(dtype).await;
    made.extend(stores(folder, dtype).await);
    made
}

/// Some of the steps that are there, from the first to the last.
fn some(steps: &[usize]) -> [usize; 4] {
    let at = |part: usize| steps[(steps.len() - 1) * part / 3];
    [at(0), at(1), at(2), at(3)]
}

/// What the first with a history said, by the history.
type Known = BTreeMap<(usize, Vec<usize>), (String, Vec<LayerEvolution>)>;

async fn check_evolutions(
    known: &mut Known,
    name: &str,
    layer: &dyn TemporalQueries,
    brute: &Brute,
) {
    let [first, early, late, last] = some(&brute.steps);
    let ranges = [
        0..=usize::MAX,
        first..=last,
        early..=late,
        early + 1..=late - 1,
        late..=late,
        last + 1..=usize::MAX,
        0..=brute.oldest,
    ];
    let mut said = Vec::new();
    for (i, times) in ranges.into_iter().enumerate() {
        let top = [10, 0, 1, 70, 1_000_000][i % 5];
        said.push(brute.check_evolution(layer, times.clone(), top).await);
        let region = [
            Region::new(0..SHAPE.0, 0..SHAPE.1),
            Region::new(126..131, 120..140),
            Region::new(2..3, 2..3),
        ][i % 3];
        brute.check_weight_evolutions(layer, times, region).await;
    }
    match known.get(&(brute.oldest, brute.steps.clone())) {
        Some((other, expected)) => assert!(said == *expected, "{name} is not as {other}"),
        None => {
            let history = (brute.oldest, brute.steps.clone());
            known.insert(history, (name.to_owned(), said));
        }
    }
}

/// Several histories are those of the weights one by one.
async fn check_histories(layer: &dyn TemporalQueries, brute: &Brute) {
    brute.check_histories(layer, &[]).await;
    let odd = [
        (131, 149),
        (2, 2),
        (6, 6),
        (4, 4),
        (2, 2),
        (0, 0),
        (131, 149),
        (6, 6),
    ];
    brute.check_histories(layer, &odd).await;
    let many = (110..132).flat_map(|row| [(row, 127), (row, 128), (row % 9, row)]);
    brute
        .check_histories(layer, &many.collect::<Vec<_>>())
        .await;
}

/// What moves together is what every pair says.
async fn check_together(layer: &dyn TemporalQueries, brute: &Brute) {
    let [first, early, late, last] = some(&brute.steps);
    for (i, by) in [By::Weight, By::Row, By::Column].into_iter().enumerate() {
        for (j, (at, times, min_changes)) in [
            (None, 0..=usize::MAX, 3),
            (Some(late), 0..=usize::MAX, 1),
            (None, early..=late, 2),
            (Some(first), late..=last, 2),
        ]
        .into_iter()
        .enumerate()
        {
            let query = CoOccurrence {
                by,
                at,
                times: times.clone(),
                above: [0.3, 0.8, 1.0][(i + j) % 3],
                min_changes,
            };
            brute.check_together(layer, &query).await;
        }
    }
}

/// So are the answers about single steps and single pairs.
async fn check_pairs(name: &str, layer: &dyn TemporalQueries, brute: &Brute) {
    let [first, _, late, _] = some(&brute.steps);
    for t in [first, late] {
        brute.check_step(layer, t).await;
    }
    let weights = [
        (2, 2),
        (3, 3),
        (6, 6),
        (117, 120),
        (118, 125),
        (119, 130),
        (121, 140),
        (0, 0),
    ];
    brute.check_scores(layer, &weights).await;
    // Of the first cluster, whose members all have the same steps; but of those that tiers have made
    // one, one of them can have come back to where it was.
    if !name.contains("tiers") {
        let alike = layer.co_occurrence_score((117, 120), (118, 125)).await;
        assert_eq!(alike.unwrap(), 1.0);
    }
    let still = layer.co_occurrence_score((0, 0), (0, 1)).await.unwrap();
    assert_eq!(still, 0.0);
}

async fn check_all(dtype: Dtype) {
    let folder = tempfile::tempdir().unwrap();
    let mut known = Known::new();
    for (name, layer) in all(folder.path(), dtype).await {
        eprintln!("{name}");
        let layer = layer.as_ref();
        let brute = Brute::of(layer).await;
        check_evolutions(&mut known, &name, layer, &brute).await;
        check_histories(layer, &brute).await;
        check_together(layer, &brute).await;
        check_pairs(&name, layer, &brute).await;
    }
    // All steps, a ring, the last ones, tiers.
    assert_eq!(known.len(), 4);
}

#[tokio::test]
async fn every_answer_is_the_models_and_the_same_bits_everywhere() {
    check_all(Dtype::F32).await;
}

#[tokio::test]
async fn so_it_is_in_bf16() {
    check_all(Dtype::Bf16).await;
}
