//! What a store says to input that cannot be right, and that nothing has changed then.

use std::collections::HashMap;

use bytes::Bytes;
use temporal_vdb::{
    Checkpoint, Delta, Dtype, Error, ErrorKind, MAX_STEP, RecordOptions, Region, SparseWeights,
    StoreOptions, TemporalLayer, TemporalStore, TemporalVDBStorage, Tensor, Threshold,
};

fn tensor(name: &str, dtype: Dtype, shape: &[usize]) -> Tensor {
    let bytes = shape.iter().product::<usize>() * dtype.size();
    Tensor {
        name: name.to_owned(),
        dtype,
        shape: shape.to_vec(),
        data: Bytes::from(vec![0; bytes]),
    }
}

fn checkpoint(tensors: &[Tensor]) -> Checkpoint {
    Checkpoint {
        tensors: tensors.to_vec(),
        ..Checkpoint::default()
    }
}

fn good() -> Vec<Tensor> {
    vec![
        tensor("a", Dtype::F32, &[4, 4]),
        tensor("b", Dtype::Bf16, &[3]),
        tensor("n", Dtype::I64, &[1]),
    ]
}

async fn store() -> TemporalStore {
    let store = TemporalStore::in_memory(StoreOptions::default()).unwrap();
    store
        .record(None, checkpoint(&good()), RecordOptions::default())
        .await
        .unwrap();
    store
}

#[tokio::test]
async fn checkpoints_that_do_not_fit_are_refused_by_name() {
    let store = store().await;
    let with = |at: usize, tensor: Tensor| {
        let mut tensors = good();
        tensors[at] = tensor;
        tensors
    };
    let mut extra = good();
    extra.push(tensor("c", Dtype::F32, &[1]));
    let mut twice = good();
    twice.push(tensor("a", Dtype::F32, &[4, 4]));
    let mut short = good();
    short[0].data = Bytes::from(vec![0; 63]);
    type Expected = fn(&Error) -> bool;
    let cases: Vec<(Vec<Tensor>, Expected)> = vec![
        (
            good()[1..].to_vec(),
            |e| matches!(e, Error::MissingTensor { name } if name == "a"),
        ),
        (
            extra,
            |e| matches!(e, Error::NewTensor { name } if name == "c"),
        ),
        (
            twice,
            |e| matches!(e, Error::DuplicateTensor { name } if name == "a"),
        ),
        (
            short,
            |e| matches!(e, Error::TensorLength { name, expected: 64, found: 63 } if name == "a"),
        ),
        (with(0, tensor("a", Dtype::F32, &[2, 8])), |e| {
            matches!(e, Error::TensorMismatch { .. })
        }),
        (with(1, tensor("b", Dtype::F16, &[3])), |e| {
            matches!(e, Error::TensorMismatch { .. })
        }),
        (vec![], |e| matches!(e, Error::EmptyStep { step: 1 })),
    ];
    for (tensors, expected) in cases {
        let error = store
            .record(None, checkpoint(&tensors), RecordOptions::default())
            .await
            .unwrap_err();
        assert!(expected(&error), "{error}");
        assert_eq!(store.steps().await.unwrap().len(), 1);
    }
    for step in [0, MAX_STEP + 1] {
        store
            .record(Some(step), checkpoint(&good()), RecordOptions::default())
            .await
            .unwrap_err();
    }
    for bound in [-1.0, f32::NAN, f32::INFINITY] {
        let options = RecordOptions {
            threshold: Threshold::Absolute(bound),
            ..RecordOptions::default()
        };
        let error = store
            .record(None, checkpoint(&good()), options)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::InvalidThreshold { .. }), "{error}");
    }
    store
        .record(None, checkpoint(&good()), RecordOptions::default())
        .await
        .unwrap();
    store.verify(|_, _| ()).await.unwrap();
}

#[tokio::test]
async fn layers_that_cannot_be_are_refused() {
    let store = store().await;
    let error = store.layer("aa").await.unwrap_err();
    assert!(
        matches!(&error, Error::NoSuchLayer { name, .. } if name == "aa"),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(matches!(
        store.layer("n").await,
        Err(Error::NotAMatrix { .. })
    ));
    assert!(matches!(
        store.create_layer("a", Dtype::F32, 1, 1).await,
        Err(Error::LayerExists { .. })
    ));
    assert!(matches!(
        store.create_layer("x", Dtype::I8, 1, 1).await,
        Err(Error::NotAMatrix { .. })
    ));
    assert!(matches!(
        store.create_layer("x", Dtype::F32, 0, 1).await,
        Err(Error::InvalidShape { .. })
    ));
    assert_eq!(store.layers().await.unwrap().len(), 3);
}

#[tokio::test]
async fn changes_that_lead_off_a_layers_type_are_refused() {
    let store = store().await;
    let mut b = store.layer("b").await.unwrap();
    assert_eq!((b.shape(), b.dtype()), ((1, 3), Dtype::Bf16));
    let error = b
        .store_delta(1, &HashMap::from([((0, 1), 0.1)]))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::OffLattice {
                row: 0,
                col: 1,
                dtype: Dtype::Bf16,
                ..
            }
        ),
        "{error}"
    );
    let outside = b
        .store_delta(1, &HashMap::from([((0, 3), 0.5)]))
        .await
        .unwrap_err();
    assert!(matches!(outside, Error::OutOfShape { .. }), "{outside}");
    let wrong = b
        .store_changes(1, &Delta::empty(2, 3).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(wrong, Error::ShapeMismatch { .. }), "{wrong}");
    assert_eq!(b.latest().await.unwrap(), 0);
    b.store_delta(1, &HashMap::from([((0, 1), 0.5)]))
        .await
        .unwrap();
    assert!(matches!(
        b.dense_in_region(1, Region::new(0..1, 2..4)).await,
        Err(Error::InvalidRegion { .. })
    ));
    assert!(matches!(
        b.weight_history(0, 3).await,
        Err(Error::OutOfShape { .. })
    ));
    assert!(matches!(
        b.get_delta_layer(2).await,
        Err(Error::NoSuchStep {
            step: 2,
            before: Some(1),
            after: None
        })
    ));
}

