//! What time operations of a store cost: recording under a policy that keeps the last 999 steps
//! against recording without one, many states in one pass against one by one, and pruning 100 of
//! 1,000 steps against writing the store anew without them.
//!
//! `cargo bench --bench time_operations`, or with `-- ROWS COLS SHARE` for another layer than 1024 x 1024
//! weights of which 1 % change at each step.

use std::path::Path;
use std::time::{Duration, Instant};

use temporal_vdb::{
    Delta, Dtype, Durability, Result, Retention, SparseWeights, StoreOptions, StoredLayer,
    TemporalLayer, TemporalStore, TemporalVDBStorage, Voxel,
};

const STEPS: usize = 1000;
const PRUNED: usize = 100;

/// Numbers that look random and are the same each time (Steele and Vigna's SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }
}

struct Workload {
    rows: i32,
    cols: i32,
    share: f32,
    numbers: Numbers,
}

impl Workload {
    /// Changes of a share of the weights, by up to a thousandth.
    fn delta(&mut self) -> Result<Delta> {
        let mut voxels = Vec::new();
        for row in 0..self.rows {
            for col in 0..self.cols {
                if self.numbers.unit() < self.share {
                    let value = (self.numbers.unit() - 0.5) * 2e-3;
                    voxels.push(Voxel { row, col, value });
                }
            }
        }
        Delta::from_sorted(self.rows, self.cols, voxels, Vec::new())
    }
}

async fn new_layer(path: &Path, shape: (i32, i32)) -> Result<(TemporalStore, StoredLayer)> {
    let store = TemporalStore::create(path, StoreOptions::default()).await?;
    let layer = store
        .create_layer("w", Dtype::F32, shape.0, shape.1)
        .await?;
    Ok((store, layer))
}

/// Records steps and waits for the work behind it; the mean time of each.
async fn record(
    store: &TemporalStore,
    layer: &StoredLayer,
    from: usize,
    deltas: &[Delta],
) -> Result<Duration> {
    let start = Instant::now();
    for (i, delta) in deltas.iter().enumerate() {
        layer.store_changes(from + i, delta).await?;
    }
    store.settle().await?;
    Ok(start.elapsed() / deltas.len() as u32)
}

/// Another store with the steps from one on: its state and all changes after it.
async fn rewrite(from: &StoredLayer, oldest: usize, path: &Path) -> Result<Duration> {
    let start = Instant::now();
    let options = StoreOptions {
        durability: Durability::Eventual,
        ..StoreOptions::default()
    };
    let store = TemporalStore::create(path, options).await?;
    let (rows, cols) = from.shape();
    let mut layer = store.create_layer("w", Dtype::F32, rows, cols).await?;
    let base = from.dense_at_time(oldest).await?;
    layer
        .store_base(&SparseWeights::from_dense(rows, cols, &base.values)?)
        .await?;
    let mut step = oldest + 1;
    while step <= from.latest().await? {
        for (step, delta) in from.deltas_in(step..=step + 63).await? {
            layer.store_changes(step - oldest, &delta).await?;
        }
        step += 64;
    }
    store.settle().await?;
    Ok(start.elapsed())
}

/// States spread over the history, one by one and at once.
async fn at_many(layer: &StoredLayer, count: usize) -> Result<()> {
    let (oldest, latest) = (layer.oldest().await?, layer.latest().await?);
    let times: Vec<usize> = (1..=count)
        .map(|i| oldest + i * (latest - oldest) / count)
        .collect();
    let start = Instant::now();
    for &t in &times {
        layer.dense_at_time(t).await?;
    }
    let one_by_one = start.elapsed();
    let start = Instant::now();
    let states = layer.dense_at_many(&times).await?;
    let at_once = start.elapsed();
    println!(
        "{} states: one by one {:.0} ms, at once {:.0} ms: {:.1}x faster",
        states.len(),
        one_by_one.as_secs_f64() * 1e3,
        at_once.as_secs_f64() * 1e3,
        one_by_one.as_secs_f64() / at_once.as_secs_f64(),
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let numbers: Vec<f32> = std::env::args()
        .filter_map(|text| text.parse().ok())
        .collect();
    let (rows, cols, share) = match numbers[..] {
        [rows, cols, share] => (rows as i32, cols as i32, share),
        _ => (1024, 1024, 0.01),
    };
    let mut workload = Workload {
        rows,
        cols,
        share,
        numbers: Numbers(1),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!(
        "{rows} x {cols} weights, {} % change at each step",
        share * 100.0
    );
    let path = |name: &str| folder.path().join(name);
    let (store, layer) = new_layer(&path("all.tvdb"), (rows, cols)).await?;
    let (ring_store, ring) = new_layer(&path("ring.tvdb"), (rows, cols)).await?;
    ring.set_retention(Retention::KeepLast(STEPS - 1)).await?;
    let mut both = [Duration::ZERO; 2];
    let mut step = 1;
    while step <= 2 * STEPS {
        let deltas = (0..PRUNED)
            .map(|_| workload.delta())
            .collect::<Result<Vec<_>>>()?;
        let all = record(&store, &layer, step, &deltas).await?;
        let last = record(&ring_store, &ring, step, &deltas).await?;
        // Before that nothing has to go.
        if step > STEPS {
            both[0] += all;
            both[1] += last;
        }
        step += PRUNED;
    }
    let [all, last] = both.map(|sum| sum.as_secs_f64() * 1e3 / (STEPS / PRUNED) as f64);
    println!(
        "append: {all:.2} ms; with the last {} kept {last:.2} ms: {:.2}x; {} steps are there",
        STEPS - 1,
        last / all,
        ring.steps().await?.len()
    );
    ring.prune(&Retention::KeepLast(STEPS)).await?;
    at_many(&ring, 16).await?;

    for policy in [
        Retention::KeepLast(STEPS - PRUNED),
        // Every other one of the older steps.
        "tiers 700,100@2".parse()?,
    ] {
        let plan = ring.plan_prune(&policy).await?;
        let start = Instant::now();
        let pruned = ring.prune(&policy).await?;
        let took = start.elapsed();
        let name = policy.to_string().replace([' ', ','], "-");
        let rewriting = rewrite(&ring, pruned.oldest, &path(&format!("{name}.tvdb"))).await?;
        println!(
            "'{policy}' drops {} steps, {} KB: {:.0} ms, rewriting the rest {:.0} ms: {:.1}x faster{}",
            pruned.steps.len(),
            pruned.freed_bytes >> 10,
            took.as_secs_f64() * 1e3,
            rewriting.as_secs_f64() * 1e3,
            rewriting.as_secs_f64() / took.as_secs_f64(),
            if plan == pruned {
                ""
            } else {
                "; the plan was another"
            },
        );
    }
    ring_store.verify(|_, _| ()).await?;
    Ok(())
}
