//! Random runs of a store of several layers against plain copies of all states: recorded, merged
//! into tiers, tagged, rolled back, sealed, compacted and reopened at random moments. After each
//! operation every state that stays has its bits, no other step is there, and the file is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use temporal_vdb::{
    Checkpoint, Codec, Dtype, Error, RecordOptions, Retention, StoreOptions, TemporalLayer,
    TemporalStore, Tensor, Threshold, Tier,
};

/// Names, types and shapes. The first one has several tiles, the last one is kept whole.
const LAYERS: [(&str, Dtype, [usize; 2]); 3] = [
    ("a", Dtype::F32, [130, 140]),
    ("b", Dtype::Bf16, [20, 30]),
    ("c", Dtype::U8, [4, 4]),
];

/// What is retained of a layer.
type States = BTreeMap<usize, Vec<u8>>;

#[derive(Clone, Debug)]
enum Operation {
    /// So many steps of all layers, each so many timesteps after the one before.
    Record(usize, usize),
    /// Steps as near as so much, on a lattice.
    Snap(usize, f32),
    /// A step of one matrix alone.
    Change(usize),
    Prune(Retention),
    PruneLayer(usize, Retention),
    SetRetention(Retention),
    /// The newest step but so many.
    Tag(usize),
    Untag,
    /// To the latest step but so many timesteps.
    Rollback(usize),
    RollbackLayer(usize, usize),
    Seal,
    Compact,
    Reopen,
}

fn policy() -> impl Strategy<Value = Retention> {
    prop_oneof![
        (1..30usize).prop_map(Retention::KeepLast),
        (1..12usize, 1..6usize, 2..5usize).prop_map(|(first, second, every)| {
            Retention::Tiered(vec![
                Tier {
                    steps: first,
                    every: 1,
                },
                Tier {
                    steps: second,
                    every,
                },
                Tier {
                    steps: 2,
                    every: 3 * every,
                },
            ])
        }),
        (1..4usize, 2..4usize)
            .prop_map(|(steps, every)| Retention::Tiered(vec![Tier { steps, every }])),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (1..14usize, 1..3usize).prop_map(|(steps, gap)| Operation::Record(steps, gap)),
        2 => (1..9usize, prop::sample::select(vec![0.01, 0.25]))
            .prop_map(|(steps, bound)| Operation::Snap(steps, bound)),
        4 => (0..2usize).prop_map(Operation::Change),
        3 => policy().prop_map(Operation::Prune),
        2 => (0..3usize, policy()).prop_map(|(layer, policy)| Operation::PruneLayer(layer, policy)),
        1 => prop_oneof![policy(), Just(Retention::KeepAll)].prop_map(Operation::SetRetention),
        2 => (0..12usize).prop_map(Operation::Tag),
        1 => Just(Operation::Untag),
        2 => (0..9usize).prop_map(Operation::Rollback),
        1 => (0..2usize, 0..9usize).prop_map(|(layer, back)| Operation::RollbackLayer(layer, back)),
        2 => Just(Operation::Seal),
        1 => Just(Operation::Compact),
        1 => Just(Operation::Reopen),
    ]
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % end
    }
}

/// The steps that a policy keeps, by its definition.
fn kept(policy: &Retention, steps: &[usize], pinned: &BTreeSet<usize>) -> BTreeSet<usize> {
    let tiers = match policy {
        Retention::KeepAll => return steps.iter().copied().collect(),
        &Retention::KeepLast(steps) => vec![Tier { steps, every: 1 }],
        Retention::Tiered(tiers) => tiers.clone(),
    };
    let mut found = BTreeSet::from([steps[steps.len() - 1]]);
    let mut rest: Vec<usize> = steps.to_vec();
    let mut full = true;
    for (i, tier) in tiers.iter().enumerate() {
        let mut wanted = tier.steps + usize::from(i == tiers.len() - 1);
        while wanted > 0 {
            let Some(step) = rest.pop() else { break };
            let run = step.div_ceil(tier.every);
            if !steps
                .iter()
                .any(|other| *other > step && other.div_ceil(tier.every) == run)
            {
                found.insert(step);
                wanted -= 1;
            }
        }
        full &= wanted == 0;
    }
    if !full {
        found.insert(steps[0]);
    }
    found.extend(steps.iter().filter(|step| pinned.contains(step)));
    found
}

struct Run {
    path: PathBuf,
    options: StoreOptions,
    store: Option<TemporalStore>,
    layers: Vec<States>,
    tags: BTreeMap<String, usize>,
    policy: Retention,
    numbers: Numbers,
}

