//! What it costs to ask which weights move, and which move together:
//!
//! - pairs and groups of the 20,000 weights that change at one of 1,000 steps, in a file;
//! - the same of 5,000, against all pairs;
//! - how a real run's layers moved over all its steps, against decoding its blocks once
//!   (`TEMPORAL_VDB_TRACES` names the folder of the runs; without it that part is left out).
//!
//! `cargo bench --bench queries`

mod all_pairs;
#[path = "../../support/checkpoints.rs"]
mod checkpoints;
mod evolution;
mod memory;
mod moving;

use std::time::{Duration, Instant};

use temporal_vdb::{
    CoOccurrence, Dtype, Progress, Result, StoreOptions, StoredLayer, TemporalLayer,
    TemporalQueries, TemporalStore,
};

use memory::Peak;
use moving::Moving;

const SHAPE: (i32, i32) = (1024, 1024);

/// A question is asked so many times; the median counts.
const ASKED: usize = 5;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (weights, name) in [(20_000, "large"), (5_000, "small")] {
        let moving = Moving::new(SHAPE, weights);
        let options = StoreOptions::default();
        let path = folder.path().join(format!("{name}.tvdb"));
        let store = TemporalStore::create(path, options).await?;
        let layer = store
            .create_layer("w", Dtype::F32, SHAPE.0, SHAPE.1)
            .await?;
        for (step, delta) in moving.deltas() {
            layer.store_changes(step, &delta?).await?;
        }
        store.settle().await?;
        println!(
            "{weights} weights change at step {}, {} times each on the mean",
            moving::STEPS,
            moving.changes() / weights
        );
        let asked = ask(&layer).await?;
        if name == "small" {
            against_all_pairs(&moving, &asked);
        }
    }
    evolution::measure().await
}

/// What was found, and what it took.
struct Asked {
    pairs: u64,
    groups: usize,
    join: Duration,
}

async fn ask(layer: &StoredLayer) -> Result<Asked> {
    let progress = Progress::default();
    let query = CoOccurrence::default().at(moving::STEPS);
    let mut found = Vec::new();
    let peak = Peak::begin();
    for _ in 0..ASKED {
        let start = Instant::now();
        let together = layer.together(&query, &progress).await?;
        let read = start.elapsed();
        let pairs = together.count(&progress).await?;
        let counted = start.elapsed();
        let groups = together.groups(&progress).await?.len();
        let all = start.elapsed();
        found.push((all, read, counted - read, all - counted, pairs, groups));
    }
    let peak = peak.bytes();
    found.sort_unstable();
    let (all, read, count, group, pairs, groups) = found[ASKED / 2];
    println!(
        "  {pairs} pairs in {groups} groups: {:.0} ms, of which reading and building {:.0}, \
         counting {:.0}, grouping {:.0}; {} MB more memory at most",
        ms(all),
        ms(read),
        ms(count),
        ms(group),
        peak >> 20
    );
    Ok(Asked {
        pairs,
        groups,
        join: all,
    })
}

fn against_all_pairs(moving: &Moving, asked: &Asked) {
    let start = Instant::now();
    let (pairs, groups) = all_pairs::count(&moving.histories(), 0.8);
    let took = start.elapsed();
    assert_eq!((pairs, groups), (asked.pairs, asked.groups), "all pairs");
    println!(
        "  all pairs, on one thread: {:.0} ms, {:.0}x as long",
        ms(took),
        took.as_secs_f64() / asked.join.as_secs_f64()
    );
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
