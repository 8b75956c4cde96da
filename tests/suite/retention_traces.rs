//! What stays of real runs is, by digest, what was recorded: before and after every operation that
//! drops steps. Needs the folder of runs (`TEMPORAL_VDB_TRACES`).

use std::collections::BTreeMap;
use std::path::Path;

use temporal_vdb::{
    Checkpoint, Codec, RecordOptions, Retention, StoreOptions, TemporalStore, Tensor,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::checkpoints::{checkpoint, files};
use crate::traces;

/// The digest of each step's tensors.
type Digests = BTreeMap<usize, u128>;

fn digest(checkpoint: &Checkpoint) -> u128 {
    let mut tensors: Vec<&Tensor> = checkpoint.tensors.iter().collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let parts = tensors
        .iter()
        .map(|tensor| xxh3_128(&tensor.data).to_le_bytes());
    xxh3_128(&parts.collect::<Vec<_>>().concat())
}

/// Every step that is there is what was recorded, and nothing in the file is damaged.
async fn check(store: &TemporalStore, recorded: &Digests, expected: &[usize], what: &str) {
    let steps: Vec<usize> = store
        .steps()
        .await
        .unwrap()
        .iter()
        .map(|step| step.step)
        .collect();
    assert_eq!(steps, expected, "{what}");
    for step in steps {
        let found = store.weights_at_step(step).await.unwrap();
        assert!(
            digest(&found.checkpoint) == recorded[&step],
            "{what}: step {step}"
        );
    }
    store.verify(|_, _| ()).await.unwrap();
}

async fn run(folder: &Path, codec: Codec) {
    let files = files(folder);
    let temporary = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        codec,
        ..StoreOptions::default()
    };
    let store = TemporalStore::create(temporary.path().join("run.tvdb"), options)
        .await
        .unwrap();
    let mut recorded = Digests::new();
    for (step, file) in files.iter().enumerate() {
        let checkpoint = checkpoint(file);
        recorded.insert(step, digest(&checkpoint));
        store
            .record(Some(step), checkpoint, RecordOptions::default())
            .await
            .unwrap();
    }
    let latest = files.len() - 1;
    let all: Vec<usize> = (0..=latest).collect();
    check(&store, &recorded, &all, "recorded").await;

    store.tag("pinned", 2).await.unwrap();
    let tiers: Retention = "tiers 4,3@2,4@4".parse().unwrap();
    let plan = store.plan_prune(&tiers).await.unwrap();
    check(&store, &recorded, &all, "planned").await;
    assert_eq!(store.prune(&tiers).await.unwrap(), plan);
    let mut stays: Vec<usize> = all
        .iter()
        .copied()
        .filter(|step| !plan.steps.contains(step))
        .collect();
    assert!(stays.len() < all.len() && stays.contains(&2) && stays.contains(&latest));
    check(&store, &recorded, &stays, "tiers").await;
    store.compact().await.unwrap();
    check(&store, &recorded, &stays, "compacted").await;

    let dropped = store.rollback(latest - 2).await.unwrap();
    stays.truncate(stays.len() - dropped);
    check(&store, &recorded, &stays, "rolled back").await;
    for (step, file) in files.iter().enumerate().skip(latest - 1) {
        store
            .record(Some(step), checkpoint(file), RecordOptions::default())
            .await
            .unwrap();
        stays.push(step);
    }
    check(&store, &recorded, &stays, "recorded anew").await;

    store.prune(&Retention::KeepLast(3)).await.unwrap();
    let mut last: Vec<usize> = stays[stays.len() - 4..].to_vec();
    last.insert(0, 2);
    check(&store, &recorded, &last, "last").await;
    store.untag("pinned").await.unwrap();
    store.prune(&Retention::KeepLast(1)).await.unwrap();
    store.compact().await.unwrap();
    check(&store, &recorded, &last[3..], "the last one").await;
}

#[tokio::test]
async fn what_stays_of_real_runs_is_what_was_recorded() {
    let Some(folder) = traces::folder() else {
        eprintln!("SKIPPED: TEMPORAL_VDB_TRACES names no folder of runs");
        return;
    };
    for entry in std::fs::read_dir(folder).unwrap() {
        for codec in [Codec::Fast, Codec::Dense] {
            run(&entry.as_ref().unwrap().path(), codec).await;
        }
    }
}
