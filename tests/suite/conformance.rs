//! What every implementation of `TemporalLayer`, and so of `TemporalVDBStorage`, promises, one
//! sentence a test, through `dyn`.

use std::collections::HashMap;

use temporal_vdb::{
    Change, Delta, Dtype, Error, ErrorKind, MAX_STEP, OpenVdbStorage, Retention, SparseWeights,
    StorageOptions, StoreOptions, StoredLayer, TemporalLayer, TemporalStore,
};

use crate::model::Model;

const ROWS: i32 = 20;
const COLS: i32 = 150;

type Storage = Box<dyn TemporalLayer>;

/// A layer of a store, in memory or in a file.
async fn stored(folder: Option<&std::path::Path>) -> StoredLayer {
    let options = StoreOptions::default();
    let store = match folder {
        None => TemporalStore::in_memory(options),
        Some(folder) => TemporalStore::create(folder.join("run.tvdb"), options).await,
    };
    let store = store.unwrap();
    store
        .create_layer("w", Dtype::F32, ROWS, COLS)
        .await
        .unwrap()
}

/// Every implementation, empty, of the same shape.
async fn storages(folder: &std::path::Path) -> Vec<(&'static str, Storage)> {
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
        ("TemporalStore, in memory", Box::new(stored(None).await)),
        (
            "TemporalStore, in a file",
            Box::new(stored(Some(folder)).await),
        ),
    ]
}

