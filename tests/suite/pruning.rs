//! Pruning beside the work behind recording.

use std::collections::BTreeMap;

use temporal_vdb::{
    Checkpoint, Delta, Dtype, RecordOptions, StoreOptions, TemporalLayer, TemporalStore,
    TemporalVDBStorage, Tensor,
};

/// Sealing once worked on steps that pruning took away meanwhile: a slab of silent steps was written
/// although the base already lay behind it, and from then on the layer was "damaged".
#[tokio::test(flavor = "multi_thread")]
async fn pruning_and_sealing_wait_for_each_other() {
    for round in 0..100 {
        let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
        let mut layer = store.create_layer("w", Dtype::F32, 4, 4).await.unwrap();
        let steps = 8 + round % 9;
        for step in 1..=steps {
            let value = if step % 3 == 0 { 1.0 } else { 0.0 };
            let delta = Delta::from_triplets(4, 4, [(1, 2, value)]).unwrap();
            layer.store_changes(step, &delta).await.unwrap();
        }
        layer.prune_history(round % 4).await.unwrap();
        let latest = layer.weights_at_time(steps).await.unwrap();
        assert_eq!(latest.get(1, 2), Some((steps / 3) as f32), "round {round}");
        store.verify(|_, _| ()).await.unwrap();
    }
}

/// The commit that held a checkpoint's metadata once went with the steps before the new base.
#[tokio::test]
async fn metadata_outlives_the_commit_that_brought_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.tvdb");
    let store = TemporalStore::create(&path, StoreOptions::default())
        .await
        .unwrap();
    let data = vec![0u8; 64].into();
    let tensor = Tensor {
        name: "w".into(),
        dtype: Dtype::F32,
        shape: vec![4, 4],
        data,
    };
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let checkpoint = Checkpoint {
        tensors: vec![tensor],
        metadata: metadata.clone(),
    };
    store
        .record(None, checkpoint, RecordOptions::default())
        .await
        .unwrap();
    let mut layer = store.layer("w").await.unwrap();
    for step in 1..=3 {
        let delta = Delta::from_triplets(4, 4, [(0, 0, 1.0)]).unwrap();
        layer.store_changes(step, &delta).await.unwrap();
    }
    layer.prune_history(1).await.unwrap();
    assert_eq!(
        store.weights_at(3).await.unwrap().checkpoint.metadata,
        metadata
    );
    assert_eq!(store.latest().await.unwrap().checkpoint.metadata, metadata);
    drop((layer, store));
    let store = TemporalStore::open(&path, StoreOptions::default())
        .await
        .unwrap();
    assert_eq!(store.latest().await.unwrap().checkpoint.metadata, metadata);
    store.verify(|_, _| ()).await.unwrap();
}
