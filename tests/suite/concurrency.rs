//! Many tasks on one storage.

use temporal_vdb::{
    Delta, OpenVdbStorage, Retention, StepEvent, TemporalLayer, TemporalVDBStorage, Voxel,
};

fn every_weight(rows: i32, cols: i32, value: f32) -> Delta {
    let voxels = (0..rows)
        .flat_map(|row| (0..cols).map(move |col| Voxel { row, col, value }))
        .collect();
    Delta::from_sorted(rows, cols, voxels, vec![]).unwrap()
}

/// A reader that saw half a step would see two different weights.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_beside_a_writer_see_whole_steps() {
    let (rows, cols, steps) = (40, 40, 60);
    let storage = OpenVdbStorage::new("w", rows, cols).unwrap();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let mut latest = 0;
                while latest < steps {
                    let state = storage.dense_at_time(usize::MAX).await.unwrap();
                    assert!(state.timestep >= latest, "time moves forward");
                    latest = state.timestep;
                    let expected = latest as f32;
                    assert!(
                        state.values.iter().all(|&value| value == expected),
                        "step {latest}"
                    );
                    let history = storage.weight_history(7, 9).await.unwrap();
                    assert!(history.iter().all(|&(t, value)| value == t as f32));
                }
            })
        })
        .collect();
    for step in 1..=steps {
        storage
            .store_changes(step, &every_weight(rows, cols, 1.0))
            .await
            .unwrap();
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_accumulation_loses_nothing() {
    let storage = OpenVdbStorage::new("w", 8, 8).unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let storage = storage.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    storage
                        .accumulate_temporal_gradient(task, 3, 1.0, 1)
                        .await
                        .unwrap();
                    storage
                        .accumulate(1, &every_weight(8, 8, 0.25), 2.0)
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let state = storage.weights_at_time(1).await.unwrap();
    for ((_, col), &value) in state.iter() {
        assert_eq!(value, if col == 3 { 250.0 } else { 200.0 });
    }
    assert_eq!(state.nnz(), 64);
}

/// A write whose future is dropped is done whole or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_write_leaves_no_half_step() {
    let storage = OpenVdbStorage::new("w", 64, 64).unwrap();
    let delta = every_weight(64, 64, 1.0);
    let mut step = 0;
    for _ in 0..50 {
        step = storage.latest().await.unwrap() + 1;
        let write = storage.store_changes(step, &delta);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(50), write).await;
    }
    // Nothing is under way any more once a write of ours has gone through.
    while storage.store_changes(step, &delta).await.is_err() {
        step += 1;
    }
    let state = storage.dense_at_time(usize::MAX).await.unwrap();
    let steps = storage.steps().await.unwrap();
    assert_eq!(steps, (1..=steps.len()).collect::<Vec<_>>());
    assert!(
        state
            .values
            .iter()
            .all(|&value| value == steps.len() as f32)
    );
}

/// Services call from many kinds of places; without a runtime the calling thread does the work.
#[test]
fn works_without_a_tokio_runtime() {
    let mut storage = OpenVdbStorage::new("w", 2, 2).unwrap();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let changes = std::collections::HashMap::from([((0, 1), 2.0)]);
    let mut write = storage.store_delta(1, &changes);
    assert!(matches!(
        write.as_mut().poll(&mut context),
        std::task::Poll::Ready(Ok(()))
    ));
    drop(write);
    let mut read = storage.weights_at_time(1);
    match read.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Ok(weights)) => assert_eq!(weights.get(0, 1), Some(2.0)),
        other => panic!("{other:?}"),
    }
}

/// Steps are told in their order, each once it can change no more, whoever wrote it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn subscribers_are_told_of_closed_steps() {
    let storage = OpenVdbStorage::new("w", 8, 8).unwrap();
    let one = every_weight(8, 8, 1.0);
    storage.store_changes(1, &one).await.unwrap(); // before anyone listens
    let (mut first, mut second) = (storage.subscribe(), storage.clone().subscribe());
    let told = |step, changes| Some(StepEvent::Committed { step, changes });

    storage.store_changes(2, &one).await.unwrap();
    assert!(storage.store_changes(2, &one).await.is_err());
    storage
        .accumulate_temporal_gradient(0, 0, 1.0, 4)
        .await
        .unwrap();
    storage
        .accumulate_temporal_gradient(0, 1, 1.0, 4)
        .await
        .unwrap();
    assert_eq!(storage.commit_accumulated().await.unwrap(), Some(4));
    storage
        .accumulate_temporal_gradient(0, 1, 1.0, 5)
        .await
        .unwrap();
    storage.accumulate(6, &one, 0.0).await.unwrap(); // closes step 5
    let nothing = Delta::empty(8, 8).unwrap();
    storage.store_changes(7, &nothing).await.unwrap(); // closes step 6
    storage.accumulate(8, &one, 1.0).await.unwrap();
    storage.rollback(7).await.unwrap(); // step 8 never was
    storage.store_changes(9, &one).await.unwrap();
    for (step, changes) in [(2, 64), (4, 2), (5, 1), (6, 0), (7, 0), (9, 64)] {
        assert_eq!(first.next().await, told(step, changes));
    }

    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (storage, one) = (storage.clone(), one.clone());
            tokio::spawn(async move {
                for step in 10..60 {
                    let _ = storage.store_changes(step, &one).await; // or another task has
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    drop(storage);
    let mut steps = vec![];
    while let Some(event) = second.next().await {
        match event {
            StepEvent::Committed { step, .. } => steps.push(step),
            missed => panic!("{missed:?}"),
        }
    }
    assert!(steps.is_sorted_by(|a, b| a < b));
    assert_eq!(steps[..6], [2, 4, 5, 6, 7, 9]);
    assert_eq!(*steps.last().unwrap(), 59);
}

/// What a policy takes away while others read: each answer is one of the states that there were.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_beside_pruning_see_whole_states() {
    let (rows, cols, steps) = (24, 200, 120);
    let storage = OpenVdbStorage::new("w", rows, cols).unwrap();
    let policy: Retention = "tiers 4,3@5,2@20".parse().unwrap();
    storage.set_retention(policy.clone()).await.unwrap();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move {
                while storage.latest().await.unwrap() < steps {
                    let latest = storage.latest().await.unwrap();
                    let times = [latest, latest.saturating_sub(9), usize::MAX];
                    for state in storage.dense_at_many(&times).await.unwrap_or_default() {
                        let expected = state.timestep as f32;
                        assert!(state.values.iter().all(|value| *value == expected));
                    }
                }
            })
        })
        .collect();
    for step in 1..=steps {
        let delta = every_weight(rows, cols, 1.0);
        storage.store_changes(step, &delta).await.unwrap();
    }
    for reader in readers {
        reader.await.unwrap();
    }
    storage.prune(&policy).await.unwrap();
    let kept = [80, 100, 105, 110, 115, 117, 118, 119, 120];
    assert_eq!(storage.steps().await.unwrap(), kept);
    assert_eq!(storage.oldest().await.unwrap(), 60);
}
