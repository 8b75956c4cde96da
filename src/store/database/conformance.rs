//! What every backend promises, one sentence a test, on each of them; and random batches against a
//! model that is right by inspection.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use proptest::prelude::*;

use super::backend::{Backend, Batch, Care, Cell, Key, Row, Table, View};
use super::memory::Memory;
use super::rows::{CommitRow, GapRow, LayerRow, Members, NewCommit, SettingsRow, Tip};
use super::sqlite::Sqlite;
use crate::dtype::Dtype;
use crate::store::options::Durability;

type Named = (&'static str, Box<dyn Backend>);

/// Every backend, empty but for the rows that a new store has, and the folder that some are in.
fn backends() -> (Vec<Named>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::create(&folder.path().join("run.tvdb")).unwrap();
    let all: Vec<Named> = vec![
        ("memory", Box::new(Memory::new())),
        ("SQLite", Box::new(sqlite)),
    ];
    (all, folder)
}

/// A row that a table can hold, told from others by a number.
fn row(table: Table, number: i64) -> Row {
    let layer = |number: i64| LayerRow {
        id: 0,
        name: format!("layer {number}"),
        dtype: Dtype::F32,
        shape: vec![2, 3],
        matrix: Some((2, 3)),
        created: 0,
        oldest: 0,
        base: false,
    };
    let integers = |count: usize| (0..count).map(|_| number.into());
    match table {
        Table::Tip => Tip {
            generation: number,
            ..Tip::first()
        }
        .to_row(),
        Table::Layers => layer(number).to_row(),
        Table::Commits => {
            let new = NewCommit {
                step: 1,
                time: number,
                notes: "{}".to_owned(),
                metadata: String::new(),
                members: Members::new(vec![0]),
            };
            let states = number.to_le_bytes().repeat(3);
            CommitRow::after(&Tip::first(), new, [7; 16]).to_row(states)
        }
        Table::Gaps => GapRow {
            layer: 0,
            first: 0,
            last: number,
            changes: None,
        }
        .to_row(),
        Table::Settings => SettingsRow {
            tags: number.to_string(),
            ..SettingsRow::first()
        }
        .to_row(),
        Table::Groups => integers(9)
            .chain([Cell::bytes(number.to_le_bytes()), number.into()])
            .collect(),
        Table::Keyframes => [Cell::Null]
            .into_iter()
            .chain(integers(3))
            .chain([Cell::bytes([]), number.into()])
            .collect(),
    }
}

fn rows(view: &dyn View, table: Table, keys: RangeInclusive<Key>) -> Vec<(Key, Row)> {
    let mut found = Vec::new();
    let each = &mut |key: &Key, row| {
        found.push((*key, row));
        Ok(())
    };
    view.range(table, keys, each).unwrap();
    found
}

fn keys(view: &dyn View, table: Table, keys: RangeInclusive<Key>) -> Vec<[u64; 2]> {
    let found = rows(view, table, keys);
    found.iter().map(|(key, _)| key.ids()).collect()
}

fn write(backend: &dyn Backend, work: impl FnOnce(&dyn Batch)) {
    let batch = backend.begin(Durability::Eventual).unwrap();
    work(&*batch);
    batch.commit().unwrap();
    backend.wait().unwrap();
}

macro_rules! conformance {
    ($($(#[$story:meta])* $name:ident($backend:ident) $body:block)*) => {
        $(
            $(#[$story])*
            #[test]
            fn $name() {
                let (backends, _folder) = backends();
                for (name, backend) in backends {
                    println!("{name}");
                    let $backend = &*backend;
                    $body
                }
            }
        )*
    };
}

conformance! {
    a_row_of_every_table_comes_back(backend) {
        for table in Table::ALL {
            let key = if table.ids() == 1 { Key::of(0) } else { Key::pair(0, 3) };
            write(backend, |batch| batch.put(table, &key, row(table, 5)).unwrap());
            let view = backend.view().unwrap();
            assert_eq!(view.get(table, &key).unwrap(), Some(row(table, 5)), "{table:?}");
            let mut listed = row(table, 5);
            listed.truncate(table.listed());
            assert!(rows(&*view, table, Key::all()).contains(&(key, listed)), "{table:?}");
        }
    }

    a_row_takes_the_place_of_the_one_with_its_key(backend) {
        for number in [1, 2] {
            write(backend, |batch| batch.put(Table::Layers, &Key::of(9), row(Table::Layers, number)).unwrap());
        }
        let view = backend.view().unwrap();
        assert_eq!(rows(&*view, Table::Layers, Key::all()), [(Key::of(9), row(Table::Layers, 2))]);
    }

    /// Where two that write stand upon the same state, the second one must not put its rows in the place
    /// of the first one's.
    what_is_added_takes_no_other_s_place(backend) {
        write(backend, |batch| {
            batch.add(Table::Groups, &Key::pair(0, 1), row(Table::Groups, 1)).unwrap();
            batch.put_blob(1, b"first").unwrap();
        });
        write(backend, |batch| {
            assert!(batch.add(Table::Groups, &Key::pair(0, 1), row(Table::Groups, 2)).is_err());
            assert!(batch.put_blob(1, b"second").is_err());
            batch.add(Table::Groups, &Key::pair(0, 2), row(Table::Groups, 2)).unwrap();
            assert!(batch.add(Table::Groups, &Key::pair(0, 2), row(Table::Groups, 3)).is_err());
        });
        let view = backend.view().unwrap();
        assert_eq!(view.get(Table::Groups, &Key::pair(0, 1)).unwrap(), Some(row(Table::Groups, 1)));
        assert_eq!(view.blobs(1..2).unwrap(), [Some(b"first".to_vec())]);
    }

    a_range_is_in_the_order_of_the_keys_and_has_both_ends(backend) {
        write(backend, |batch| {
            for (layer, step) in [(2, 0), (1, 300), (1, 2), (0, 7), (1, 0), (256, 1), (1, 1 << 40)] {
                batch.put(Table::Groups, &Key::pair(layer, step), row(Table::Groups, 0)).unwrap();
            }
        });
        let view = backend.view().unwrap();
        let found = |range| keys(&*view, Table::Groups, range);
        assert_eq!(
            found(Key::all()),
            [[0, 7], [1, 0], [1, 2], [1, 300], [1, 1 << 40], [2, 0], [256, 1]]
        );
        assert_eq!(found(Key::all_of(1)), [[1, 0], [1, 2], [1, 300], [1, 1 << 40]]);
        assert_eq!(found(Key::pair(1, 2)..=Key::pair(2, 0)), [[1, 2], [1, 300], [1, 1 << 40], [2, 0]]);
        assert!(found(Key::all_of(3)).is_empty());
    }

    /// A bound on both ids at once took rows of the same layer along once.
    what_is_deleted_is_the_range_alone(backend) {
        write(backend, |batch| {
            for key in [(0, 0), (0, 3), (0, 5), (1, 5)] {
                batch.put(Table::Groups, &Key::pair(key.0, key.1), row(Table::Groups, 0)).unwrap();
            }
        });
        write(backend, |batch| {
            let key = Key::pair(0, 5);
            batch.delete(Table::Groups, key..=key).unwrap();
            assert_eq!(keys(batch, Table::Groups, Key::all()), [[0, 0], [0, 3], [1, 5]]);
        });
        let view = backend.view().unwrap();
        assert_eq!(keys(&*view, Table::Groups, Key::all()), [[0, 0], [0, 3], [1, 5]]);
    }

    an_error_of_each_ends_a_range(backend) {
        write(backend, |batch| {
            for id in 0..4 {
                batch.put(Table::Layers, &Key::of(id), row(Table::Layers, 0)).unwrap();
            }
        });
        let mut seen = 0;
        let ended = backend.view().unwrap().range(Table::Layers, Key::all(), &mut |_, _| {
            seen += 1;
            if seen == 2 { Err(crate::error::Error::Cancelled) } else { Ok(()) }
        });
        assert!(ended.is_err());
        assert_eq!(seen, 2);
    }

    blobs_come_back_in_their_order_as_far_as_they_are_there(backend) {
        write(backend, |batch| {
            for id in [3u64, 4, 6] {
                batch.put_blob(id, &[id as u8; 5000]).unwrap();
            }
            assert_eq!(batch.blob_count().unwrap(), 3);
        });
        let blob = |id: u8| Some(vec![id; 5000]);
        let view = backend.view().unwrap();
        assert_eq!(view.blobs(2..7).unwrap(), [None, blob(3), blob(4), None, blob(6)]);
        write(backend, |batch| {
            batch.delete_blobs(4..7).unwrap();
            assert_eq!(batch.blobs(3..5).unwrap(), [blob(3), None]);
            assert_eq!(batch.blob_count().unwrap(), 1);
        });
        assert_eq!(backend.view().unwrap().blobs(3..5).unwrap(), [blob(3), None]);
    }

    a_batch_reads_its_own_writes_and_nobody_else_does(backend) {
        write(backend, |batch| batch.put(Table::Layers, &Key::of(0), row(Table::Layers, 0)).unwrap());
        let batch = backend.begin(Durability::Immediate).unwrap();
        batch.put(Table::Layers, &Key::of(1), row(Table::Layers, 1)).unwrap();
        batch.put_blob(1, b"own").unwrap();
        batch.delete(Table::Layers, Key::of(0)..=Key::of(0)).unwrap();
        assert_eq!(keys(&*batch, Table::Layers, Key::all()), [[1, 0]]);
        assert_eq!(batch.get(Table::Layers, &Key::of(0)).unwrap(), None);
        assert_eq!(batch.blobs(1..2).unwrap(), [Some(b"own".to_vec())]);

        let beside = backend.view().unwrap();
        assert_eq!(keys(&*beside, Table::Layers, Key::all()), [[0, 0]]);
        assert_eq!(beside.blob_count().unwrap(), 0);
    }

    a_batch_that_is_dropped_is_taken_back(backend) {
        let before = backend.view().unwrap().used_bytes().unwrap();
        {
            let batch = backend.begin(Durability::Immediate).unwrap();
            batch.put(Table::Layers, &Key::of(1), row(Table::Layers, 1)).unwrap();
            batch.put_blob(1, &[1; 100_000]).unwrap();
            assert!(batch.used_bytes().unwrap() >= before + 90_000);
        }
        let view = backend.view().unwrap();
        assert!(rows(&*view, Table::Layers, Key::all()).is_empty());
        assert_eq!((view.blob_count().unwrap(), view.used_bytes().unwrap()), (0, before));
        // And the next one can begin.
        write(backend, |batch| batch.put_blob(1, b"").unwrap());
    }

    a_view_stays_as_it_was_while_others_commit(backend) {
        let before = backend.view().unwrap();
        assert_eq!(before.blob_count().unwrap(), 0); // SQLite's begins with the first question
        for id in 1..=3 {
            write(backend, |batch| {
                batch.put_blob(id, b"later").unwrap();
                batch.put(Table::Layers, &Key::of(id), row(Table::Layers, 0)).unwrap();
            });
            assert!(rows(&*before, Table::Layers, Key::all()).is_empty());
            assert_eq!(before.blobs(1..2).unwrap(), [None]);
        }
        assert_eq!(backend.view().unwrap().blob_count().unwrap(), 3);
    }

    looking_after_it_changes_nothing(backend) {
        write(backend, |batch| {
            for id in 1..=50 {
                batch.put_blob(id, &[id as u8; 20_000]).unwrap();
            }
        });
        write(backend, |batch| batch.delete_blobs(1..50).unwrap());
        for care in [Care::Passing, Care::Thorough] {
            backend.maintain(care).unwrap();
            backend.check().unwrap();
            let view = backend.view().unwrap();
            assert_eq!(view.blobs(49..51).unwrap(), [None, Some(vec![50; 20_000])]);
        }
        let sizes = backend.sizes().unwrap();
        assert!(sizes.database + sizes.log < 200_000, "{sizes:?}");
    }
}

/// What a batch does.
#[derive(Clone, Debug)]
enum Change {
    Put(Key, i64),
    Delete(RangeInclusive<Key>),
    PutBlob(Vec<u8>),
    DeleteBlobs(u64, u64),
}

fn key() -> impl Strategy<Value = Key> {
    (0u64..3, 0u64..6).prop_map(|(layer, step)| Key::pair(layer, step))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (key(), any::<i64>()).prop_map(|(key, number)| Change::Put(key, number)),
        1 => (key(), key()).prop_map(|(a, b)| Change::Delete(a.min(b)..=a.max(b))),
        2 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Change::PutBlob),
        1 => (0u64..12, 0u64..4).prop_map(|(first, count)| Change::DeleteBlobs(first, first + count)),
    ]
}

#[derive(Clone, Default)]
struct Model {
    rows: BTreeMap<Key, i64>,
    blobs: BTreeMap<u64, Vec<u8>>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_batches_come_to_what_a_model_says(
        batches in prop::collection::vec((prop::collection::vec(change(), 1..8), any::<bool>()), 1..12),
    ) {
        let (backends, _folder) = backends();
        for (name, backend) in backends {
            let mut model = Model::default();
            let mut next_blob = 0;
            for (changes, stays) in &batches {
                let mut changed = model.clone();
                let batch = backend.begin(Durability::Eventual).unwrap();
                for change in changes {
                    match change {
                        Change::Put(key, number) => {
                            changed.rows.insert(*key, *number);
                            batch.put(Table::Groups, key, row(Table::Groups, *number)).unwrap();
                        }
                        Change::Delete(keys) => {
                            changed.rows.retain(|key, _| !keys.contains(key));
                            batch.delete(Table::Groups, keys.clone()).unwrap();
                        }
                        Change::PutBlob(data) => {
                            next_blob += 1;
                            changed.blobs.insert(next_blob, data.clone());
                            batch.put_blob(next_blob, data).unwrap();
                        }
                        Change::DeleteBlobs(first, end) => {
                            changed.blobs.retain(|id, _| !(first..end).contains(&id));
                            batch.delete_blobs(*first..*end).unwrap();
                        }
                    }
                    check(name, &*batch, &changed)?;
                }
                if *stays {
                    batch.commit().unwrap();
                    model = changed;
                } else {
                    drop(batch);
                }
                check(name, &*backend.view().unwrap(), &model)?;
            }
        }
    }
}

fn check(name: &str, view: &dyn View, model: &Model) -> Result<(), TestCaseError> {
    let expected: Vec<(Key, Row)> = model
        .rows
        .iter()
        .map(|(key, number)| (*key, row(Table::Groups, *number)))
        .collect();
    prop_assert_eq!(rows(view, Table::Groups, Key::all()), expected, "{}", name);
    for layer in 0..3 {
        let own = model.rows.keys().filter(|key| key.ids()[0] == layer);
        let own: Vec<[u64; 2]> = own.map(Key::ids).collect();
        prop_assert_eq!(
            keys(view, Table::Groups, Key::all_of(layer)),
            own,
            "{}",
            name
        );
    }
    let blobs: Vec<Option<Vec<u8>>> = (0..100).map(|id| model.blobs.get(&id).cloned()).collect();
    prop_assert_eq!(view.blobs(0..100).unwrap(), blobs, "{}", name);
    prop_assert_eq!(
        view.blob_count().unwrap(),
        model.blobs.len() as u64,
        "{}",
        name
    );
    Ok(())
}
