//! Steps of a store into which is accumulated before they are committed, and who is told of commits.

use temporal_vdb::{
    Delta, Dtype, Error, StepEvent, StoreOptions, StoredLayer, TemporalLayer, TemporalStore,
    TemporalVDBStorage,
};

fn delta(triplets: &[(i32, i32, f32)]) -> Delta {
    Delta::from_triplets(4, 4, triplets.iter().copied()).unwrap()
}

async fn store() -> (TemporalStore, StoredLayer, StoredLayer) {
    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    let a = store.create_layer("a", Dtype::F32, 4, 4).await.unwrap();
    let b = store.create_layer("b", Dtype::Bf16, 4, 4).await.unwrap();
    (store, a, b)
}

#[tokio::test]
async fn all_layers_of_the_open_step_are_committed_as_one() {
    let (store, a, b) = store().await;
    a.accumulate(1, &delta(&[(0, 0, 1.0)]), 0.5).await.unwrap();
    b.accumulate(1, &delta(&[(1, 1, 2.0)]), -1.0).await.unwrap();
    a.accumulate(1, &delta(&[(0, 0, 1.0), (2, 2, 4.0)]), 0.25)
        .await
        .unwrap();
    // Nobody sees it yet.
    assert!(a.steps().await.unwrap().is_empty());
    assert_eq!(store.commit_accumulated().await.unwrap(), Some(1));
    assert_eq!(store.commit_accumulated().await.unwrap(), None);
    let steps = store.steps().await.unwrap();
    assert_eq!((steps.len(), steps[0].step, steps[0].layers), (1, 1, 2));
    assert_eq!(a.weight_history(0, 0).await.unwrap(), [(0, 0.0), (1, 0.75)]);
    assert_eq!(b.weight_history(1, 1).await.unwrap(), [(0, 0.0), (1, -2.0)]);
    // It is closed.
    let late = a.accumulate(1, &delta(&[(0, 0, 1.0)]), 1.0).await;
    assert!(matches!(
        late,
        Err(Error::StepOutOfOrder { step: 1, latest: 1 })
    ));
}

