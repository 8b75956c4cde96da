//! What is noted with a step.

use std::collections::BTreeMap;

use temporal_vdb::{Note, StoreOptions, TemporalStore};

use super::run::Run;
use super::{Random, done, scratch};

/// A noted number comes back bit for bit: 1/11 came back as the next number above it, since
/// serde_json reads numbers inexactly unless its feature `float_roundtrip` is on.
#[test]
fn noted_numbers_come_back() {
    let folder = scratch();
    let path = folder.path().join("run.tvdb");
    let mut random = Random::new("noted_numbers", 20_260_805);
    let numbers = (0..2000)
        .map(|_| f64::from_bits(random.next()))
        .filter(|n| n.is_finite());
    let notes: BTreeMap<String, Note> = [1.0 / 11.0, -0.0, 5e-324, f64::MAX, 0.1 + 0.2]
        .into_iter()
        .chain(numbers)
        .enumerate()
        .map(|(i, number)| (i.to_string(), Note::Number(number)))
        .collect();
    let run = Run { seed: 1, side: 2 };
    let store = done(TemporalStore::create(&path, StoreOptions::default())).unwrap();
    let mut step = store.begin_step(0);
    for tensor in run.checkpoint(0).tensors {
        step = step.tensor(tensor, Default::default());
    }
    for (key, note) in &notes {
        step = step.note(key, note.clone());
    }
    done(step.commit()).unwrap();
    drop(store);
    let store = done(TemporalStore::open(&path, StoreOptions::default())).unwrap();
    let found = &done(store.steps()).unwrap()[0].notes;
    assert_eq!(found.len(), notes.len());
    for (key, note) in &notes {
        let (Note::Number(found), Note::Number(number)) = (&found[key], note) else {
            panic!("{key} is no number")
        };
        assert_eq!(found.to_bits(), number.to_bits(), "{number:e}");
    }
}

/// The handle that has recorded a step tells that step's metadata: `latest` had that of the step
/// that was the newest when the store was opened.
#[test]
fn the_latest_step_has_its_own_metadata() {
    let run = Run { seed: 1, side: 2 };
    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    for step in 0..3 {
        run.record(&store, step).unwrap();
        run.check_weights(&done(store.latest()).unwrap(), step);
    }
}
