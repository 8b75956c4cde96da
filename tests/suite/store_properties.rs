//! Random runs of a layer of a `TemporalStore`, against the model, bit for bit: recorded, pruned,
//! sealed, compacted and reopened at random moments, in memory and in a file.

use std::num::NonZeroUsize;
use std::path::Path;

use proptest::prelude::*;
use temporal_vdb::{
    Dtype, Favor, Region, Result, SparseWeights, StorageOptions, StoreOptions, StoredLayer,
    TemporalLayer, TemporalStore, TemporalVDBStorage,
};

use crate::model::Model;
use crate::properties::{Raw, delta_of, place, raw_changes, same_outcome};

/// Shapes across the edges of tiles, and across those of runs of tiles.
const SHAPES: [(i32, i32); 4] = [(1, 1), (9, 17), (130, 260), (3, 900)];

#[derive(Clone, Debug)]
enum Operation {
    StoreBase(Vec<Raw>),
    /// At latest + gap; a gap of 0 is out of order.
    StoreChanges(usize, Vec<Raw>),
    Prune(usize),
    Seal,
    Compact,
    Settle,
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        1 => raw_changes().prop_map(Operation::StoreBase),
        16 => (prop_oneof![6 => Just(1usize), 1 => 0..12usize], raw_changes())
            .prop_map(|(gap, raw)| Operation::StoreChanges(gap, raw)),
        1 => (0..20usize).prop_map(Operation::Prune),
        1 => Just(Operation::Seal),
        1 => Just(Operation::Compact),
        1 => Just(Operation::Settle),
        1 => Just(Operation::Reopen),
    ]
}

struct Stored {
    store: Option<TemporalStore>,
    layer: Option<StoredLayer>,
    options: StoreOptions,
}

impl Stored {
    async fn new(path: Option<&Path>, shape: (i32, i32), options: StoreOptions) -> Self {
        let store = match path {
            Some(path) => TemporalStore::create(path, options).await,
            None => TemporalStore::in_memory(options),
        };
        let store = store.unwrap();
        let layer = store
            .create_layer("w", Dtype::F32, shape.0, shape.1)
            .await
            .unwrap();
        Stored {
            store: Some(store),
            layer: Some(layer),
            options,
        }
    }

    fn store(&self) -> &TemporalStore {
        self.store.as_ref().unwrap()
    }

    fn layer(&mut self) -> &mut StoredLayer {
        self.layer.as_mut().unwrap()
    }

    async fn apply(
        &mut self,
        operation: &Operation,
        path: Option<&Path>,
        model: &mut Model,
    ) -> Result<(), TestCaseError> {
        let shape = self.layer().shape();
        match operation {
            Operation::StoreBase(raw) => {
                let weights = raw
                    .iter()
                    .map(|&(row, col, value, exact)| {
                        (place((row, col), shape), exact.unwrap_or(value))
                    })
                    .collect();
                let base = SparseWeights::from_hashmap(shape.0, shape.1, &weights).unwrap();
                let found = self.layer().store_base(&base).await;
                same_outcome(found, model.store_base(&base))
            }
            Operation::StoreChanges(gap, raw) => {
                let (step, delta) = (model.latest() + gap, delta_of(raw, shape, true));
                let found = self.layer().store_changes(step, &delta).await;
                same_outcome(found, model.store_changes(step, &delta))
            }
            Operation::Prune(keep) => {
                let expected = model.prune_history(*keep);
                same_outcome(self.layer().prune_history(*keep).await, expected)
            }
            Operation::Seal => same_outcome(self.store().seal().await, Ok(())),
            Operation::Compact => same_outcome(self.store().compact().await, Ok(())),
            Operation::Settle => same_outcome(self.store().settle().await, Ok(())),
            Operation::Reopen => {
                let Some(path) = path else { return Ok(()) };
                self.layer = None;
                self.store = None;
                let store = TemporalStore::open(path, self.options).await.unwrap();
                self.layer = Some(store.layer("w").await.unwrap());
                self.store = Some(store);
                Ok(())
            }
        }
    }
}