impl Run {
    async fn new(folder: &Path, codec: Codec) -> Self {
        let path = folder.join("run.tvdb");
        let options = StoreOptions {
            codec,
            ..StoreOptions::default()
        };
        Run {
            store: Some(TemporalStore::create(&path, options).await.unwrap()),
            path,
            options,
            layers: vec![States::new(); LAYERS.len()],
            tags: BTreeMap::new(),
            policy: Retention::KeepAll,
            numbers: Numbers(7),
        }
    }

    fn store(&self) -> &TemporalStore {
        self.store.as_ref().unwrap()
    }

    fn latest(&self) -> Option<usize> {
        let steps = self
            .layers
            .iter()
            .filter_map(|states| states.keys().next_back());
        steps.copied().max()
    }

    /// The next content of a layer: a few elements, or many, are other than before.
    fn next_content(&mut self, layer: usize) -> Vec<u8> {
        let (_, dtype, shape) = LAYERS[layer];
        let size = dtype.size();
        let before = self.layers[layer].values().next_back().cloned();
        let mut content = before.unwrap_or_else(|| vec![0; shape[0] * shape[1] * size]);
        let count = [0, 1, 40, 2000][self.numbers.below(4)].min(content.len() / size);
        for _ in 0..count {
            let at = self.numbers.below(content.len() / size) * size;
            // Values near others, and now and then any bits at all.
            let high = if self.numbers.below(50) == 0 {
                self.numbers.below(256)
            } else {
                0x3f
            };
            for (i, byte) in content[at..at + size].iter_mut().enumerate() {
                *byte = if i + 1 == size {
                    high
                } else {
                    self.numbers.below(256)
                } as u8;
            }
        }
        content
    }

    async fn record(&mut self, step: usize) {
        self.record_with(step, Threshold::Lossless).await;
    }

    async fn record_with(&mut self, step: usize, threshold: Threshold) {
        let tensors: Vec<Tensor> = (0..LAYERS.len())
            .map(|layer| Tensor {
                name: LAYERS[layer].0.to_owned(),
                dtype: LAYERS[layer].1,
                shape: LAYERS[layer].2.to_vec(),
                data: self.next_content(layer).into(),
            })
            .collect();
        let mut recorded: Vec<Vec<u8>> =
            tensors.iter().map(|tensor| tensor.data.to_vec()).collect();
        let metadata = BTreeMap::from([("step".to_owned(), step.to_string())]);
        let checkpoint = Checkpoint { tensors, metadata };
        let options = RecordOptions {
            threshold,
            ..RecordOptions::default()
        };
        let found = self.store().record(Some(step), checkpoint, options).await;
        assert_eq!(found.unwrap().step, step);
        if threshold != Threshold::Lossless {
            // How near they are is another test's; here they have to stay.
            let latest = self.store().latest().await.unwrap().checkpoint.tensors;
            recorded = latest.iter().map(|tensor| tensor.data.to_vec()).collect();
        }
        for (states, content) in self.layers.iter_mut().zip(recorded) {
            states.insert(step, content);
        }
    }

    /// The steps of a layer that answer for tags.
    fn pinned(&self, layer: usize) -> BTreeSet<usize> {
        let as_of = |step: &usize| {
            self.layers[layer]
                .range(..=step)
                .next_back()
                .map(|(step, _)| *step)
        };
        self.tags.values().filter_map(as_of).collect()
    }

    fn keep(&mut self, layers: &[usize], policy: &Retention) -> Vec<usize> {
        let all = |run: &Run| -> BTreeSet<usize> {
            run.layers
                .iter()
                .flat_map(|states| states.keys().copied())
                .collect()
        };
        let before = all(self);
        for &layer in layers {
            let steps: Vec<usize> = self.layers[layer].keys().copied().collect();
            let kept = kept(policy, &steps, &self.pinned(layer));
            self.layers[layer].retain(|step, _| kept.contains(step));
        }
        before.difference(&all(self)).copied().collect()
    }

