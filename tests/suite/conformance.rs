//! What every implementation of `TemporalVDBStorage` promises, one sentence a test, through `dyn`.

use std::collections::HashMap;

use temporal_vdb::{
    Dtype, Error, ErrorKind, MAX_STEP, OpenVdbStorage, SparseWeights, StorageOptions, StoreOptions,
    TemporalStore, TemporalVDBStorage,
};

use crate::model::Model;

const ROWS: i32 = 20;
const COLS: i32 = 150;

type Storage = Box<dyn TemporalVDBStorage>;

/// A layer of a store in a file.
async fn stored(folder: &std::path::Path) -> Storage {
    let store = TemporalStore::create(folder.join("run.tvdb"), StoreOptions::default())
        .await
        .unwrap();
    Box::new(
        store
            .create_layer("w", Dtype::F32, ROWS, COLS)
            .await
            .unwrap(),
    )
}

/// Every implementation, empty, of the same shape.
async fn storages(folder: &std::path::Path) -> Vec<(&'static str, Storage)> {
    let in_memory = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    let in_memory = in_memory
        .create_layer("w", Dtype::F32, ROWS, COLS)
        .await
        .unwrap();
    let in_file = stored(folder).await;
    let threads = |n| StorageOptions {
        threads: std::num::NonZeroUsize::new(n),
        ..Default::default()
    };
    let grids = |n| OpenVdbStorage::with_options("w", ROWS, COLS, threads(n)).unwrap();
    vec![
        (
            "model",
            Box::new(Model::new(ROWS, COLS, None).shared()) as Storage,
        ),
        ("OpenVdbStorage, 1 thread", Box::new(grids(1))),
        ("OpenVdbStorage, 2 threads", Box::new(grids(2))),
        ("TemporalStore, in memory", Box::new(in_memory)),
        ("TemporalStore, in a file", in_file),
    ]
}

