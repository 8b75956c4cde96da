//! How the layers of a real run moved.

use std::path::Path;
use std::time::Instant;

use temporal_vdb::{
    Codec, Progress, RecordOptions, Result, StoreOptions, TemporalLayer, TemporalQueries,
    TemporalStore,
};

use crate::checkpoints::{checkpoint, files};

/// The middle one of so many counts.
const MEASURED: usize = 9;

pub async fn measure() -> Result<()> {
    let Some(runs) = std::env::var_os("TEMPORAL_VDB_TRACES") else {
        println!("TEMPORAL_VDB_TRACES is not set: evolution is not measured");
        return Ok(());
    };
    for folder in files(Path::new(&runs)) {
        for codec in [Codec::Fast, Codec::Dense] {
            of_run(&folder, codec).await?;
        }
    }
    Ok(())
}

async fn of_run(folder: &Path, codec: Codec) -> Result<()> {
    let options = StoreOptions {
        codec,
        ..StoreOptions::default()
    };
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let store = TemporalStore::create(temporary.path().join("run.tvdb"), options).await?;
    for file in files(folder) {
        store
            .record(None, checkpoint(&file), RecordOptions::default())
            .await?;
    }
    store.compact().await?;
    let mut layers = Vec::new();
    for layer in store.layers().await? {
        if layer.matrix.is_some() {
            layers.push((store.layer(&layer.name).await?, layer.oldest, layer.latest));
        }
    }
    let mut times = Vec::new();
    for _ in 0..MEASURED {
        // The first and the last state at once: all blocks are decoded, once, and added up.
        let start = Instant::now();
        for (layer, oldest, latest) in &layers {
            layer.dense_at_many(&[*oldest, *latest]).await?;
        }
        let decoded = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let mut changes = 0;
        let progress = Progress::default();
        for (layer, ..) in &layers {
            let evolution = layer.evolution(0..=usize::MAX, 10, &progress).await?;
            changes += evolution.layer.changes;
        }
        let evolved = start.elapsed().as_secs_f64();
        times.push((evolved / decoded, decoded, evolved, changes));
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, decoded, evolved, changes) = times[MEASURED / 2];
    println!(
        "{}, {codec:?}: {changes} changes, decoded in {:.1} ms, evolution {:.1} ms: {ratio:.2}x",
        folder.display(),
        decoded * 1e3,
        evolved * 1e3,
    );
    Ok(())
}
