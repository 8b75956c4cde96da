//! Many tasks on one storage.

use temporal_vdb::{Delta, OpenVdbStorage, TemporalLayer, TemporalVDBStorage, Voxel};

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