    async fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Record(steps, gap) => {
                for _ in 0..*steps {
                    let step = self.latest().map_or(0, |latest| latest + gap);
                    self.record(step).await;
                }
            }
            &Operation::Snap(steps, bound) => {
                for _ in 0..steps {
                    let step = self.latest().map_or(0, |latest| latest + 1);
                    self.record_with(step, Threshold::SnappedAbsolute(bound))
                        .await;
                }
            }
            &Operation::Change(layer) => {
                let Some(latest) = self.latest() else { return };
                let (name, dtype, shape) = LAYERS[layer];
                let data = self.next_content(layer);
                self.layers[layer].insert(latest + 1, data.clone());
                let tensor = Tensor {
                    name: name.to_owned(),
                    dtype,
                    shape: shape.to_vec(),
                    data: data.into(),
                };
                let step = self.store().begin_step(latest + 1);
                step.tensor(tensor, Threshold::Lossless)
                    .commit()
                    .await
                    .unwrap();
            }
            Operation::Prune(policy) => {
                let plan = self.store().plan_prune(policy).await.unwrap();
                let pruned = self.store().prune(policy).await.unwrap();
                assert_eq!(plan, pruned);
                assert_eq!(pruned.steps, self.keep(&[0, 1, 2], policy));
            }
            Operation::PruneLayer(layer, policy) => self.prune_layer(*layer, policy).await,
            Operation::SetRetention(policy) => {
                self.store().set_retention(policy.clone()).await.unwrap();
                self.policy = policy.clone();
            }
            Operation::Tag(back) => self.tag(*back).await,
            Operation::Untag => {
                let Some((name, step)) = self.tags.pop_first() else {
                    return;
                };
                assert_eq!(self.store().untag(&name).await.unwrap(), step);
            }
            Operation::Rollback(back) => self.rollback(&[0, 1, 2], *back).await,
            Operation::RollbackLayer(layer, back) => self.rollback(&[*layer], *back).await,
            Operation::Seal => self.store().seal().await.unwrap(),
            Operation::Compact => self.store().compact().await.unwrap(),
            Operation::Reopen => {
                self.store = None;
                let store = TemporalStore::open(&self.path, self.options).await;
                self.store = Some(store.unwrap());
            }
        }
    }

    async fn prune_layer(&mut self, layer: usize, policy: &Retention) {
        if self.latest().is_none() || LAYERS[layer].1 == Dtype::U8 {
            return;
        }
        let stored = self.store().layer(LAYERS[layer].0).await.unwrap();
        let plan = stored.plan_prune(policy).await.unwrap();
        assert_eq!(plan, stored.prune(policy).await.unwrap());
        let before: Vec<usize> = self.layers[layer].keys().copied().collect();
        self.keep(&[layer], policy);
        // Whether other layers have them too or not.
        let goes = |step: &usize| !self.layers[layer].contains_key(step);
        assert_eq!(
            plan.steps,
            before.into_iter().filter(goes).collect::<Vec<_>>()
        );
    }

    async fn tag(&mut self, back: usize) {
        let steps: BTreeSet<usize> = self
            .layers
            .iter()
            .flat_map(|states| states.keys().copied())
            .collect();
        let Some(&step) = steps.iter().rev().nth(back) else {
            return;
        };
        let name = format!("tag-{step}");
        let tagged = self.store().tag(&name, step).await;
        match self.tags.insert(name.clone(), step) {
            None => tagged.unwrap(),
            Some(_) => assert!(matches!(tagged, Err(Error::TagExists { .. }))),
        }
        assert_eq!(self.store().tagged(&name).await.unwrap(), step);
    }

    async fn rollback(&mut self, layers: &[usize], back: usize) {
        let newest = layers
            .iter()
            .filter_map(|layer| self.layers[*layer].keys().next_back());
        let Some(latest) = newest.max().copied() else {
            return;
        };
        let to = latest.saturating_sub(back);
        let found = if layers.len() == LAYERS.len() {
            self.store().rollback(to).await
        } else {
            let layer = self.store().layer(LAYERS[layers[0]].0).await.unwrap();
            layer.rollback(to).await
        };
        let oldest = |layer: &usize| self.layers[*layer].keys().next().copied();
        if layers.iter().filter_map(oldest).any(|oldest| oldest > to) {
            assert!(
                matches!(found, Err(Error::Pruned { .. } | Error::Pinned { .. })),
                "{found:?}"
            );
            return;
        }
        let is_pinned = |layer: &usize| self.pinned(*layer).iter().any(|step| *step > to);
        if layers.iter().any(is_pinned) {
            assert!(matches!(found, Err(Error::Pinned { .. })), "{found:?}");
            return;
        }
        let mut gone = BTreeSet::new();
        for &layer in layers {
            gone.extend(self.layers[layer].split_off(&(to + 1)).into_keys());
        }
        assert_eq!(found.unwrap(), gone.len());
    }

    async fn check(&mut self) {
        if self.latest().is_none() {
            return;
        }
        if self.policy != Retention::KeepAll {
            // When it is applied is up to the store; a compaction does it for certain.
            self.store().compact().await.unwrap();
            let policy = self.policy.clone();
            self.keep(&[0, 1, 2], &policy);
        }
        let mut all = BTreeSet::new();
        for (states, (name, dtype, _)) in self.layers.iter().zip(LAYERS) {
            all.extend(states.keys().copied());
            if dtype == Dtype::U8 {
                continue;
            }
            let layer = self.store().layer(name).await.unwrap();
            let mut steps = vec![layer.oldest().await.unwrap()];
            steps.extend(layer.steps().await.unwrap());
            assert!(steps.iter().eq(states.keys()), "{name}: {steps:?}");
            let found = layer.dense_at_many(&steps).await.unwrap();
            for (state, (step, expected)) in found.iter().zip(states) {
                assert_eq!(state.timestep, *step);
                let wide: Vec<u32> = expected
                    .chunks(dtype.size())
                    .map(|element| wide(dtype, element))
                    .collect();
                assert!(
                    state.values.iter().map(|value| value.to_bits()).eq(wide),
                    "{name} at {step}"
                );
            }
        }
        let steps: Vec<usize> = self
            .store()
            .steps()
            .await
            .unwrap()
            .iter()
            .map(|step| step.step)
            .collect();
        assert!(steps.iter().eq(&all), "{steps:?}, not {all:?}");
        self.check_models(&steps).await;
        assert_eq!(self.store().tags().await.unwrap(), self.tags);
        self.store().verify(|_, _| ()).await.unwrap();
    }

    /// Whole models, as of a few steps.
    async fn check_models(&mut self, steps: &[usize]) {
        let oldest = self
            .layers
            .iter()
            .filter_map(|states| states.keys().next())
            .max();
        let oldest = oldest.copied().unwrap_or(0);
        for _ in 0..2 {
            let step = steps[self.numbers.below(steps.len())];
            let found = self.store().weights_at_step(step).await;
            if step < oldest {
                assert!(matches!(found, Err(Error::Pruned { .. })));
                continue;
            }
            let found = found.unwrap();
            assert_eq!(found.timestep, step);
            for (tensor, states) in found.checkpoint.tensors.iter().zip(&self.layers) {
                let (_, expected) = states.range(..=step).next_back().unwrap();
                assert!(tensor.data == expected[..], "{} at {step}", tensor.name);
            }
        }
        let latest = self.store().latest().await.unwrap();
        for (tensor, states) in latest.checkpoint.tensors.iter().zip(&self.layers) {
            assert!(tensor.data == states.values().next_back().unwrap()[..]);
        }
    }
}

