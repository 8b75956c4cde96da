//! A training run that can be told at any step, and what a store must hold of it.

use std::collections::BTreeMap;

use temporal_vdb::{
    Checkpoint, Dtype, Error, LayerInfo, ModelWeights, Note, RecordOptions, Result, TemporalLayer,
    TemporalStore, TemporalVDBStorage, Tensor,
};

use super::{done, mix};

/// Bits of weights that are hard to keep: NaN with a payload, -0.0, infinity, +0.0.
const HARD: [u32; 4] = [0x7fc1_1234, 0x8000_0000, 0x7f80_0000, 0];

/// Steps that pruning keeps.
const KEPT: usize = 12;

/// A run of a small model; each weight is a function of the seed, the layer and the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub seed: u64,
    /// Rows of its largest layer.
    pub side: usize,
}

/// What a recorder says it has done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acknowledged {
    /// The store is there.
    pub opened: bool,
    /// The newest step.
    pub step: Option<usize>,
    /// The steps after which a layer was pruned.
    pub pruned: Vec<usize>,
}

impl Run {
    /// Names, types and shapes. Runs with an odd seed have a tensor that is kept whole; those
    /// without one can drop commits when all layers are pruned.
    fn layers(self) -> Vec<(&'static str, Dtype, Vec<usize>)> {
        let side = self.side;
        let mut layers = vec![
            ("embedding", Dtype::F32, vec![side, side]),
            ("mlp.weight", Dtype::Bf16, vec![side / 2, side]),
            // A vector, with a short last row where it is longer than 128.
            ("mlp.bias", Dtype::F32, vec![side + 70]),
        ];
        if self.seed % 2 == 1 {
            layers.push(("counts", Dtype::I64, vec![4]));
        }
        layers
    }

    /// A weight as f32 bits, of which BF16 has the upper half. Each changes every 1 to 12 steps,
    /// those of the vector far less often, so that its blocks are merged.
    fn bits(self, layer: usize, weight: usize, step: usize) -> u32 {
        let own = mix(mix(self.seed << 8 | layer as u64) ^ weight as u64);
        let period = if layer == 2 { 64 } else { 1 } + own % 12;
        let age = (step as u64 + own % period) / period;
        let changing = mix(own ^ age);
        if changing.is_multiple_of(307) {
            return HARD[(changing >> 32) as usize % HARD.len()];
        }
        let small = (changing >> 40) as u32 & 0x3f;
        0x3e80_0000 + ((own >> 20) as u32 & 0x00ff_ff00) + (small << 16 | small)
    }

    pub fn checkpoint(self, step: usize) -> Checkpoint {
        let layers = self.layers().into_iter().enumerate();
        let tensor = |(layer, (name, dtype, shape)): (usize, (&str, Dtype, Vec<usize>))| {
            let elements = 0..shape.iter().product();
            let data: Vec<u8> = match dtype {
                Dtype::Bf16 => elements
                    .flat_map(|i| ((self.bits(layer, i, step) >> 16) as u16).to_le_bytes())
                    .collect(),
                Dtype::I64 => elements
                    .flat_map(|i| (step / 3 * (i + 1)).to_le_bytes())
                    .collect(),
                _ => elements
                    .flat_map(|i| self.bits(layer, i, step).to_le_bytes())
                    .collect(),
            };
            Tensor {
                name: name.to_owned(),
                dtype,
                shape,
                data: data.into(),
            }
        };
        Checkpoint {
            tensors: layers.map(tensor).collect(),
            metadata: BTreeMap::from([("step".to_owned(), step.to_string())]),
        }
    }

    fn notes(step: usize) -> BTreeMap<String, Note> {
        BTreeMap::from([
            ("loss".to_owned(), Note::from(step as f64 / 8.0)),
            ("phase".to_owned(), Note::from(["warm", "cold"][step % 2])),
        ])
    }

    pub fn record(self, store: &TemporalStore, step: usize) -> Result<()> {
        let options = RecordOptions {
            notes: Run::notes(step),
            ..RecordOptions::default()
        };
        let recorded = done(store.record(Some(step), self.checkpoint(step), options))?;
        assert_eq!(
            (recorded.step, recorded.layers),
            (step, self.layers().len())
        );
        Ok(())
    }

    /// Prunes, seals, compacts and settles now and then; says whether it has pruned.
    pub fn maintain(self, store: &TemporalStore, step: usize) -> Result<bool> {
        if step % 5 == 3 {
            done(store.settle())?;
        }
        if step % 9 == 7 {
            done(store.compact())?;
        }
        if step % 13 == 5 {
            done(store.seal())?;
        }
        let Some(name) = pruned_layer(step) else {
            return Ok(false);
        };
        let mut layer = done(store.layer(name))?;
        done(layer.prune_history(KEPT))?;
        Ok(true)
    }

