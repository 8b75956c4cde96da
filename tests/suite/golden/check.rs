use std::collections::BTreeSet;

use temporal_vdb::{
    Checkpoint, Delta, Error, LayerInfo, ModelWeights, TemporalLayer, TemporalStore,
    TemporalVDBStorage,
};

use super::layer::Layer;
use super::run::Run;

/// Every answer of a store is the run's.
pub async fn check(store: &TemporalStore, run: &Run) {
    let infos: Vec<LayerInfo> = run.layers.iter().map(info).collect();
    assert_eq!(store.layers().await.unwrap(), infos);
    let steps = store.steps().await.unwrap();
    let found = steps
        .into_iter()
        .map(|step| (step.step, (step.notes, step.layers)));
    let expected: Vec<_> = run.steps.clone().into_iter().collect();
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert_eq!(store.tags().await.unwrap(), run.tags);
    assert_eq!(store.retention().await.unwrap(), run.retention);

    for layer in run.layers.iter().filter(|layer| layer.matrix.is_some()) {
        check_layer(store, layer).await;
        let retention = run.retentions.get(layer.name).unwrap_or(&run.retention);
        let stored = store.layer(layer.name).await.unwrap();
        assert_eq!(&stored.retention().await.unwrap(), retention);
    }
    let newest = *run.steps.keys().next_back().unwrap();
    for t in run.times().chain([usize::MAX]) {
        let found = store.weights_at(t).await;
        match weights_at(run, t) {
            Some(expected) => same(&found.unwrap(), &expected, t),
            None => assert!(matches!(found, Err(Error::Pruned { step, .. }) if step == t)),
        }
    }
    same(
        &store.latest().await.unwrap(),
        &weights_at(run, usize::MAX).unwrap(),
        newest,
    );
    let states: usize = run.layers.iter().map(|layer| layer.states.len()).sum();
    assert_eq!(store.verify(|_, _| ()).await.unwrap().states, states as u64);
}

fn info(layer: &Layer) -> LayerInfo {
    LayerInfo {
        name: layer.name.to_owned(),
        dtype: layer.dtype,
        shape: layer.shape.clone(),
        matrix: layer.matrix,
        oldest: layer.oldest,
        latest: *layer.states.keys().next_back().unwrap(),
    }
}

/// States and changes of a matrix, weight by weight.
async fn check_layer(store: &TemporalStore, layer: &Layer) {
    let name = layer.name;
    let shape = layer.matrix.unwrap();
    let stored = store.layer(name).await.unwrap();
    let bits = |values: &[f32]| {
        values
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };
    let mut states = Vec::new();
    for (&step, bytes) in &layer.states {
        let found = stored.dense_at_time(step).await.unwrap();
        let expected = bits(&layer.values(bytes));
        assert_eq!((found.timestep, found.shape), (step, shape), "{name}");
        assert!(bits(&found.values) == expected, "{name} at {step}");
        states.push((step, expected));
    }
    let mut deltas = Vec::new();
    for (&step, changes) in &layer.changes {
        let delta = Delta::from_changes(shape.0, shape.1, changes.clone()).unwrap();
        let found = stored.get_delta_layer(step).await.unwrap();
        assert!(found == delta, "{name} at {step}: {found:?}, not {delta:?}");
        deltas.push((step, delta));
    }
    assert!(
        stored.deltas_in(0..=usize::MAX).await.unwrap() == deltas,
        "{name}"
    );

    // Of some weights in each step.
    let changed = layer
        .changes
        .values()
        .flat_map(|step| step.keys().step_by(1 + step.len() / 3));
    for &(row, col) in changed.collect::<BTreeSet<_>>() {
        let mut expected = Vec::new();
        for (step, state) in &states {
            let changes = layer.changes.get(step);
            if changes.is_none_or(|changes| changes.contains_key(&(row, col))) {
                expected.push((*step, state[(row * shape.1 + col) as usize]));
            }
        }
        let found = stored.weight_history(row, col).await.unwrap().into_iter();
        let found: Vec<_> = found.map(|(step, value)| (step, value.to_bits())).collect();
        assert_eq!(found, expected, "{name} ({row}, {col})");
    }
}

/// All tensors of a run as of a time, where all of them are retained.
fn weights_at(run: &Run, t: usize) -> Option<ModelWeights> {
    let mut timestep = 0;
    let mut tensors = Vec::new();
    for layer in run.layers.iter().filter(|layer| layer.created <= t) {
        let (step, bytes) = layer.state_at(t)?;
        timestep = timestep.max(step);
        tensors.push(layer.tensor(bytes));
    }
    let metadata = run.metadata.range(..=timestep).next_back();
    let metadata = metadata
        .map(|(_, metadata)| metadata.clone())
        .unwrap_or_default();
    Some(ModelWeights {
        timestep,
        checkpoint: Checkpoint { tensors, metadata },
    })
}

fn same(found: &ModelWeights, expected: &ModelWeights, t: usize) {
    assert_eq!(found.timestep, expected.timestep, "at {t}");
    assert_eq!(
        found.checkpoint.metadata, expected.checkpoint.metadata,
        "at {t}"
    );
    assert_eq!(
        found.checkpoint.tensors.len(),
        expected.checkpoint.tensors.len(),
        "at {t}"
    );
    for (found, expected) in found
        .checkpoint
        .tensors
        .iter()
        .zip(&expected.checkpoint.tensors)
    {
        assert!(found == expected, "{} at {t}", expected.name);
    }
}