fn wide(dtype: Dtype, element: &[u8]) -> u32 {
    match dtype {
        Dtype::Bf16 => u32::from(u16::from_le_bytes(element.try_into().unwrap())) << 16,
        _ => u32::from_le_bytes(element.try_into().unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_stays_keeps_its_bits(
        operations in prop::collection::vec(operation(), 1..24),
        codec in prop::sample::select(vec![Codec::Fast, Codec::Dense]),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let mut run = Run::new(folder.path(), codec).await;
            run.record(0).await;
            for operation in &operations {
                run.apply(operation).await;
                run.check().await;
            }
        });
    }
}

/// A slab of eight steps was cut into two groups, the second of them dense, which was coded upon the
/// state before the slab instead of the state before its own first step.
#[tokio::test]
async fn a_slab_that_is_cut_in_two() {
    let tier = |steps, every| Tier { steps, every };
    let policy = Retention::Tiered(vec![tier(5, 1), tier(1, 2), tier(2, 6)]);
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path(), Codec::Dense).await;
    run.record(0).await;
    for operation in [
        Operation::Record(8, 1),
        Operation::Rollback(6),
        Operation::Record(2, 1),
        Operation::RollbackLayer(0, 0),
        Operation::Tag(0),
        Operation::Record(1, 1),
        Operation::Change(0),
        Operation::Record(4, 1),
        Operation::Record(1, 1),
        Operation::Prune(policy),
    ] {
        run.apply(&operation).await;
        run.check().await;
    }
}

/// Of a group on a lattice, steps were merged with earlier ones that were not, and the rest stayed on
/// it: two groups by different codings, the second of which took the place of the first.
#[tokio::test]
async fn a_group_that_is_cut_between_codings() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path(), Codec::Fast).await;
    run.record(0).await;
    let policy = Retention::Tiered(vec![Tier { steps: 2, every: 3 }]);
    for operation in [
        Operation::Record(4, 1),
        Operation::Change(0),
        Operation::Change(0),
        Operation::Record(2, 1),
        Operation::SetRetention(policy),
        Operation::Snap(2, 0.01),
    ] {
        run.apply(&operation).await;
        run.check().await;
    }
}