/// States, slices and histories are the model's.
async fn check(stored: &Stored, model: &Model, thorough: bool) -> Result<(), TestCaseError> {
    let layer = stored.layer.as_ref().unwrap();
    let (rows, cols) = layer.shape();
    prop_assert_eq!(layer.steps().await.unwrap(), model.steps());
    prop_assert_eq!(
        (layer.oldest().await.unwrap(), layer.latest().await.unwrap()),
        (model.oldest(), model.latest())
    );
    let latest = model.weights_at_time(usize::MAX).unwrap();
    prop_assert_eq!(&layer.weights_at_time(usize::MAX).await.unwrap(), &latest);
    let head = stored.store().latest().await.unwrap();
    let bits: Vec<u8> = latest
        .to_dense()
        .unwrap()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    prop_assert!(head.checkpoint.tensors[0].data == bits);
    if !thorough {
        return Ok(());
    }
    for t in model
        .steps()
        .into_iter()
        .chain([model.oldest(), model.latest() + 1])
    {
        let (found, expected) = (
            layer.weights_at_time(t).await.unwrap(),
            model.weights_at_time(t).unwrap(),
        );
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(found.timestep(), expected.timestep());
    }
    if model.oldest() > 0 {
        prop_assert!(layer.weights_at_time(model.oldest() - 1).await.is_err());
    }
    let region = Region::new(rows / 3..rows, cols / 2..cols);
    let middle = (model.oldest() + model.latest()) / 2;
    let part = layer.weights_in_region(middle, region).await.unwrap();
    let whole = model.weights_at_time(middle).unwrap();
    let inside = whole
        .iter()
        .filter(|((row, col), _)| *row >= rows / 3 && *col >= cols / 2);
    let inside = inside.map(|((row, col), &value)| (row - rows / 3, col - cols / 2, value));
    prop_assert_eq!(
        &part,
        &SparseWeights::from_triplets(part.rows(), part.cols(), inside).unwrap()
    );

    let mut touched = std::collections::BTreeSet::from([(0, 0), (rows - 1, cols - 1)]);
    for (step, delta) in layer.recent_deltas(usize::MAX).await.unwrap() {
        touched.extend(delta.iter().map(|(weight, _)| weight));
        prop_assert_eq!(Some(delta), model.delta_layer(step));
    }
    for (row, col) in touched {
        let bits = |history: Vec<(usize, f32)>| -> Vec<_> {
            history
                .into_iter()
                .map(|(t, value)| (t, value.to_bits()))
                .collect()
        };
        let found = layer.weight_history(row, col).await.unwrap();
        prop_assert_eq!(bits(found), bits(model.weight_history(row, col).unwrap()));
    }
    let grid = layer
        .grid(middle..=model.latest(), StorageOptions::default())
        .await
        .unwrap();
    for t in model.steps().into_iter().filter(|step| *step >= middle) {
        prop_assert_eq!(
            grid.weights_at_time(t).await.unwrap(),
            model.weights_at_time(t).unwrap()
        );
    }
    let verified = stored.store().verify(|_, _| ()).await.unwrap();
    prop_assert_eq!(verified.states as usize, model.steps().len() + 1);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stored_layer_does_what_the_model_does(
        shape in prop::sample::select(SHAPES.to_vec()),
        in_file in any::<bool>(),
        favor_reads in any::<bool>(),
        threads in 1..4usize,
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.tvdb");
        let path = in_file.then_some(path.as_path());
        let options = StoreOptions {
            favor: if favor_reads { Favor::Reads } else { Favor::Size },
            threads: NonZeroUsize::new(threads),
            cache_bytes: if threads == 1 { 0 } else { 1 << 16 },
            ..StoreOptions::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut stored = Stored::new(path, shape, options).await;
            let mut model = Model::new(shape.0, shape.1, None);
            for (i, operation) in operations.iter().enumerate() {
                stored.apply(operation, path, &mut model).await?;
                check(&stored, &model, i + 1 == operations.len() || i % 8 == 0).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
