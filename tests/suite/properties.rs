//! Random runs of every operation on a `Layer`, against the model, bit for bit, at one and at
//! several threads.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use temporal_vdb::{Change, Delta, Layer, Region, Retention, Ring, SparseWeights, StorageOptions};

use crate::model::Model;

/// Shapes across the edges of leaves (8) and of lower nodes (128).
const SHAPES: [(i32, i32); 4] = [(1, 1), (9, 17), (130, 9), (3, 260)];

/// Places and numbers of a change; places are taken modulo the shape.
pub type Raw = (i32, i32, f32, Option<f32>);

#[derive(Clone, Debug)]
enum Operation {
    StoreBase(Vec<Raw>),
    /// At latest + gap; a gap of 0 is out of order.
    StoreChanges(usize, Vec<Raw>),
    Accumulate(usize, Vec<Raw>, f32),
    CommitAccumulated,
    Prune(usize),
    PruneTo(&'static str),
    SetRetention(&'static str),
    /// A name, at latest - this.
    Tag(&'static str, usize),
    Untag(&'static str),
    /// Questions about latest - each of these.
    NetChange(usize, usize),
    AtMany(Vec<usize>),
    Counts(usize, usize),
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

pub fn raw_changes() -> impl Strategy<Value = Vec<Raw>> {
    let mark = prop_oneof![8 => Just(None), 1 => bits().prop_map(Some)];
    prop::collection::vec((any::<i32>(), any::<i32>(), number(), mark), 0..12)
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        1 => raw_changes().prop_map(Operation::StoreBase),
        8 => (prop_oneof![6 => Just(1usize), 2 => 0..12usize, 1 => 0..5000usize], raw_changes())
            .prop_map(|(gap, raw)| Operation::StoreChanges(gap, raw)),
        5 => (0..2usize, raw_changes(), prop_oneof![Just(1.0), number(), bits()])
            .prop_map(|(gap, raw, scale)| Operation::Accumulate(gap, raw, scale)),
        1 => Just(Operation::CommitAccumulated),
        1 => (0..6usize).prop_map(Operation::Prune),
        3 => prop::sample::select(POLICIES.to_vec()).prop_map(Operation::PruneTo),
        2 => prop::sample::select(POLICIES.to_vec()).prop_map(Operation::SetRetention),
        2 => (prop::sample::select(NAMES.to_vec()), 0..9usize)
            .prop_map(|(name, back)| Operation::Tag(name, back)),
        1 => prop::sample::select(NAMES.to_vec()).prop_map(Operation::Untag),
        1 => (0..9usize, 0..9usize).prop_map(|(from, to)| Operation::NetChange(from, to)),
        1 => prop::collection::vec(0..9usize, 0..6).prop_map(Operation::AtMany),
        1 => (0..9usize, 0..9usize).prop_map(|(first, last)| Operation::Counts(first, last)),
        1 => (0..6usize).prop_map(Operation::Rollback),
        1 => Just(Operation::Reopen),
    ]
}

const POLICIES: [&str; 7] = [
    "all",
    "last 1",
    "last 3",
    "tiers 2,2@3",
    "tiers 1@2,2@6",
    "tiers 3,1@8,2@16",
    "last 20",
];

/// Names for tags, some of which none can have.
const NAMES: [&str; 5] = ["best", "before the cut", "12", "", " padded"];

pub fn place((row, col): (i32, i32), shape: (i32, i32)) -> (i32, i32) {
    (row.rem_euclid(shape.0), col.rem_euclid(shape.1))
}

pub fn delta_of(raw: &[Raw], shape: (i32, i32), marks: bool) -> Delta {
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
pub fn same_outcome<A, B>(
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
        Operation::Accumulate(gap, raw, scale) => {
            let (step, delta) = (model.latest() + gap, delta_of(raw, shape, false));
            same_outcome(
                layer.accumulate(step, &delta, *scale),
                model.accumulate(step, &delta, *scale),
            )
        }
        Operation::CommitAccumulated => {
            prop_assert_eq!(
                layer.commit_accumulated().unwrap(),
                model.commit_accumulated()
            );
            Ok(())
        }
        Operation::Prune(keep) => {
            same_outcome(layer.prune_history(*keep), model.prune_history(*keep))
        }
        Operation::PruneTo(policy) => {
            let policy = policy.parse().unwrap();
            let (planned, expected) = (layer.plan_prune(&policy), model.prune(&policy));
            let pruned = layer.prune(&policy);
            if let (Ok(pruned), Ok(expected)) = (&pruned, &expected) {
                prop_assert_eq!(&pruned.steps, expected);
                prop_assert_eq!(pruned.oldest, model.oldest());
                prop_assert_eq!(&planned.unwrap(), pruned, "as planned");
            }
            same_outcome(pruned, expected)
        }
        Operation::SetRetention(policy) => {
            let policy: Retention = policy.parse().unwrap();
            let expected = model.set_retention(&policy);
            same_outcome(layer.set_retention(policy), expected)
        }
        Operation::Tag(name, back) => {
            let t = model.latest().saturating_sub(*back);
            same_outcome(layer.tag(name, t), model.tag(name, t))
        }
        Operation::Untag(name) => {
            let (found, expected) = (layer.untag(name), model.untag(name));
            if let (Ok(found), Ok(expected)) = (&found, &expected) {
                prop_assert_eq!(found, expected);
            }
            same_outcome(found, expected)
        }
        Operation::NetChange(from, to) => {
            let [from, to] = [from, to].map(|back| model.latest().saturating_sub(*back));
            let (found, expected) = (layer.net_change(from, to), model.net_change(from, to));
            if let (Ok(found), Ok(expected)) = (&found, &expected) {
                prop_assert_eq!(found, expected);
            }
            same_outcome(found, expected)
        }
        Operation::AtMany(backs) => {
            let times: Vec<usize> = backs
                .iter()
                .map(|back| model.latest().saturating_sub(*back))
                .collect();
            let singly = times.iter().map(|&t| model.weights_at_time(t));
            let expected = singly.collect::<temporal_vdb::Result<Vec<_>>>();
            let found = layer.dense_at_many(&times);
            if let (Ok(found), Ok(expected)) = (&found, &expected) {
                prop_assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    prop_assert_eq!(Some(found.timestep), expected.timestep());
                    prop_assert_eq!(&found.to_sparse().unwrap(), expected);
                }
            }
            same_outcome(found, expected)
        }
        Operation::Counts(first, last) => {
            let [first, last] = [first, last].map(|back| model.latest().saturating_sub(*back));
            let found = layer.change_counts(first..=last).unwrap();
            prop_assert_eq!(found, model.change_counts(first..=last));
            Ok(())
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
            model.reopen();
            Ok(())
        }
    }
}

/// States and slices are the model's.
fn check_states_and_slices(layer: &Layer, model: &Model) -> Result<(), TestCaseError> {
    let (rows, cols) = layer.shape();
    prop_assert_eq!(layer.steps(), model.steps());
    prop_assert_eq!(&layer.tags(), model.tags());
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
    for (step, delta) in recent {
        prop_assert_eq!(Some(delta), model.delta_layer(step));
    }
    Ok(())
}

/// The life of every weight that ever changed is the model's.
fn check_histories(layer: &Layer, model: &Model) -> Result<(), TestCaseError> {
    let (rows, cols) = layer.shape();
    let mut touched = std::collections::BTreeSet::from([(0, 0), (rows - 1, cols - 1)]);
    for step in model.steps() {
        let delta = model.delta_layer(step).unwrap();
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

/// Steps of many changes, so that several threads share the work of each; from one number, since
/// lists of thousands shrink for ever.
fn many_changes() -> impl Strategy<Value = Vec<Raw>> {
    any::<u64>().prop_map(|mut seed| {
        // splitmix64 (Steele, Lea, Flood 2014)
        let mut next = move || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        let one = |_| {
            let (place, number) = (next(), next());
            let mark = (number % 16 == 0).then(|| f32::from_bits(next() as u32));
            (
                (place >> 32) as i32,
                place as i32,
                number as i32 as f32 * 1e-9,
                mark,
            )
        };
        (0..12000).map(one).collect()
    })
}

fn large_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        1 => many_changes().prop_map(Operation::StoreBase),
        6 => (1..9usize, many_changes()).prop_map(|(gap, raw)| Operation::StoreChanges(gap, raw)),
        2 => (0..2usize, many_changes())
            .prop_map(|(gap, raw)| Operation::Accumulate(gap, raw, 0.5)),
        1 => (0..4usize).prop_map(Operation::Prune),
        2 => prop::sample::select(vec!["last 2", "tiers 1@3,2@6", "tiers 2@2"])
            .prop_map(Operation::PruneTo),
        1 => Just(Operation::NetChange(7, 0)),
        1 => Just(Operation::AtMany(vec![0, 3, 8, 3])),
        1 => Just(Operation::Counts(9, 0)),
        1 => (0..9usize).prop_map(Operation::Rollback),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_does_what_the_model_does(
        shape in prop::sample::select(SHAPES.to_vec()),
        ring in prop::option::of(2..7usize),
        threads in 1..4usize,
        operations in prop::collection::vec(operation(), 1..36),
    ) {
        let ring = ring.map(|length| Ring::new(length).unwrap());
        let options = StorageOptions { ring, threads: NonZeroUsize::new(threads), ..StorageOptions::default() };
        let mut layer = Layer::new("w", shape.0, shape.1, options).unwrap();
        let mut model = Model::new(shape.0, shape.1, ring);
        for operation in &operations {
            apply(operation, &mut layer, &mut model, options)?;
            check_states_and_slices(&layer, &model)?;
            check_histories(&layer, &model)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_large_layer_does_too_whatever_the_number_of_threads(
        ring in prop::option::of(2..7usize),
        operations in prop::collection::vec(large_operation(), 1..8),
    ) {
        let ring = ring.map(|length| Ring::new(length).unwrap());
        let mut model = Model::new(300, 280, ring);
        let mut layers: Vec<_> = (1..=2)
            .map(|threads| {
                let threads = NonZeroUsize::new(threads);
                let options = StorageOptions { ring, threads, ..StorageOptions::default() };
                (Layer::new("w", 300, 280, options).unwrap(), options)
            })
            .collect();
        for operation in &operations {
            let before = model.clone();
            for (layer, options) in &mut layers {
                model = before.clone();
                apply(operation, layer, &mut model, *options)?;
            }
        }
        for (layer, _) in &layers {
            check_states_and_slices(layer, &model)?;
        }
    }
}
