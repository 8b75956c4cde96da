//! What closing a store leaves behind.

use temporal_vdb::{Delta, Dtype, StoreOptions, TemporalLayer, TemporalStore, TemporalVDBStorage};

/// Connections that only read were once closed last, and SQLite can copy its log into the file only
/// through one that writes: a run that had been read from left its whole log lying there.
#[tokio::test]
async fn the_log_is_in_the_file_when_a_store_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.tvdb");
    let store = TemporalStore::create(&path, StoreOptions::default())
        .await
        .unwrap();
    let layer = store.create_layer("w", Dtype::F32, 8, 8).await.unwrap();
    for step in 1..=20 {
        let delta = Delta::from_triplets(8, 8, [(1, 2, 0.5)]).unwrap();
        layer.store_changes(step, &delta).await.unwrap();
    }
    assert_eq!(layer.weight_history(1, 2).await.unwrap().len(), 21);
    drop((layer, store));
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!left.iter().any(|name| name.ends_with("-wal")), "{left:?}");
    let store = TemporalStore::open_read_only(&path, StoreOptions::default())
        .await
        .unwrap();
    let layer = store.layer("w").await.unwrap();
    assert_eq!(
        layer.weights_at_time(20).await.unwrap().get(1, 2),
        Some(10.0)
    );
}