/// A step over several layers of which one is refused leaves none of the others changed.
#[tokio::test]
async fn a_step_is_all_or_nothing() {
    let store = store().await;
    let one = Delta::from_triplets(4, 4, [(0, 0, 1.0)]).unwrap();
    let bad = Delta::from_triplets(1, 3, [(0, 0, 0.1)]).unwrap();
    let error = store
        .begin_step(1)
        .changes("a", &one)
        .changes("b", &bad)
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::OffLattice { .. }), "{error}");
    assert_eq!(store.layer("a").await.unwrap().latest().await.unwrap(), 0);
    let recorded = store
        .begin_step(1)
        .changes("a", &one)
        .note("loss", 0.5)
        .commit()
        .await
        .unwrap();
    assert_eq!(
        (recorded.step, recorded.layers, recorded.changes),
        (1, 1, 1)
    );
    let steps = store.steps().await.unwrap();
    assert_eq!(steps[1].notes["loss"], temporal_vdb::Note::Number(0.5));
}

#[tokio::test]
async fn files_that_are_in_use_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.tvdb");
    let options = StoreOptions::default();
    assert_eq!(
        TemporalStore::open(&path, options)
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Io
    );
    assert!(!path.with_extension("tvdb.lock").exists());
    let store = TemporalStore::create(&path, options).await.unwrap();
    assert!(matches!(
        TemporalStore::open(&path, options).await,
        Err(Error::InUse { .. })
    ));
    assert!(matches!(
        TemporalStore::create(&path, options).await,
        Err(Error::InUse { .. })
    ));
    let reader = TemporalStore::open_read_only(&path, options).await.unwrap();
    let refused = reader
        .record(None, checkpoint(&good()), RecordOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::ReadOnly { .. }), "{refused}");
    drop(store);
    assert!(matches!(
        TemporalStore::create(&path, options).await,
        Err(Error::AlreadyExists { .. })
    ));
    TemporalStore::open(&path, options).await.unwrap();
}

/// Whether a handle's layer was still there was asked first, in a snapshot of its own, and whatever failed
/// then came out as a layer that is not there: a damaged file, too many open files.
#[tokio::test]
async fn what_fails_beneath_a_layer_is_no_missing_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.tvdb");
    let store = TemporalStore::create(&path, StoreOptions::default())
        .await
        .unwrap();
    let layer = store.create_layer("w", Dtype::F32, 2, 2).await.unwrap();
    let delta = Delta::from_triplets(2, 2, [(0, 0, 1.0)]).unwrap();
    layer.store_changes(1, &delta).await.unwrap();
    let tip = rusqlite::Connection::open(&path).unwrap();
    tip.execute("UPDATE tip SET sum = sum + 1", []).unwrap();
    for error in [
        layer.weights_at_time(1).await.unwrap_err(),
        layer.steps().await.unwrap_err(),
        layer.rollback(0).await.unwrap_err(),
        layer
            .plan_prune(&"last 1".parse().unwrap())
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::Damaged { path: Some(file), .. } if *file == path),
            "{error}"
        );
    }
}

/// A layer that a rollback has taken away is gone for its handles, in whatever they are asked, even where
/// another layer has its number now.
#[tokio::test]
async fn a_handle_never_acts_on_another_layer_that_has_its_number() {
    let store = store().await;
    let late = |name: &str| {
        let writer = store.begin_step(5);
        writer.tensor(tensor(name, Dtype::F32, &[4, 4]), Threshold::Lossless)
    };
    late("late").commit().await.unwrap();
    let layer = store.layer("late").await.unwrap();
    store.rollback(0).await.unwrap();
    late("other").commit().await.unwrap();
    let other = store.layer("other").await.unwrap();

    let delta = Delta::from_triplets(4, 4, [(0, 0, 1.0)]).unwrap();
    let mut writing = layer.clone();
    let refused = [
        layer.dense_at_time(5).await.map(drop),
        layer.steps().await.map(drop),
        layer.retention().await.map(drop),
        layer.set_retention(Default::default()).await,
        layer.prune(&Default::default()).await.map(drop),
        writing.prune_history(0).await,
        layer.rollback(5).await.map(drop),
        layer.store_changes(6, &delta).await,
        layer.accumulate(6, &delta, 1.0).await,
        layer.commit_accumulated().await.map(drop),
        layer.tag("best", 5).await,
        layer.untag("best").await.map(drop),
        layer.tags().await.map(drop),
        writing
            .store_base(&SparseWeights::from_dense(4, 4, &[1.0; 16]).unwrap())
            .await,
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        let error = refused.unwrap_err();
        let named = matches!(&error, Error::NoSuchLayer { name, .. } if name.starts_with("late, "));
        assert!(named, "{at}: {error}");
    }
    assert!(other.steps().await.unwrap().is_empty());
    assert_eq!(store.commit_accumulated().await.unwrap(), None);
}