/// Whole numbers, so that the order in which tasks come does not show.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_accumulate_at_once_lose_nothing() {
    let (store, a, _) = store().await;
    let tasks: Vec<_> = (0..3)
        .map(|task| {
            let layer = a.clone();
            tokio::spawn(async move {
                for i in 0..50 {
                    let own = delta(&[(task, i % 4, 1.0), (3, 3, 1.0)]);
                    layer.accumulate(1, &own, 2.0).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    store.commit_accumulated().await.unwrap();
    let sums = a.dense_at_time(1).await.unwrap().values;
    assert_eq!(sums.iter().sum::<f32>(), 3.0 * 50.0 * 2.0 * 2.0);
    assert_eq!(sums[15], 3.0 * 50.0 * 2.0);
}

#[tokio::test]
async fn a_later_step_closes_the_open_one_and_both_are_stored_or_neither() {
    let (store, a, b) = store().await;
    a.accumulate(3, &delta(&[(0, 0, 1.0)]), 1.0).await.unwrap();
    // No bf16 is so near to 1: the later step fails, and the open one stays open.
    let off_lattice = delta(&[(0, 0, 1.0 + 1e-6)]);
    let failed = b.store_changes(4, &off_lattice).await;
    assert!(
        matches!(failed, Err(Error::OffLattice { .. })),
        "{failed:?}"
    );
    assert!(store.steps().await.unwrap().is_empty());
    assert_eq!(a.latest().await.unwrap(), 0);
    a.accumulate(3, &delta(&[(0, 0, 1.0)]), 1.0).await.unwrap();
    // An earlier one of another layer has nothing to do with it.
    b.store_changes(2, &delta(&[(0, 0, 1.0)])).await.unwrap();
    b.store_changes(4, &delta(&[(0, 0, 1.0)])).await.unwrap();
    assert_eq!(a.weight_history(0, 0).await.unwrap(), [(0, 0.0), (3, 2.0)]);
    assert_eq!(b.steps().await.unwrap(), [2, 4]);
    // Of a layer that is open, the open step is the newest.
    a.accumulate(9, &delta(&[(0, 0, 1.0)]), 1.0).await.unwrap();
    let early = a.store_changes(8, &delta(&[])).await;
    assert!(matches!(
        early,
        Err(Error::StepOutOfOrder { step: 8, latest: 9 })
    ));
    assert_eq!(store.rollback(4).await.unwrap(), 1);
    a.store_changes(8, &delta(&[])).await.unwrap();
    assert_eq!(store.commit_accumulated().await.unwrap(), None);
}

#[tokio::test]
async fn a_step_that_cannot_be_committed_stays_open() {
    let (store, _, b) = store().await;
    b.accumulate(1, &delta(&[(0, 0, 1.0)]), 1e-3).await.unwrap();
    let failed = store.commit_accumulated().await;
    assert!(
        matches!(failed, Err(Error::OffLattice { row: 0, col: 0, .. })),
        "{failed:?}"
    );
    let rest = 1.0 - 1e-3f32;
    b.accumulate(1, &delta(&[(0, 0, rest)]), 1.0).await.unwrap();
    assert_eq!(store.commit_accumulated().await.unwrap(), Some(1));
    assert_eq!(b.weight_history(0, 0).await.unwrap(), [(0, 0.0), (1, 1.0)]);
}

#[tokio::test]
async fn watchers_are_told_of_what_is_committed() {
    let (store, a, mut b) = store().await;
    let (mut all, mut of_b) = (store.subscribe(), b.subscribe());
    a.store_changes(1, &delta(&[(0, 0, 1.0), (0, 1, 1.0)]))
        .await
        .unwrap();
    let step = store.begin_step(2);
    let step = step.changes("a", &delta(&[(0, 0, 1.0)]));
    step.changes("b", &delta(&[(3, 3, 1.0)]))
        .commit()
        .await
        .unwrap();
    assert!(a.store_changes(2, &delta(&[])).await.is_err());
    // Closed by the step after it, and told before that.
    b.accumulate(5, &delta(&[(0, 0, 1.0)]), 1.0).await.unwrap();
    b.store_delta(6, &[((1, 1), 2.0)].into()).await.unwrap();
    let told = |step, changes| Some(StepEvent::Committed { step, changes });
    for (step, changes) in [(1, 2), (2, 2), (5, 1), (6, 1)] {
        assert_eq!(all.next().await, told(step, changes));
    }
    for (step, changes) in [(2, 1), (5, 1), (6, 1)] {
        assert_eq!(of_b.next().await, told(step, changes));
    }
    // It ends with the last handle.
    drop((store, a, b));
    assert_eq!(all.next().await, None);
}

/// Layers have numbers in the order in which they came, so that only the newest can be taken out.
#[tokio::test]
async fn a_rollback_takes_away_layers_that_began_after_it() {
    use temporal_vdb::{Tensor, Threshold};

    let (store, a, _) = store().await;
    a.store_changes(1, &delta(&[(0, 0, 1.0)])).await.unwrap();
    let tensor = |name: &str| Tensor {
        name: name.to_owned(),
        dtype: Dtype::U8,
        shape: vec![2],
        data: vec![1, 2].into(),
    };
    let step = store
        .begin_step(5)
        .tensor(tensor("late"), Threshold::Lossless);
    step.commit().await.unwrap();
    let late = store.create_layer("later", Dtype::F32, 4, 4).await.unwrap();
    let refused = store.rollback(3).await;
    assert!(
        matches!(&refused, Err(Error::LayerBeganLater { name, created: 5, step: 3 }) if name == "late"),
        "{refused:?}"
    );
    assert_eq!(store.rollback(5).await.unwrap(), 0);
    drop(late);

    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    let a = store.create_layer("a", Dtype::F32, 4, 4).await.unwrap();
    a.store_changes(1, &delta(&[(0, 0, 1.0)])).await.unwrap();
    let step = store
        .begin_step(5)
        .tensor(tensor("late"), Threshold::Lossless);
    step.commit().await.unwrap();
    assert_eq!(store.rollback(3).await.unwrap(), 1);
    assert_eq!(store.layers().await.unwrap().len(), 1);
    // Another layer has its number now.
    let b = store.create_layer("b", Dtype::F32, 4, 4).await.unwrap();
    b.store_changes(2, &delta(&[(0, 0, 2.0)])).await.unwrap();
    assert_eq!(a.weight_history(0, 0).await.unwrap(), [(0, 0.0), (1, 1.0)]);
    store.verify(|_, _| ()).await.unwrap();
}

/// A layer could not be rolled back to before another one began.
#[tokio::test]
async fn one_layer_goes_back_whatever_came_later() {
    use std::collections::BTreeMap;
    use temporal_vdb::{Checkpoint, RecordOptions, Tensor, Threshold};

    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    let tensor = |name: &str, value: f32| Tensor {
        name: name.to_owned(),
        dtype: Dtype::F32,
        shape: vec![1],
        data: value.to_le_bytes().to_vec().into(),
    };
    let options = RecordOptions {
        allow_new_layers: true,
        ..RecordOptions::default()
    };
    let metadata = BTreeMap::from([("of".to_owned(), "a checkpoint".to_owned())]);
    for (step, tensors) in [
        (0, vec![tensor("a", 1.0)]),
        (100, vec![tensor("a", 2.0), tensor("b", 3.0)]),
    ] {
        let checkpoint = Checkpoint {
            tensors,
            metadata: metadata.clone(),
        };
        store
            .record(Some(step), checkpoint, options.clone())
            .await
            .unwrap();
    }
    let a = store.layer("a").await.unwrap();
    let b = store.layer("b").await.unwrap();
    b.set_retention(temporal_vdb::Retention::KeepLast(7))
        .await
        .unwrap();
    assert_eq!(a.rollback(10).await.unwrap(), 1);
    let step = store
        .begin_step(20)
        .tensor(tensor("a", 4.0), Threshold::Lossless);
    step.commit().await.unwrap();
    // The checkpoint that names both is no step of any more, and its metadata went with it.
    assert_eq!(store.rollback(50).await.unwrap(), 1);
    let found = store.weights_at(50).await.unwrap();
    assert_eq!((found.timestep, found.checkpoint.tensors.len()), (20, 1));
    store.verify(|_, _| ()).await.unwrap();
    // A layer of the same name does not have what was set for the other one.
    let b = store.create_layer("b", Dtype::F32, 1, 1).await.unwrap();
    assert_eq!(
        b.retention().await.unwrap(),
        temporal_vdb::Retention::KeepAll
    );
}

/// Steps that were closed by accumulating into the next one were not counted.
#[tokio::test]
async fn policies_are_applied_to_accumulated_steps() {
    let (_store, a, _) = store().await;
    a.set_retention(temporal_vdb::Retention::KeepLast(1))
        .await
        .unwrap();
    for t in 1..=100 {
        a.accumulate(t, &delta(&[(0, 0, 1.0)]), 1.0).await.unwrap();
    }
    let steps = a.steps().await.unwrap();
    assert!(steps.len() < 10, "{} steps", steps.len());
    assert_eq!(a.dense_at_time(99).await.unwrap().values[0], 99.0);
}

/// What a layer had been rolled back from came back when it was pruned, as steps out of order.
#[tokio::test]
async fn steps_of_others_stay_none_of_a_layer_that_was_rolled_back() {
    let (store, mut a, b) = store().await;
    for t in 1..=5 {
        let step = store.begin_step(t).changes("a", &delta(&[(0, 0, 1.0)]));
        step.changes("b", &delta(&[(0, 0, 1.0)]))
            .commit()
            .await
            .unwrap();
    }
    a.rollback(1).await.unwrap();
    a.store_changes(2, &delta(&[(0, 0, 7.0)])).await.unwrap();
    a.prune_history(0).await.unwrap();
    assert_eq!(a.weight_history(0, 0).await.unwrap(), [(2, 8.0)]);
    assert_eq!(b.steps().await.unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(store.weights_at(5).await.unwrap().timestep, 5);
    store.verify(|_, _| ()).await.unwrap();
}

/// In memory the store has one connection: looking for names while writing waited for itself.
#[tokio::test]
async fn an_unknown_layer_is_an_error_while_a_step_is_open_too() {
    let (store, a, _) = store().await;
    for _ in 0..2 {
        let unknown = store
            .begin_step(2)
            .changes("aa", &delta(&[]))
            .commit()
            .await;
        assert!(
            matches!(&unknown, Err(Error::NoSuchLayer { name, .. }) if name == "aa"),
            "{unknown:?}"
        );
        a.accumulate(1, &delta(&[(0, 0, 1.0)]), 1.0).await.unwrap();
    }
    assert_eq!(store.commit_accumulated().await.unwrap(), Some(1));
    assert_eq!(a.weight_history(0, 0).await.unwrap(), [(0, 0.0), (1, 2.0)]);
}

/// The metadata of a checkpoint that was rolled back stayed for an earlier step of another layer, and
/// with it the checkpoint's step.
#[tokio::test]
async fn a_checkpoint_that_was_rolled_back_is_not_the_latest_step() {
    use temporal_vdb::{Checkpoint, RecordOptions, Tensor};

    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    for (step, value) in [(0, 1.0f32), (5, 2.0)] {
        let tensor = Tensor {
            name: "a".to_owned(),
            dtype: Dtype::F32,
            shape: vec![1],
            data: value.to_le_bytes().to_vec().into(),
        };
        let checkpoint = Checkpoint {
            tensors: vec![tensor],
            metadata: [("step".to_owned(), step.to_string())].into(),
        };
        store
            .record(Some(step), checkpoint, RecordOptions::default())
            .await
            .unwrap();
    }
    let b = store.create_layer("b", Dtype::F32, 4, 4).await.unwrap();
    b.store_changes(1, &delta(&[(0, 0, 1.0)])).await.unwrap();
    assert_eq!(store.rollback(1).await.unwrap(), 1);
    let latest = store.latest().await.unwrap();
    assert_eq!(
        (latest.timestep, &latest.checkpoint.metadata["step"][..]),
        (1, "0")
    );
    let next = store.begin_step(2).changes("b", &delta(&[])).commit().await;
    assert_eq!(next.unwrap().step, 2);
}

/// It could be accumulated and never committed, and nothing could be recorded after it.
#[tokio::test]
async fn behind_the_end_of_a_vector_nothing_is_accumulated() {
    use temporal_vdb::{Tensor, Threshold};

    let (store, a, _) = store().await;
    let vector = Tensor {
        name: "v".to_owned(),
        dtype: Dtype::F32,
        shape: vec![130],
        data: vec![0; 4 * 130].into(),
    };
    store
        .begin_step(0)
        .tensor(vector, Threshold::Lossless)
        .commit()
        .await
        .unwrap();
    let v = store.layer("v").await.unwrap();
    v.accumulate_temporal_gradient(1, 1, 1.0, 1).await.unwrap();
    let outside = v.accumulate_temporal_gradient(1, 2, 1.0, 1).await;
    assert!(
        matches!(outside, Err(Error::OutOfShape { row: 1, col: 2, .. })),
        "{outside:?}"
    );
    a.store_changes(2, &delta(&[])).await.unwrap();
    assert_eq!(v.steps().await.unwrap(), [1]);
}

#[tokio::test]
async fn a_base_is_fixed_once_something_is_accumulated_upon_it() {
    let (_store, mut a, _) = store().await;
    a.accumulate(3, &delta(&[(0, 0, 1.0)]), 1.0).await.unwrap();
    let base = temporal_vdb::SparseWeights::from_dense(4, 4, &[1.0; 16]).unwrap();
    let refused = a.store_base(&base).await;
    assert!(
        matches!(refused, Err(Error::BaseFixed { latest: 3 })),
        "{refused:?}"
    );
}

/// A step that a later one closes was left out of the count that wakes the worker, so a layer that is only
/// ever accumulated into, beside one that needs no sealing, was sealed by whoever recorded, 64 steps late.
#[tokio::test]
async fn steps_that_others_close_are_sealed_behind_recording() {
    use temporal_vdb::{Tensor, Threshold};
    let (store, a, _) = store().await;
    for step in 0..12 {
        let whole = Tensor {
            name: "n".to_owned(),
            dtype: Dtype::I64,
            shape: vec![1],
            data: vec![step as u8; 8].into(),
        };
        let own = delta(&[(0, 0, 1.0)]);
        a.accumulate(2 * step + 1, &own, 1.0).await.unwrap();
        let writer = store.begin_step(2 * step + 2);
        let writer = writer.tensor(whole, Threshold::Lossless);
        writer.commit().await.unwrap();
    }
    for _ in 0..1000 {
        if store.stats().await.unwrap().block_bytes > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nothing was sealed: {:?}", store.stats().await.unwrap());
}
