//! Random runs of every operation on a `Layer`, against the model, bit for bit, at one and at
//! several threads.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use temporal_vdb::{Change, Delta, Layer, Region, Ring, SparseWeights, StorageOptions};

use crate::model::Model;

/// Shapes across the edges of leaves (8) and of lower nodes (128).
const SHAPES: [(i32, i32); 4] = [(1, 1), (9, 17), (130, 9), (3, 260)];

/// Places and numbers of a change; places are taken modulo the shape.
type Raw = (i32, i32, f32, Option<f32>);

#[derive(Clone, Debug)]
enum Operation {
    StoreBase(Vec<Raw>),
    /// At latest + gap; a gap of 0 is out of order.
    StoreChanges(usize, Vec<Raw>),
    Accumulate(usize, Vec<Raw>),
    Prune(usize),
    /// To latest - this.
    Rollback(usize),
    /// Through a .vdb file, into the same kind of layer.
    Reopen,
}

/// Numbers that additions stumble over.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-4i32..=4).prop_map(|n| n as f32 * 0.1),
        2 => any::<f32>(),
        1 => prop::sample::select(vec![
            0.0, -0.0, 1e8, -1e8, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1), -f32::from_bits(7),
        ]),
    ]
}

/// Any bits at all.
fn bits() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        number(),
        Just(f32::INFINITY),
        Just(f32::from_bits(0x7fa0_0001))
    ]
}

fn raw_changes() -> impl Strategy<Value = Vec<Raw>> {
    let mark = prop_oneof![8 => Just(None), 1 => bits().prop_map(Some)];
    prop::collection::vec((any::<i32>(), any::<i32>(), number(), mark), 0..12)
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        1 => raw_changes().prop_map(Operation::StoreBase),
        8 => (prop_oneof![6 => Just(1usize), 2 => 0..12usize, 1 => 0..5000usize], raw_changes())
            .prop_map(|(gap, raw)| Operation::StoreChanges(gap, raw)),
        3 => (0..2usize, raw_changes()).prop_map(|(gap, raw)| Operation::Accumulate(gap, raw)),
        1 => (0..6usize).prop_map(Operation::Prune),
        1 => (0..6usize).prop_map(Operation::Rollback),
        1 => Just(Operation::Reopen),
    ]
}

fn place((row, col): (i32, i32), shape: (i32, i32)) -> (i32, i32) {
    (row.rem_euclid(shape.0), col.rem_euclid(shape.1))
}

fn delta_of(raw: &[Raw], shape: (i32, i32), marks: bool) -> Delta {
    let mut changes = std::collections::BTreeMap::new();
    for &(row, col, delta, exact) in raw {
        let delta = if delta.is_finite() { delta } else { 0.0 };
        changes.insert(
            place((row, col), shape),
            Change {
                delta,
                exact: exact.filter(|_| marks),
            },
        );
    }
    Delta::from_changes(shape.0, shape.1, changes).unwrap()
}

/// The same outcome on both sides: both succeed, or both fail for the same reason. (Where several
/// weights of a batch are wrong, either side may name any of them.)
fn same_outcome<A, B>(
    grid: temporal_vdb::Result<A>,
    model: temporal_vdb::Result<B>,
) -> Result<(), TestCaseError> {
    let reason = |error: temporal_vdb::Error| std::mem::discriminant(&error);
    prop_assert_eq!(
        grid.map(|_| ()).map_err(reason),
        model.map(|_| ()).map_err(reason)
    );
    Ok(())
}

