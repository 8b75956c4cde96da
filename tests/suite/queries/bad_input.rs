//! Questions that cannot be answered, and those about nothing.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use temporal_vdb::{
    By, Checkpoint, CoOccurrence, Delta, Dtype, Error, OpenVdbStorage, Progress, RecordOptions,
    Region, StoreOptions, TemporalQueries, TemporalStore, Tensor, Unit,
};

fn delta(triplets: &[(i32, i32, f32)]) -> Delta {
    Delta::from_triplets(4, 5, triplets.iter().copied()).unwrap()
}

/// Both implementations, 4 x 5, with steps 2, 3 and 6; the base is step 1.
async fn layers() -> Vec<Box<dyn TemporalQueries>> {
    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    let stored = store.create_layer("w", Dtype::F32, 4, 5).await.unwrap();
    let grid = OpenVdbStorage::new("w", 4, 5).unwrap();
    let mut layers: Vec<Box<dyn TemporalQueries>> = vec![Box::new(stored), Box::new(grid)];
    for layer in &mut layers {
        for t in [1, 2, 3, 6] {
            let changes = delta(&[(0, 0, 1.0), (1, 1, 1.0), (3, 4, 0.5)]);
            layer.store_changes(t, &changes).await.unwrap();
        }
        layer.prune_history(3).await.unwrap();
    }
    layers
}