    /// That a store holds this run up to the acknowledged step or the one after it, pruned as it
    /// was acknowledged; the newest `reach` steps are read. Gives the newest step there is.
    pub fn check(
        self,
        store: &TemporalStore,
        acknowledged: &Acknowledged,
        reach: usize,
    ) -> Option<usize> {
        let steps = done(store.steps()).unwrap();
        let latest = steps.last().map(|info| info.step);
        let next = acknowledged.step.map_or(0, |step| step + 1);
        assert!(
            latest == acknowledged.step || latest == Some(next),
            "{acknowledged:?}, and the store goes up to {latest:?}"
        );
        let layers = done(store.layers()).unwrap();
        let latest = latest.or_else(|| {
            assert!(layers.is_empty(), "layers without a step");
            None
        })?;
        self.check_layers(&layers, acknowledged, latest);
        let oldest = layers.iter().map(|layer| layer.oldest).min().unwrap();
        assert_eq!(
            steps.iter().map(|info| info.step).collect::<Vec<_>>(),
            (oldest..=latest).collect::<Vec<_>>()
        );
        for info in &steps {
            let retained = layers.iter().filter(|layer| layer.oldest <= info.step);
            assert_eq!(info.layers, retained.count());
            assert_eq!(info.notes, Run::notes(info.step));
        }
        self.check_weights(&done(store.latest()).unwrap(), latest);
        for step in oldest.max((latest + 1).saturating_sub(reach))..=latest {
            self.check_step(store, &layers, step);
        }
        Some(latest)
    }

    fn check_layers(self, found: &[LayerInfo], acknowledged: &Acknowledged, latest: usize) {
        let layers = self.layers();
        assert_eq!(found.len(), layers.len());
        for (found, (name, dtype, shape)) in found.iter().zip(layers) {
            assert_eq!(
                (found.name.as_str(), found.dtype, &found.shape, found.latest),
                (name, dtype, &shape, latest)
            );
            // The last one that was acknowledged, or a later one that was begun.
            let own = |step: &&usize| pruned_layer(**step) == Some(name);
            let certain = acknowledged.pruned.iter().rfind(own).copied();
            let begun = (certain.map_or(0, |step| step + 1)..=latest)
                .filter(|step| pruned_layer(*step) == Some(name));
            let mut may_be = begun.chain(certain).map(|step| step.saturating_sub(KEPT));
            assert!(
                may_be.any(|oldest| oldest == found.oldest)
                    || (certain.is_none() && found.oldest == 0),
                "{name} begins at {}, and {acknowledged:?}",
                found.oldest
            );
        }
    }

    fn check_step(self, store: &TemporalStore, layers: &[LayerInfo], step: usize) {
        if layers.iter().all(|layer| layer.oldest <= step) {
            self.check_weights(&done(store.weights_at(step)).unwrap(), step);
            return;
        }
        let found = done(store.weights_at(step));
        assert!(matches!(found, Err(Error::Pruned { .. })), "{found:?}");
        for (at, info) in layers.iter().enumerate() {
            if info.oldest > step || info.matrix.is_none() {
                continue;
            }
            let layer = done(store.layer(&info.name)).unwrap();
            let found = done(layer.dense_at_time(step)).unwrap();
            let upper = if info.dtype == Dtype::Bf16 {
                !0xffff
            } else {
                !0
            };
            let elements: usize = info.shape.iter().product();
            for (i, value) in found.values[..elements].iter().enumerate() {
                let expected = self.bits(at, i, step) & upper;
                assert_eq!(value.to_bits(), expected, "{} {i} at {step}", info.name);
            }
        }
    }

    /// That weights are those of a step, whose number they name.
    pub fn check_weights(self, found: &ModelWeights, step: usize) {
        assert_eq!(found.timestep, step);
        let expected = self.checkpoint(step);
        for (found, expected) in found.checkpoint.tensors.iter().zip(&expected.tensors) {
            // Not `assert_eq`, which would print all of the bytes.
            assert!(found == expected, "'{}' at step {step}", expected.name);
        }
        assert_eq!(found.checkpoint.tensors.len(), expected.tensors.len());
        assert_eq!(found.checkpoint.metadata, expected.metadata);
    }
}

/// The layer that is pruned after a step, if any.
fn pruned_layer(step: usize) -> Option<&'static str> {
    let layers = ["embedding", "mlp.bias", "mlp.weight"];
    (step % 17 == 16).then(|| layers[step / 17 % layers.len()])
}
