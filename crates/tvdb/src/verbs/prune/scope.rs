//! What is pruned, and by which policy.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow};
use temporal_vdb::{
    LayerInfo, Pruned, Retention, StepInfo, StoredLayer, TemporalLayer, TemporalStore,
};

use crate::args::selection::Selection;
use crate::screen::failure::with_hint;
use crate::screen::progress::Progress;
use crate::verbs::policies::Policies;

/// The layers that are pruned, and how.
pub(super) enum Scope {
    /// All of them at once.
    All(Retention),
    /// Some, each by itself.
    Each {
        layers: Vec<(StoredLayer, Retention)>,
        /// How many are meant too, but kept whole: they cannot be pruned by themselves.
        whole: u64,
    },
}

/// What pruning has done, or would do.
pub(super) struct Outcome {
    /// To the store: a step goes when no layer has it any more.
    pub(super) pruned: Pruned,
    /// To each of the layers that are pruned by themselves.
    pub(super) layers: Vec<Pruned>,
}

impl Scope {
    /// By the policy that was given, or by those that were set.
    pub(super) async fn new(
        store: &TemporalStore,
        path: &Path,
        infos: &[LayerInfo],
        selection: &Selection,
        given: Option<Retention>,
    ) -> Result<Self> {
        let meant = infos.iter().filter(|info| selection.takes(&info.name));
        let is_given = given.is_some();
        let policies = match given {
            Some(common) => Policies {
                common,
                own: BTreeMap::new(),
            },
            None => Policies::of(store, meant.clone()).await?,
        };
        if selection.is_all() && policies.own.is_empty() && (is_given || !policies.keep_all()) {
            return Ok(Scope::All(policies.common));
        }
        let (mut layers, mut whole) = (Vec::new(), 0);
        for info in meant {
            let policy = policies.of_layer(&info.name);
            if !is_given && *policy == Retention::KeepAll {
                continue;
            }
            if info.matrix.is_none() {
                whole += 1;
                continue;
            }
            layers.push((store.layer(&info.name).await?, policy.clone()));
        }
        match (layers.is_empty(), whole) {
            (false, _) => Ok(Scope::Each { layers, whole }),
            (true, 0) => Err(nothing_is_set(path)),
            (true, _) => Err(with_hint(
                anyhow!("tensors that are kept whole cannot be pruned by themselves"),
                "leave --layers away to prune all layers at once",
            )),
        }
    }

    /// Prunes, or finds out what that would do where `dry`.
    pub(super) async fn prune(
        &self,
        store: &TemporalStore,
        infos: &[LayerInfo],
        steps: &[StepInfo],
        dry: bool,
    ) -> Result<Outcome> {
        let layers = match self {
            Scope::All(policy) => {
                let _progress = Progress::endless("pruning");
                let pruned = match dry {
                    true => store.plan_prune(policy).await,
                    false => store.prune(policy).await,
                };
                return Ok(Outcome {
                    pruned: pruned?,
                    layers: Vec::new(),
                });
            }
            Scope::Each { layers, .. } => layers,
        };
        let progress = Progress::new(layers.len() as u64);
        let mut held: BTreeMap<_, _> = steps.iter().map(|step| (step.step, step.layers)).collect();
        let oldest = infos.iter().map(|info| (info.name.as_str(), info.oldest));
        let mut oldest: BTreeMap<_, _> = oldest.collect();
        let mut outcome = Outcome {
            pruned: Pruned::default(),
            layers: Vec::new(),
        };
        for (layer, policy) in layers {
            progress.doing(layer.name().to_owned());
            let pruned = match dry {
                true => layer.plan_prune(policy).await,
                false => layer.prune(policy).await,
            };
            let pruned =
                pruned.with_context(|| format!("cannot prune layer '{}'", layer.name()))?;
            for step in &pruned.steps {
                held.entry(*step).and_modify(|layers| *layers -= 1);
            }
            oldest.insert(layer.name(), pruned.oldest);
            outcome.pruned.freed_bytes += pruned.freed_bytes;
            outcome.layers.push(pruned);
            progress.advance();
        }
        let gone = held.into_iter().filter(|(_, layers)| *layers == 0);
        outcome.pruned.steps = gone.map(|(step, _)| step).collect();
        outcome.pruned.oldest = oldest.into_values().min().unwrap_or(0);
        Ok(outcome)
    }

    /// Keeps the policies in the store.
    pub(super) async fn set(&self, store: &TemporalStore) -> Result<()> {
        match self {
            Scope::All(policy) => store.set_retention(policy.clone()).await?,
            Scope::Each { layers, .. } => {
                for (layer, policy) in layers {
                    layer.set_retention(policy.clone()).await?;
                }
            }
        }
        Ok(())
    }
}

fn nothing_is_set(path: &Path) -> Error {
    let error = anyhow!("{}: no policy is set that drops steps", path.display());
    with_hint(
        error,
        "say which steps stay: --keep-last 100, or --tiers 10,40@10; --set keeps that in the store",
    )
}