#[tokio::test]
async fn steps_that_are_not_retained() {
    for layer in layers().await {
        for (t, expected) in [
            (0, "step 0 cannot hold changes"),
            (1, "pruned"),
            (4, "the nearest ones are 3 and 6"),
            (usize::MAX, "the nearest ones are 6 and none"),
        ] {
            let query = CoOccurrence::default().at(t);
            let together = layer.together(&query, &Progress::default()).await;
            for error in [
                together.err().unwrap(),
                layer.correlated_changes(t).await.unwrap_err(),
                layer.groups(t).await.unwrap_err(),
            ] {
                assert!(error.to_string().contains(expected), "{t}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn weights_and_regions_outside() {
    for layer in layers().await {
        for weight in [(4, 0), (0, 5), (-1, 0), (i32::MAX, i32::MIN)] {
            let histories = layer.weight_histories(&[(0, 0), weight]).await;
            assert!(matches!(histories, Err(Error::OutOfShape { .. })));
            let score = layer.co_occurrence_score((0, 0), weight).await;
            assert!(matches!(score, Err(Error::OutOfShape { .. })));
        }
        for region in [
            Region::new(0..5, 0..1),
            Region::new(1..1, 0..1),
            Region::new(-1..2, 0..1),
        ] {
            let progress = Progress::default();
            let own = layer.weight_evolutions(0..=9, region, &progress).await;
            assert!(
                matches!(own, Err(Error::InvalidRegion { .. })),
                "{region:?}"
            );
        }
    }
}

#[tokio::test]
async fn scores_that_are_none() {
    for layer in layers().await {
        for above in [0.0, -1.0, 1.0 + f64::EPSILON, f64::NAN, f64::INFINITY] {
            let query = CoOccurrence {
                above,
                ..CoOccurrence::default()
            };
            let error = layer
                .together(&query, &Progress::default())
                .await
                .err()
                .unwrap();
            assert!(
                matches!(error, Error::InvalidScore { .. }),
                "{above}: {error}"
            );
            assert!(
                error.to_string().contains("above 0, and at most 1"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
#[allow(clippy::reversed_empty_ranges)] // what a user may give
async fn questions_about_nothing_have_empty_answers() {
    for layer in layers().await {
        let progress = Progress::default();
        for times in [4..=5, 7..=usize::MAX, 6..=2] {
            let evolution = layer.evolution(times.clone(), 10, &progress).await.unwrap();
            assert_eq!((evolution.layer.changes, evolution.steps.len()), (0, 0));
            assert_eq!(evolution.frozen(By::Weight).count(), 20);
            assert!(evolution.hot(By::Row, 3).is_empty());
            let query = CoOccurrence {
                times,
                ..CoOccurrence::default()
            };
            let together = layer.together(&query, &progress).await.unwrap();
            assert!(together.units().is_empty() && together.steps().is_empty());
            assert_eq!(together.count(&progress).await.unwrap(), 0);
            assert!(together.groups(&progress).await.unwrap().is_empty());
            assert!(together.pairs().next(0).await.unwrap().is_empty());
        }
        let query = CoOccurrence {
            min_changes: usize::MAX,
            ..CoOccurrence::default()
        };
        let together = layer.together(&query, &progress).await.unwrap();
        assert!(together.units().is_empty());
        assert_eq!(together.change_steps(Unit::Weight(0, 0)), None);
        assert!(layer.weight_histories(&[]).await.unwrap().is_empty());
    }
}

/// Whoever asks can see how far it is, and stop it; the layer answers the next question.
#[tokio::test]
async fn questions_are_followed_and_cancelled() {
    for layer in layers().await {
        let told = Arc::new(Mutex::new((0, 0)));
        let seen = Arc::clone(&told);
        let progress = Progress::new(move |done, total| *seen.lock().unwrap() = (done, total));
        layer.evolution(0..=9, 3, &progress).await.unwrap();
        assert_eq!(*told.lock().unwrap(), (1, 1));
        let query = CoOccurrence::default().at(3);
        let together = layer.together(&query, &progress).await.unwrap();
        assert_eq!(
            *told.lock().unwrap(),
            (2, 2),
            "the step's tile, and its weights'"
        );

        progress.cancel();
        let cancelled = |error: Error| assert!(matches!(error, Error::Cancelled), "{error}");
        cancelled(layer.evolution(0..=9, 3, &progress).await.unwrap_err());
        cancelled(layer.together(&query, &progress).await.err().unwrap());
        cancelled(together.count(&progress).await.unwrap_err());
        cancelled(together.groups(&progress).await.unwrap_err());
        let region = Region::new(0..1, 0..1);
        cancelled(
            layer
                .weight_evolutions(0..=9, region, &progress)
                .await
                .unwrap_err(),
        );
        assert_eq!(together.count(&Progress::default()).await.unwrap(), 3);
        assert_eq!(layer.correlated_changes(3).await.unwrap().len(), 3);
    }
}

/// Tiles in which nothing had changed were counted as to be done, but in a store never as done.
#[tokio::test]
async fn still_tiles_are_done_too() {
    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    let stored = store.create_layer("w", Dtype::F32, 4, 700).await.unwrap();
    let grid = OpenVdbStorage::new("w", 4, 700).unwrap();
    let layers: [Box<dyn TemporalQueries>; 2] = [Box::new(stored), Box::new(grid)];
    for layer in layers {
        for t in 1..4 {
            let changes = Delta::from_triplets(4, 700, [(0, 300, 1.0)]).unwrap();
            layer.store_changes(t, &changes).await.unwrap();
        }
        for question in 0..3 {
            let told = Arc::new(Mutex::new((0, 1u64)));
            let seen = Arc::clone(&told);
            let tell = move |done: u64, total: u64| {
                let mut told = seen.lock().unwrap();
                *told = (done.max(told.0), total);
            };
            let progress = Progress::new(tell);
            let query = match question {
                0 => CoOccurrence::default().at(2),
                _ => CoOccurrence::default(),
            };
            if question < 2 {
                layer.together(&query, &progress).await.unwrap();
            } else {
                layer.evolution(0..=9, 3, &progress).await.unwrap();
            }
            let (done, total) = *told.lock().unwrap();
            assert!(done == total && total >= 6, "{question}: {done} of {total}");
        }
    }
}

/// What is dropped is done for nobody: its work ends, and nobody else's.
#[tokio::test]
async fn a_dropped_question_stops() {
    for layer in layers().await {
        let begun = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&begun);
        let progress = Progress::new(move |_, _| seen.store(true, Ordering::Relaxed));
        drop(layer.evolution(0..=9, 3, &progress));
        assert!(
            !begun.load(Ordering::Relaxed),
            "a future that nobody polls does nothing"
        );
        let raced = tokio::time::timeout(
            std::time::Duration::ZERO,
            layer.evolution(0..=9, 3, &progress),
        );
        drop(raced.await);
        assert_eq!(
            layer
                .evolution(0..=9, 3, &progress)
                .await
                .unwrap()
                .layer
                .changes,
            9
        );
    }
}

#[tokio::test]
async fn layers_that_are_not_there_or_no_matrices() {
    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    let tensor = |name: &str, dtype: Dtype, shape: &[usize], byte: u8| Tensor {
        name: name.into(),
        dtype,
        shape: shape.to_vec(),
        data: vec![byte; shape.iter().product::<usize>() * dtype.size()].into(),
    };
    for byte in [0, 1, 2] {
        let checkpoint = Checkpoint {
            tensors: vec![
                tensor("fc1.weight", Dtype::F32, &[3, 4], byte),
                // Three rows of 128, the last of them short.
                tensor("bias", Dtype::Bf16, &[300], byte / 2),
                tensor("steps", Dtype::I64, &[2], byte),
                tensor("empty", Dtype::F32, &[0, 7], byte),
            ],
            ..Checkpoint::default()
        };
        store
            .record(None, checkpoint, RecordOptions::default())
            .await
            .unwrap();
    }
    let progress = Progress::default();
    let ask = async |name: &str| {
        store
            .evolution(Some(&[name.to_owned()]), 0..=9, 3, &progress)
            .await
    };
    let error = ask("fc1.wieght").await.unwrap_err();
    assert!(matches!(error, Error::NoSuchLayer { .. }));
    assert!(error.to_string().contains("is it 'fc1.weight'?"), "{error}");
    for name in ["steps", "empty"] {
        let error = ask(name).await.unwrap_err();
        assert!(matches!(error, Error::NotAMatrix { .. }), "{error}");
    }
    let twice = ["bias".to_owned(), "bias".to_owned()];
    let twice = store.evolution(Some(&twice), 0..=9, 3, &progress).await;
    let twice = twice.unwrap();
    assert_eq!((twice.layers.len(), twice.model.changes), (1, 300));
    let model = store.evolution(None, 0..=9, 3, &progress).await.unwrap();
    let names: Vec<_> = model.layers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["fc1.weight", "bias"]);
    assert_eq!(model.model.changes, 2 * 12 + 300);
    assert_eq!(model.steps.len(), 2);
    assert_eq!(
        (model.steps[0].1.changes, model.steps[1].1.changes),
        (12, 312)
    );
    assert_eq!(model.hot_layers(9)[0].0, "bias");
    assert_eq!(model.hot(By::Weight, 1)[0].0, "fc1.weight");
    let (_, bias) = &model.layers[1];
    assert_eq!(bias.layer.changed, 300);
    assert_eq!(
        bias.frozen(By::Weight).count(),
        0,
        "nothing behind a vector's end"
    );
    let one = store
        .evolution(Some(&["bias".to_owned()]), 1..=1, 3, &progress)
        .await
        .unwrap();
    assert_eq!(one.layers[0].1.frozen(By::Weight).count(), 300);
}
