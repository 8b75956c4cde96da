//! How the layers of a real run moved.

use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use safetensors::SafeTensors;
use temporal_vdb::{
    Checkpoint, Codec, Dtype, Progress, RecordOptions, Result, StoreOptions, TemporalLayer,
    TemporalQueries, TemporalStore, Tensor,
};

/// The middle one of so many counts.
const MEASURED: usize = 9;

pub async fn measure() -> Result<()> {
    let Some(runs) = std::env::var_os("TEMPORAL_VDB_TRACES") else {
        println!("TEMPORAL_VDB_TRACES is not set: evolution is not measured");
        return Ok(());
    };
    let mut folders: Vec<_> = std::fs::read_dir(runs)
        .expect("TEMPORAL_VDB_TRACES is a folder")
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    for folder in folders {
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
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the run's folder")
        .map(|entry| entry.expect("a folder can be read").path())
        .collect();
    files.sort();
    for file in &files {
        let checkpoint = checkpoint(file);
        store
            .record(None, checkpoint, RecordOptions::default())
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

fn checkpoint(file: &Path) -> Checkpoint {
    let bytes = std::fs::read(file).expect("a checkpoint can be read");
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let tensors = tensors.tensors().into_iter().map(|(name, view)| Tensor {
        name,
        dtype: Dtype::from_name(&view.dtype().to_string()).expect("a known type"),
        shape: view.shape().to_vec(),
        data: Bytes::copy_from_slice(view.data()),
    });
    Checkpoint {
        tensors: tensors.collect(),
        ..Checkpoint::default()
    }
}