/// Runs a test on each of them.
macro_rules! conformance {
    ($($(#[$story:meta])* $name:ident($storage:ident) $body:block)*) => {
        $(
            $(#[$story])*
            #[tokio::test]
            #[allow(unused_mut)] // some sentences are about calls that take &self alone
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

fn delta(triplets: &[(i32, i32, f32)]) -> Delta {
    Delta::from_triplets(ROWS, COLS, triplets.iter().copied()).unwrap()
}

fn policy(text: &str) -> Retention {
    text.parse().unwrap()
}

/// Steps 1 to `last` of changes that rounding, cancelling and odd values make interesting; the
/// states of all of them, the base's first.
async fn live(storage: &mut Storage, last: usize) -> Vec<SparseWeights> {
    let base = weights(&[
        (2, 2, 1e8),
        (3, 3, 1.0),
        (4, 4, f32::from_bits(0x7fa0_0001)),
    ]);
    storage.store_base(&base).await.unwrap();
    for t in 1..=last {
        let (row, sign) = (t as i32 % ROWS, if t % 2 == 0 { -1.0 } else { 1.0 });
        let mut changes = vec![
            ((2, 2), change(1.0)),
            ((3, 3), change(sign)),
            ((5, 130), change(0.1 * t as f32)),
            ((row, 9 * row % COLS), change(-0.1)),
        ];
        if t % 3 == 0 {
            let value = [-0.0, f32::INFINITY, 1e-30][t % 9 / 3];
            let mark = Change {
                delta: 0.0,
                exact: Some(value),
            };
            changes.push(((6, 6), mark));
        }
        changes.sort_by_key(|(weight, _)| *weight);
        changes.dedup_by_key(|(weight, _)| *weight);
        let delta = Delta::from_changes(ROWS, COLS, changes).unwrap();
        storage.store_changes(t, &delta).await.unwrap();
    }
    let mut states = Vec::new();
    for t in 0..=last {
        states.push(storage.weights_at_time(t).await.unwrap());
    }
    states
}

fn change(delta: f32) -> Change {
    Change { delta, exact: None }
}

/// What a change makes of a state, weight by weight.
fn after(state: &SparseWeights, delta: &Delta) -> SparseWeights {
    let mut weights = state.to_hashmap();
    for (weight, change) in delta.iter() {
        let state = weights.entry(weight).or_insert(0.0);
        *state = match change.exact {
            Some(value) => value,
            None => *state + change.delta,
        };
    }
    SparseWeights::from_hashmap(ROWS, COLS, &weights).unwrap()
}

/// The states of the labels that stay are what they were, and no other can be asked for exactly.
async fn assert_kept(storage: &Storage, states: &[SparseWeights], kept: &[usize]) {
    let oldest = storage.oldest().await.unwrap();
    let mut labels = vec![oldest];
    labels.extend(storage.steps().await.unwrap());
    assert_eq!(labels, kept);
    for (t, state) in states.iter().enumerate() {
        let found = storage.weights_at_step(t).await;
        if kept.contains(&t) {
            assert_eq!(&found.unwrap(), state, "at {t}");
        } else if t < oldest {
            assert!(matches!(found, Err(Error::Pruned { step, .. }) if step == t));
        } else {
            let before = kept.iter().copied().rfind(|step| *step < t);
            let after = kept.iter().copied().find(|step| *step > t);
            assert!(
                matches!(found, Err(Error::NoSuchStep { step, before: b, after: a })
                    if (step, b, a) == (t, before, after)),
                "at {t}"
            );
        }
    }
    // What each step changed leads from one of them to the next.
    let mut state = storage.weights_at_time(oldest).await.unwrap();
    for (t, delta) in storage.deltas_in(0..=usize::MAX).await.unwrap() {
        state = after(&state, &delta);
        assert_eq!(state, states[t], "upon the changes of {t}");
        assert_eq!(storage.get_delta_layer(t).await.unwrap(), delta);
    }
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

    steps_can_be_listed(storage) {
        assert_eq!((storage.oldest().await.unwrap(), storage.latest().await.unwrap()), (0, 0));
        for step in [2, 5, 6] {
            storage.store_changes(step, &delta(&[(0, 0, 1.0)])).await.unwrap();
        }
        assert_eq!(storage.steps().await.unwrap(), [2, 5, 6]);
        storage.prune_history(1).await.unwrap();
        assert_eq!(storage.steps().await.unwrap(), [6]);
        assert_eq!((storage.oldest().await.unwrap(), storage.latest().await.unwrap()), (5, 6));
    }

    changes_come_back_with_their_exact_marks(storage) {
        let states = live(&mut storage, 9).await;
        assert_kept(&storage, &states, &(0..=9).collect::<Vec<_>>()).await;
        let recent = storage.recent_deltas(2).await.unwrap();
        assert_eq!(recent, storage.deltas_in(8..=9).await.unwrap());
        assert_eq!(recent.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [8, 9]);
        assert!(storage.recent_deltas(0).await.unwrap().is_empty());
        assert_eq!(storage.recent_deltas(99).await.unwrap().len(), 9);
        assert!(recent[1].1.iter().any(|(_, change)| change.exact.is_some()));
    }

    a_step_that_is_not_there_names_those_around_it(storage) {
        storage.store_changes(2, &delta(&[])).await.unwrap();
        storage.store_changes(5, &delta(&[])).await.unwrap();
        let error = storage.weights_at_step(3).await.unwrap_err();
        assert!(matches!(error, Error::NoSuchStep { step: 3, before: Some(2), after: Some(5) }), "{error}");
        let error = storage.get_delta_layer(7).await.unwrap_err();
        assert!(matches!(error, Error::NoSuchStep { step: 7, before: Some(5), after: None }), "{error}");
        assert!(matches!(storage.get_delta_layer(0).await, Err(Error::InvalidStep { step: 0 })));
        assert_eq!(storage.weights_at_step(0).await.unwrap().timestep(), Some(0));
    }

    accumulated_changes_add_up_in_the_order_of_the_calls(storage) {
        for (value, scale) in [(1e8, 1.0), (1.0, 1.0), (-2e8, 0.5), (0.25, 3.0)] {
            storage.accumulate(4, &delta(&[(0, 0, value), (19, 149, 1.0)]), scale).await.unwrap();
        }
        storage.accumulate_temporal_gradient(7, 127, -2.0, 4).await.unwrap();
        assert_eq!(storage.commit_accumulated().await.unwrap(), Some(4));
        // 1e8 + 1 is 1e8.
        let expected = weights(&[(0, 0, 0.75), (7, 127, -2.0), (19, 149, 5.5)]);
        assert_eq!(storage.weights_at_time(4).await.unwrap(), expected);
        assert_eq!(storage.steps().await.unwrap(), [4]);
    }

    a_sum_of_zero_is_no_change(storage) {
        storage.store_base(&weights(&[(1, 1, 3.0)])).await.unwrap();
        storage.accumulate(1, &delta(&[(1, 1, 0.5), (2, 2, 1.0)]), 2.0).await.unwrap();
        storage.accumulate(1, &delta(&[(1, 1, 1.0)]), -1.0).await.unwrap();
        storage.accumulate(1, &delta(&[(3, 3, 1e-30)]), 1e-30).await.unwrap();
        storage.commit_accumulated().await.unwrap();
        assert_eq!(storage.get_delta_layer(1).await.unwrap(), delta(&[(2, 2, 2.0)]));
        assert_eq!(storage.weight_history(1, 1).await.unwrap(), [(0, 3.0)]);
        storage.accumulate(2, &delta(&[(1, 1, 1.0)]), 0.0).await.unwrap();
        assert_eq!(storage.commit_accumulated().await.unwrap(), Some(2));
        assert!(storage.get_delta_layer(2).await.unwrap().is_empty());
    }

    only_the_open_step_can_be_added_to(storage) {
        let one = delta(&[(0, 0, 1.0)]);
        storage.store_changes(3, &one).await.unwrap();
        let closed = |error: Error, t: usize| {
            assert!(matches!(error, Error::StepOutOfOrder { step, .. } if step == t), "{error}");
        };
        closed(storage.accumulate(3, &one, 1.0).await.unwrap_err(), 3);
        storage.accumulate(5, &one, 1.0).await.unwrap();
        storage.accumulate(5, &one, 1.0).await.unwrap();
        storage.accumulate(6, &one, 1.0).await.unwrap(); // closes step 5
        closed(storage.accumulate(5, &one, 1.0).await.unwrap_err(), 5);
        closed(storage.store_changes(6, &one).await.unwrap_err(), 6);
        storage.store_changes(8, &one).await.unwrap(); // closes step 6
        assert_eq!(storage.commit_accumulated().await.unwrap(), None);
        assert_eq!(storage.steps().await.unwrap(), [3, 5, 6, 8]);
        assert_eq!(
            storage.weight_history(0, 0).await.unwrap(),
            [(0, 0.0), (3, 1.0), (5, 3.0), (6, 4.0), (8, 5.0)]
        );
        storage.accumulate(9, &one, 1.0).await.unwrap();
        assert_eq!(storage.commit_accumulated().await.unwrap(), Some(9));
        closed(storage.accumulate(9, &one, 1.0).await.unwrap_err(), 9);
    }

    accumulation_that_fails_adds_nothing(storage) {
        storage.accumulate(1, &delta(&[(0, 0, f32::MAX), (1, 1, 1.0)]), 1.0).await.unwrap();
        let both = delta(&[(0, 0, f32::MAX), (1, 1, 1.0)]);
        let error = storage.accumulate(1, &both, 1.0).await.unwrap_err();
        assert!(matches!(error, Error::NotFinite { row: 0, col: 0, value } if value == f32::INFINITY), "{error}");
        let error = storage.accumulate(1, &both, -2.0).await.unwrap_err();
        assert!(matches!(error, Error::NotFinite { row: 0, col: 0, value } if value == f32::NEG_INFINITY), "{error}");
        for scale in [f32::NAN, f32::INFINITY] {
            let error = storage.accumulate(1, &both, scale).await.unwrap_err();
            assert!(matches!(error, Error::InvalidScale { .. }), "{error}");
        }
        let mark = Change { delta: 0.0, exact: Some(1.0) };
        let marked = Delta::from_changes(ROWS, COLS, [((2, 2), mark)]).unwrap();
        let error = storage.accumulate(1, &marked, 1.0).await.unwrap_err();
        assert!(matches!(error, Error::ExactMark { row: 2, col: 2, step: 1 }), "{error}");
        let other_shape = Delta::empty(2, 2).unwrap();
        let error = storage.accumulate(1, &other_shape, 1.0).await.unwrap_err();
        assert!(matches!(error, Error::ShapeMismatch { found: (2, 2), .. }), "{error}");
        let error = storage.accumulate_temporal_gradient(0, COLS, 1.0, 1).await.unwrap_err();
        assert!(matches!(error, Error::OutOfShape { row: 0, col: COLS, .. }), "{error}");
        let error = storage.accumulate(0, &both, 1.0).await.unwrap_err();
        assert!(matches!(error, Error::InvalidStep { step: 0 }), "{error}");
        storage.commit_accumulated().await.unwrap();
        assert_eq!(storage.get_delta_layer(1).await.unwrap(), both);
    }

    what_is_rolled_back_can_be_stored_anew(storage) {
        let states = live(&mut storage, 12).await;
        assert_eq!(storage.rollback(usize::MAX).await.unwrap(), 0);
        assert_eq!(storage.rollback(9).await.unwrap(), 3);
        assert_kept(&storage, &states[..=9], &(0..=9).collect::<Vec<_>>()).await;
        storage.accumulate(10, &delta(&[(0, 0, 1.0)]), 1.0).await.unwrap();
        assert_eq!(storage.rollback(8).await.unwrap(), 2, "the open step too");
        assert_eq!(storage.commit_accumulated().await.unwrap(), None);
        storage.store_changes(9, &delta(&[(0, 1, 0.5)])).await.unwrap();
        let expected = after(&states[8], &delta(&[(0, 1, 0.5)]));
        assert_eq!(storage.weights_at_time(9).await.unwrap(), expected);
        assert_eq!(storage.rollback(0).await.unwrap(), 9);
        assert_eq!(storage.weights_at_time(99).await.unwrap(), states[0]);
        storage.store_base(&weights(&[])).await.unwrap();
        storage.store_changes(4, &delta(&[])).await.unwrap();
        storage.prune_history(0).await.unwrap();
        let error = storage.rollback(3).await.unwrap_err();
        assert!(matches!(error, Error::Pruned { step: 3, oldest: 4 }), "{error}");
    }

    many_states_come_at_once(storage) {
        let states = live(&mut storage, 14).await;
        assert!(storage.dense_at_many(&[]).await.unwrap().is_empty());
        let times = [7, 0, 14, 7, 99, 3, 7];
        let dense = storage.dense_at_many(&times).await.unwrap();
        let sparse = storage.weights_at_many(&times).await.unwrap();
        for (i, t) in times.into_iter().enumerate() {
            let t = t.min(14);
            assert_eq!(dense[i].timestep, t);
            assert_eq!(dense[i].to_sparse().unwrap(), states[t], "at {t}");
            assert_eq!((sparse[i].timestep(), &sparse[i]), (Some(t), &states[t]));
        }
        assert_eq!(storage.dense_at_time(5).await.unwrap().to_sparse().unwrap(), states[5]);
        storage.prune_history(7).await.unwrap();
        let error = storage.dense_at_many(&[9, 6]).await.unwrap_err();
        assert!(matches!(error, Error::Pruned { step: 6, oldest: 7 }), "{error}");
    }

    a_net_change_leads_from_one_state_to_another(storage) {
        let states = live(&mut storage, 13).await;
        for (from, to) in [(0, 13), (13, 0), (4, 5), (9, 6), (6, 9), (3, 12)] {
            let net = storage.net_change(from, to).await.unwrap();
            assert_eq!(after(&states[from], &net), states[to], "{from} to {to}");
        }
        assert!(storage.net_change(7, 7).await.unwrap().is_empty());
        assert!(storage.net_change(13, 99).await.unwrap().is_empty(), "as of, both of them");
        // Up and down again is no change, whatever was added meanwhile.
        let net = storage.net_change(0, 2).await.unwrap();
        assert!(net.iter().all(|(weight, _)| weight != (3, 3) && weight != (2, 2)));
    }

    changes_are_counted_by_weight(storage) {
        live(&mut storage, 12).await;
        let counts = storage.change_counts(4..=9).await.unwrap();
        assert!(counts.is_sorted());
        let count = |weight| counts.iter().find(|(other, _)| *other == weight).map(|(_, n)| *n);
        assert_eq!(count((5, 130)), Some(6));
        assert_eq!(count((6, 6)), Some(2), "by exact marks alone");
        assert_eq!(count((0, 0)), None);
        let mut expected = HashMap::new();
        for (_, delta) in storage.deltas_in(4..=9).await.unwrap() {
            for (weight, _) in delta.iter() {
                *expected.entry(weight).or_insert(0) += 1;
            }
        }
        assert_eq!(counts.into_iter().collect::<HashMap<_, u32>>(), expected);
        assert!(storage.change_counts(13..=99).await.unwrap().is_empty());
        assert!(storage.change_counts(0..=0).await.unwrap().is_empty());
    }

    tags_name_states_and_pin_them(storage) {
        let states = live(&mut storage, 10).await;
        storage.tag("start", 0).await.unwrap();
        storage.tag("best", 4).await.unwrap();
        storage.tag("also best", 4).await.unwrap();
        let expected = [("also best", 4), ("best", 4), ("start", 0)];
        let expected = expected.map(|(name, t)| (name.to_owned(), t));
        assert_eq!(storage.tags().await.unwrap().into_iter().collect::<Vec<_>>(), expected);
        let error = storage.prune_history(3).await.unwrap_err();
        assert!(matches!(error, Error::Pinned { step: 0, .. }), "{error}");
        assert_eq!(storage.untag("start").await.unwrap(), 0);
        let error = storage.prune_history(3).await.unwrap_err();
        assert!(matches!(error, Error::Pinned { step: 4, .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let error = storage.rollback(3).await.unwrap_err();
        assert!(matches!(error, Error::Pinned { step: 4, .. }), "{error}");
        storage.prune(&policy("last 2")).await.unwrap();
        assert_kept(&storage, &states, &[4, 8, 9, 10]).await;
        storage.prune_history(3).await.unwrap(); // to the tagged step itself
        assert_eq!(storage.rollback(4).await.unwrap(), 3);
        assert_eq!(storage.weights_at_step(4).await.unwrap(), states[4]);
    }

    names_of_tags_are_checked(storage) {
        storage.store_changes(2, &delta(&[])).await.unwrap();
        for name in ["", "12", " best", "best ", "a\nb"] {
            let error = storage.tag(name, 2).await.unwrap_err();
            assert!(matches!(&error, Error::InvalidTag { name: found } if found == name), "{error}");
        }
        storage.tag("best", 2).await.unwrap();
        let error = storage.tag("best", 0).await.unwrap_err();
        assert!(matches!(error, Error::TagExists { step: 2, .. }), "{error}");
        let error = storage.tag("then", 1).await.unwrap_err();
        assert!(matches!(error, Error::NoSuchStep { step: 1, before: Some(0), after: Some(2) }), "{error}");
        let error = storage.untag("bust").await.unwrap_err();
        assert!(matches!(&error, Error::NoSuchTag { name, .. } if name == "bust"), "{error}");
        assert_eq!(storage.untag("best").await.unwrap(), 2);
        assert!(matches!(storage.untag("best").await, Err(Error::NoSuchTag { .. })));
        storage.accumulate(5, &delta(&[]), 1.0).await.unwrap();
        let error = storage.tag("open", 5).await.unwrap_err();
        assert!(matches!(error, Error::NoSuchStep { step: 5, before: Some(2), .. }), "{error}");
        storage.commit_accumulated().await.unwrap();
        storage.tag("closed", 5).await.unwrap();
        storage.prune_history(0).await.unwrap();
        let error = storage.tag("gone", 2).await.unwrap_err();
        assert!(matches!(error, Error::Pruned { step: 2, oldest: 5 }), "{error}");
    }

    pruning_to_a_policy_keeps_the_bits_of_every_state_that_stays(storage) {
        let states = live(&mut storage, 40).await;
        storage.tag("kept", 13).await.unwrap();
        let planned = storage.plan_prune(&policy("tiers 4,3@5,2@10")).await.unwrap();
        assert_eq!(storage.steps().await.unwrap().len(), 40, "only planned");
        let pruned = storage.prune(&policy("tiers 4,3@5,2@10")).await.unwrap();
        let kept = [0, 10, 13, 20, 25, 30, 35, 37, 38, 39, 40];
        assert_kept(&storage, &states, &kept).await;
        assert_eq!(pruned.oldest, 0);
        let gone: Vec<usize> = (0..=40).filter(|t| !kept.contains(t)).collect();
        assert_eq!((&pruned.steps, &planned.steps), (&gone, &gone));
        assert_eq!((pruned.oldest, planned.oldest), (0, 0));
        // Thinner and thinner, and the base moves.
        storage.untag("kept").await.unwrap();
        storage.prune(&policy("tiers 2,1@10,1@20")).await.unwrap();
        assert_kept(&storage, &states, &[0, 20, 30, 39, 40]).await;
        let pruned = storage.prune(&policy("last 1")).await.unwrap();
        assert_eq!((pruned.steps, pruned.oldest), (vec![0, 20, 30], 39));
        assert_kept(&storage, &states, &[39, 40]).await;
        let pruned = storage.prune(&policy("last 1")).await.unwrap();
        assert_eq!((pruned.steps, pruned.oldest), (vec![], 39));
        let next = delta(&[(2, 2, 1.0)]);
        storage.store_changes(41, &next).await.unwrap();
        assert_eq!(storage.weights_at_time(41).await.unwrap(), after(&states[40], &next));
    }

    what_is_merged_is_told_by_the_states(storage) {
        storage.store_base(&weights(&[(0, 0, 1e8)])).await.unwrap();
        for t in 1..=3 {
            storage.store_changes(t, &delta(&[(0, 0, 1.0), (1, 1, [0.5, -1.0, 0.5][t - 1]), (2, 2, 1.0)])).await.unwrap();
        }
        storage.prune(&policy("tiers 1@10")).await.unwrap();
        assert_eq!(storage.steps().await.unwrap(), [3]);
        // 1e8 + 1 is 1e8, and up and down again is no change.
        assert_eq!(storage.get_delta_layer(3).await.unwrap(), delta(&[(2, 2, 3.0)]));
        assert_eq!(storage.weight_history(0, 0).await.unwrap(), [(0, 1e8)]);
        assert_eq!(storage.weight_history(2, 2).await.unwrap(), [(0, 0.0), (3, 3.0)]);
        assert_eq!(storage.change_counts(0..=9).await.unwrap(), [((2, 2), 1)]);
    }

    a_policy_that_is_set_is_applied_as_steps_arrive(storage) {
        assert_eq!(storage.retention().await.unwrap(), Retention::KeepAll);
        storage.set_retention(policy("last 3")).await.unwrap();
        assert_eq!(storage.retention().await.unwrap(), policy("last 3"));
        let mut states = live(&mut storage, 10).await;
        assert_kept(&storage, &states, &(0..=10).collect::<Vec<_>>()).await;
        states.push(states[10].clone());
        storage.store_changes(11, &delta(&[])).await.unwrap(); // eight would go now
        assert_kept(&storage, &states, &[8, 9, 10, 11]).await;
        for t in 12..19 {
            storage.store_changes(t, &delta(&[])).await.unwrap();
        }
        assert_eq!(storage.oldest().await.unwrap(), 8);
        storage.accumulate(19, &delta(&[]), 1.0).await.unwrap();
        assert_eq!(storage.oldest().await.unwrap(), 8, "an open step does not count");
        storage.commit_accumulated().await.unwrap();
        assert_eq!(storage.oldest().await.unwrap(), 16);
        assert_eq!(storage.steps().await.unwrap(), [17, 18, 19]);
        storage.set_retention(Retention::KeepAll).await.unwrap();
        for t in 20..40 {
            storage.store_changes(t, &delta(&[])).await.unwrap();
        }
        assert_eq!(storage.steps().await.unwrap().len(), 23);
        // Long due, but opening a step closes none: in grids that was taken for one.
        storage.set_retention(policy("last 3")).await.unwrap();
        assert_eq!(storage.commit_accumulated().await.unwrap(), None);
        storage.accumulate(40, &delta(&[]), 1.0).await.unwrap();
        assert_eq!(storage.oldest().await.unwrap(), 16);
        storage.accumulate(41, &delta(&[]), 1.0).await.unwrap();
        assert_eq!(storage.oldest().await.unwrap(), 37);
    }

    policies_that_cannot_be_followed_are_refused(storage) {
        for refused in [
            storage.set_retention(Retention::KeepLast(0)).await,
            storage.prune(&Retention::KeepLast(0)).await.map(|_| ()),
            storage.plan_prune(&Retention::Tiered(Vec::new())).await.map(|_| ()),
        ] {
            let error = refused.unwrap_err();
            assert!(matches!(error, Error::KeepsNothing { .. }), "{error}");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(storage.retention().await.unwrap(), Retention::KeepAll);
    }

    an_open_step_is_no_business_of_a_policy(storage) {
        let states = live(&mut storage, 6).await;
        let one = delta(&[(0, 0, 1.0)]);
        storage.accumulate(7, &one, 1.0).await.unwrap();
        let pruned = storage.prune(&policy("last 2")).await.unwrap();
        assert_eq!((pruned.steps, pruned.oldest), (vec![0, 1, 2, 3], 4));
        storage.prune_history(1).await.unwrap();
        assert_eq!(storage.oldest().await.unwrap(), 5);
        storage.accumulate(7, &one, 1.0).await.unwrap();
        assert_eq!(storage.commit_accumulated().await.unwrap(), Some(7));
        assert_eq!(storage.steps().await.unwrap(), [6, 7]);
        assert_eq!(storage.weights_at_step(6).await.unwrap(), states[6]);
        let expected = after(&states[6], &delta(&[(0, 0, 2.0)]));
        assert_eq!(storage.weights_at_step(7).await.unwrap(), expected);
    }
}