/// Runs a test on each of them.
macro_rules! conformance {
    ($($(#[$story:meta])* $name:ident($storage:ident) $body:block)*) => {
        $(
            $(#[$story])*
            #[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                for (implementation, mut $storage) in storages(folder.path()).await {
                    eprintln!("{implementation}");
                    $body
                }
            }
        )*
    };
}

fn weights(triplets: &[(i32, i32, f32)]) -> SparseWeights {
    SparseWeights::from_triplets(ROWS, COLS, triplets.iter().copied()).unwrap()
}

fn changes(triplets: &[(i32, i32, f32)]) -> HashMap<(i32, i32), f32> {
    triplets
        .iter()
        .map(|&(row, col, delta)| ((row, col), delta))
        .collect()
}

conformance! {
    a_layer_without_a_base_is_all_zeros(storage) {
        assert_eq!(storage.weights_at_time(0).await.unwrap(), weights(&[]));
        assert_eq!(storage.weight_history(3, 4).await.unwrap(), [(0, 0.0)]);
        storage.store_delta(1, &changes(&[(3, 4, 0.5)])).await.unwrap();
        assert_eq!(storage.weights_at_time(1).await.unwrap(), weights(&[(3, 4, 0.5)]));
    }

    deltas_add_up_in_the_order_of_time(storage) {
        // 1e8 + 1 - 1e8 is 0 in f32, 1e8 - 1e8 + 1 is 1: the order shows.
        storage.store_base(&weights(&[(0, 0, 1e8), (19, 149, 1.0)])).await.unwrap();
        storage.store_delta(1, &changes(&[(0, 0, 1.0)])).await.unwrap();
        storage.store_delta(2, &changes(&[(0, 0, -1e8), (7, 127, 2.0), (7, 128, 3.0)])).await.unwrap();
        storage.store_delta(9, &changes(&[(0, 0, 0.25)])).await.unwrap();
        let expected = weights(&[(0, 0, 0.25), (7, 127, 2.0), (7, 128, 3.0), (19, 149, 1.0)]);
        assert_eq!(storage.weights_at_time(9).await.unwrap(), expected);
        assert_eq!(
            storage.weight_history(0, 0).await.unwrap(),
            [(0, 1e8), (1, 1e8), (2, 0.0), (9, 0.25)],
        );
    }

    a_question_between_two_steps_is_answered_by_the_earlier_one(storage) {
        storage.store_delta(5, &changes(&[(0, 0, 1.0)])).await.unwrap();
        storage.store_delta(10, &changes(&[(0, 0, 1.0)])).await.unwrap();
        for (asked, step, value) in [(5, 5, 1.0), (7, 5, 1.0), (10, 10, 2.0), (usize::MAX, 10, 2.0)] {
            let found = storage.weights_at_time(asked).await.unwrap();
            assert_eq!((found.timestep(), found.get(0, 0)), (Some(step), Some(value)), "asked {asked}");
        }
        let before = storage.weights_at_time(4).await.unwrap();
        assert_eq!((before.timestep(), before.nnz()), (Some(0), 0));
    }

    a_step_without_changes_is_a_step(storage) {
        storage.store_delta(3, &changes(&[])).await.unwrap();
        assert_eq!(storage.weights_at_time(3).await.unwrap().timestep(), Some(3));
        let again = storage.store_delta(3, &changes(&[(0, 0, 1.0)])).await.unwrap_err();
        assert!(matches!(again, Error::StepOutOfOrder { step: 3, latest: 3 }), "{again}");
    }

    a_zero_delta_is_dropped(storage) {
        storage.store_base(&weights(&[(0, 0, 1.0)])).await.unwrap();
        storage.store_delta(1, &changes(&[(0, 0, 0.0), (1, 1, -0.0)])).await.unwrap();
        assert_eq!(storage.weight_history(0, 0).await.unwrap(), [(0, 1.0)]);
        assert_eq!(storage.weights_at_time(1).await.unwrap(), weights(&[(0, 0, 1.0)]));
    }

    time_moves_forward(storage) {
        storage.store_delta(4, &changes(&[(0, 0, 1.0)])).await.unwrap();
        for step in [1, 3, 4] {
            let error = storage.store_delta(step, &changes(&[(0, 0, 9.0)])).await.unwrap_err();
            assert!(matches!(error, Error::StepOutOfOrder { step: s, latest: 4 } if s == step), "{error}");
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
        for step in [0, MAX_STEP + 1, usize::MAX] {
            let error = storage.store_delta(step, &changes(&[(0, 0, 9.0)])).await.unwrap_err();
            assert!(matches!(error, Error::InvalidStep { step: s } if s == step), "{error}");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(storage.weight_history(0, 0).await.unwrap(), [(0, 0.0), (4, 1.0)]);
    }

    the_last_step_there_is(storage) {
        storage.store_delta(MAX_STEP, &changes(&[(19, 149, 1.0)])).await.unwrap();
        assert_eq!(storage.weights_at_time(MAX_STEP).await.unwrap().get(19, 149), Some(1.0));
        assert_eq!(storage.weights_at_time(MAX_STEP - 1).await.unwrap().nnz(), 0);
        let error = storage.store_delta(MAX_STEP, &changes(&[])).await.unwrap_err();
        assert!(matches!(error, Error::StepOutOfOrder { .. }), "{error}");
        storage.prune_history(0).await.unwrap();
        assert_eq!(storage.weight_history(19, 149).await.unwrap(), [(MAX_STEP, 1.0)]);
    }

    the_base_can_be_replaced_until_changes_stand_upon_it(storage) {
        storage.store_base(&weights(&[(0, 0, 1.0)])).await.unwrap();
        storage.store_base(&weights(&[(1, 1, 2.0)])).await.unwrap();
        assert_eq!(storage.weights_at_time(0).await.unwrap(), weights(&[(1, 1, 2.0)]));
        storage.store_delta(1, &changes(&[])).await.unwrap();
        let error = storage.store_base(&weights(&[])).await.unwrap_err();
        assert!(matches!(error, Error::BaseFixed { latest: 1 }), "{error}");
        storage.prune_history(0).await.unwrap();
        let error = storage.store_base(&weights(&[])).await.unwrap_err();
        assert!(matches!(error, Error::BaseFixed { latest: 1 }), "{error}");
        assert_eq!(storage.weights_at_time(1).await.unwrap(), weights(&[(1, 1, 2.0)]));
    }

    a_base_may_hold_any_bits(storage) {
        let base = weights(&[
            (0, 0, -0.0),
            (0, 1, f32::INFINITY),
            (0, 2, f32::from_bits(0x7fa0_0001)),
            (0, 3, f32::from_bits(1)),
        ]);
        storage.store_base(&base).await.unwrap();
        assert_eq!(storage.weights_at_time(0).await.unwrap(), base);
        storage.store_delta(1, &changes(&[(5, 5, 1.0)])).await.unwrap();
        storage.prune_history(0).await.unwrap();
        let after = storage.weights_at_time(1).await.unwrap();
        assert_eq!(after.nnz(), 5);
        for (weight, value) in base.iter() {
            assert_eq!(after.get(weight.0, weight.1).map(f32::to_bits), Some(value.to_bits()));
        }
    }

    pruning_keeps_every_state_that_stays(storage) {
        storage.store_base(&weights(&[(2, 2, 1e8), (3, 3, 1.0)])).await.unwrap();
        for step in 1..=20 {
            let row = step as i32 % ROWS;
            let delta = [(2, 2, 1.0), (row, 9 * row % COLS, -0.1), (3, 3, if step == 4 { -1.0 } else { 0.0 })];
            storage.store_delta(2 * step, &changes(&delta)).await.unwrap();
        }
        let mut states = HashMap::new();
        for step in (0..=40).step_by(2) {
            states.insert(step, storage.weights_at_time(step).await.unwrap());
        }
        storage.prune_history(25).await.unwrap(); // more than there are: nothing to do
        assert_eq!(storage.weights_at_time(0).await.unwrap(), states[&0]);
        for (keep, oldest) in [(20, 0), (12, 16), (3, 34), (0, 40)] {
            storage.prune_history(keep).await.unwrap();
            for step in (oldest..=40).step_by(2) {
                let found = storage.weights_at_time(step).await.unwrap();
                assert_eq!((found.timestep(), &found), (Some(step), &states[&step]), "keep {keep}");
            }
            assert_eq!(storage.weight_history(2, 2).await.unwrap()[0].0, oldest);
            if oldest > 0 {
                let error = storage.weights_at_time(oldest - 1).await.unwrap_err();
                assert!(matches!(error, Error::Pruned { step, oldest: o } if (step, o) == (oldest - 1, oldest)));
                assert_eq!(error.kind(), ErrorKind::NotRetained);
            }
        }
        storage.store_delta(41, &changes(&[(0, 0, 1.0)])).await.unwrap();
        assert_eq!(storage.weights_at_time(40).await.unwrap(), states[&40]);
    }

    a_call_that_fails_changes_nothing(storage) {
        storage.store_delta(1, &changes(&[(0, 0, 1.0)])).await.unwrap();
        let before = storage.weights_at_time(1).await.unwrap();
        let outside = storage.store_delta(2, &changes(&[(1, 1, 1.0), (0, COLS, 1.0)])).await.unwrap_err();
        assert!(matches!(outside, Error::OutOfShape { row: 0, col: COLS, shape: (ROWS, COLS) }), "{outside}");
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = storage.store_delta(2, &changes(&[(1, 1, 1.0), (2, 2, bad)])).await.unwrap_err();
            assert!(matches!(error, Error::NotFinite { row: 2, col: 2, .. }), "{error}");
        }
        let other_shape = SparseWeights::from_dense(2, 2, &[1.0; 4]).unwrap();
        let error = storage.store_base(&other_shape).await.unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { found: (2, 2), .. }), "{error}");
        for (row, col) in [(-1, 0), (0, -1), (ROWS, 0), (0, COLS), (i32::MAX, i32::MIN)] {
            let error = storage.weight_history(row, col).await.unwrap_err();
            assert!(matches!(error, Error::OutOfShape { row: r, col: c, .. } if (r, c) == (row, col)), "{error}");
        }
        assert_eq!(storage.weights_at_time(usize::MAX).await.unwrap(), before);
        assert_eq!(storage.weights_at_time(2).await.unwrap().timestep(), Some(1));
        storage.store_delta(2, &changes(&[(1, 1, 1.0)])).await.unwrap();
    }
}
