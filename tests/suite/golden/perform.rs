use temporal_vdb::{
    Checkpoint, RecordOptions, TemporalLayer, TemporalStore, TemporalVDBStorage, Threshold,
};

use super::run::{Act, BOUND, How, Operation, Run, Step};

/// Does to a store what the run did.
pub async fn perform(store: &TemporalStore, run: &Run, operation: &Operation) {
    let layer = |name: &str| run.layers.iter().find(|layer| layer.name == name).unwrap();
    match operation {
        Operation::Create(name) => {
            let layer = layer(name);
            let (rows, cols) = layer.matrix.unwrap();
            store
                .create_layer(name, layer.dtype, rows, cols)
                .await
                .unwrap();
        }
        Operation::Commit(step) => commit(store, run, step).await,
        Operation::Compact => store.compact().await.unwrap(),
        Operation::Prune(name, keep) => {
            store
                .layer(name)
                .await
                .unwrap()
                .prune_history(*keep)
                .await
                .unwrap();
        }
        Operation::PruneBy(None, policy) => drop(store.prune(policy).await.unwrap()),
        Operation::PruneBy(Some(name), policy) => {
            let layer = store.layer(name).await.unwrap();
            layer.prune(policy).await.unwrap();
        }
        Operation::SetRetention(None, policy) => {
            store.set_retention(policy.clone()).await.unwrap();
        }
        Operation::SetRetention(Some(name), policy) => {
            let layer = store.layer(name).await.unwrap();
            layer.set_retention(policy.clone()).await.unwrap();
        }
        Operation::Tag(name, t) => store.tag(name, *t).await.unwrap(),
        Operation::RollBack(name, t) => {
            let layer = store.layer(name).await.unwrap();
            layer.rollback(*t).await.unwrap();
        }
    }
}

async fn commit(store: &TemporalStore, run: &Run, step: &Step) {
    let tensor_of = |name: &str, bytes: &[u8]| {
        let layer = run.layers.iter().find(|layer| layer.name == name).unwrap();
        layer.tensor(bytes)
    };
    let t = step.step;
    match &step.how {
        How::Checkpoint(metadata) => {
            let tensors = step.acts.iter().map(|(name, act)| match act {
                Act::Tensor(bytes) => tensor_of(name, bytes),
                Act::Changes(_) | Act::Snapped(..) => panic!("{name}: not a checkpoint's"),
            });
            let checkpoint = Checkpoint {
                tensors: tensors.collect(),
                metadata: metadata.clone(),
            };
            let options = RecordOptions {
                notes: step.notes.clone(),
                ..RecordOptions::default()
            };
            store.record(Some(t), checkpoint, options).await.unwrap();
        }
        How::Together => {
            let mut writer = store.begin_step(t);
            for (key, note) in &step.notes {
                writer = writer.note(key, note.clone());
            }
            for (name, act) in &step.acts {
                writer = match act {
                    Act::Tensor(bytes) => {
                        writer.tensor(tensor_of(name, bytes), Threshold::Lossless)
                    }
                    Act::Snapped(bytes, _) => {
                        writer.tensor(tensor_of(name, bytes), Threshold::SnappedAbsolute(BOUND))
                    }
                    Act::Changes(delta) => writer.changes(name, delta),
                };
            }
            writer.commit().await.unwrap();
        }
        How::Alone => {
            let [(name, Act::Changes(delta))] = &step.acts[..] else {
                panic!("not one layer's changes")
            };
            let layer = store.layer(name).await.unwrap();
            layer.store_changes(t, delta).await.unwrap();
        }
    }
}