fn apply(
    operation: &Operation,
    layer: &mut Layer,
    model: &mut Model,
    options: StorageOptions,
) -> Result<(), TestCaseError> {
    let shape = layer.shape();
    match operation {
        Operation::StoreBase(raw) => {
            let weights: std::collections::HashMap<_, _> = raw
                .iter()
                .map(|&(row, col, value, exact)| (place((row, col), shape), exact.unwrap_or(value)))
                .collect();
            let base = SparseWeights::from_hashmap(shape.0, shape.1, &weights).unwrap();
            same_outcome(layer.store_base(&base), model.store_base(&base))
        }
        Operation::StoreChanges(gap, raw) => {
            let (step, delta) = (model.latest() + gap, delta_of(raw, shape, true));
            same_outcome(
                layer.store_changes(step, &delta),
                model.store_changes(step, &delta),
            )
        }
        Operation::Accumulate(gap, raw) => {
            let (step, delta) = (model.latest() + gap, delta_of(raw, shape, false));
            same_outcome(
                layer.accumulate(step, &delta),
                model.accumulate(step, &delta),
            )
        }
        Operation::Prune(keep) => {
            model.prune_history(*keep);
            same_outcome(layer.prune_history(*keep), Ok(()))
        }
        Operation::Rollback(back) => {
            let to = model.latest().saturating_sub(*back);
            let (dropped, expected) = (layer.rollback(to), model.rollback(to));
            if let (Ok(dropped), Ok(expected)) = (&dropped, &expected) {
                prop_assert_eq!(dropped, expected);
            }
            same_outcome(dropped, expected)
        }
        Operation::Reopen => {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("layer.vdb");
            layer.export_vdb(&path).unwrap();
            *layer = Layer::open_vdb(&path, None, options).unwrap();
            Ok(())
        }
    }
}

/// Everything that can be asked gives what the model gives.
fn check_all(layer: &Layer, model: &Model) -> Result<(), TestCaseError> {
    let (rows, cols) = layer.shape();
    prop_assert_eq!(layer.steps(), model.steps());
    prop_assert_eq!(
        (layer.oldest(), layer.latest()),
        (model.oldest(), model.latest())
    );
    let times = model
        .steps()
        .into_iter()
        .chain([model.oldest(), model.latest() + 1]);
    for t in times {
        let (found, expected) = (
            layer.weights_at_time(t).unwrap(),
            model.weights_at_time(t).unwrap(),
        );
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(found.timestep(), expected.timestep());
        let dense = layer.dense_at_time(t).unwrap();
        prop_assert_eq!(Some(dense.timestep), expected.timestep());
        prop_assert_eq!(
            SparseWeights::from_dense(rows, cols, &dense.values).unwrap(),
            expected
        );
    }
    let region = Region::new(rows / 3..rows, cols / 2..cols);
    let part = layer.weights_in_region(model.latest(), region).unwrap();
    let whole = model.weights_at_time(model.latest()).unwrap();
    let inside = whole
        .iter()
        .filter(|((row, col), _)| *row >= rows / 3 && *col >= cols / 2);
    let inside = inside.map(|((row, col), &value)| (row - rows / 3, col - cols / 2, value));
    prop_assert_eq!(
        &part,
        &SparseWeights::from_triplets(part.rows(), part.cols(), inside).unwrap()
    );

    let recent = layer.recent_deltas(usize::MAX).unwrap();
    prop_assert_eq!(
        recent.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
        model.steps()
    );
    let mut touched = std::collections::BTreeSet::from([(0, 0), (rows - 1, cols - 1)]);
    for (step, delta) in recent {
        prop_assert_eq!(Some(delta.clone()), model.delta_layer(step));
        touched.extend(delta.iter().map(|(weight, _)| weight));
    }
    for (row, col) in touched {
        let bits = |history: Vec<(usize, f32)>| -> Vec<_> {
            history
                .into_iter()
                .map(|(t, value)| (t, value.to_bits()))
                .collect()
        };
        let (found, expected) = (
            layer.weight_history(row, col).unwrap(),
            model.weight_history(row, col).unwrap(),
        );
        prop_assert_eq!(bits(found), bits(expected));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_does_what_the_model_does(
        shape in prop::sample::select(SHAPES.to_vec()),
        ring in prop::option::of(2..7usize),
        threads in 1..4usize,
        operations in prop::collection::vec(operation(), 1..24),
    ) {
        let ring = ring.map(|length| Ring::new(length).unwrap());
        let options = StorageOptions { ring, threads: NonZeroUsize::new(threads), ..StorageOptions::default() };
        let mut layer = Layer::new("w", shape.0, shape.1, options).unwrap();
        let mut model = Model::new(shape.0, shape.1, ring);
        for operation in &operations {
            apply(operation, &mut layer, &mut model, options)?;
            check_all(&layer, &model)?;
        }
    }
}
