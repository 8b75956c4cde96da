use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::store::index::LayerKey;
use crate::store::note::Note;
use crate::store::options::Threshold;
use crate::values::{Delta, Tensor};

/// What a step adds to the store.
pub(crate) enum Contribution {
    /// A tensor's new state; a new layer's first one.
    Tensor(Tensor, Threshold),
    /// Changes of a layer that is named, or that a handle is of.
    Changes(String, Option<LayerKey>, Delta),
}

impl Contribution {
    pub(crate) fn name(&self) -> &str {
        match self {
            Contribution::Tensor(tensor, _) => &tensor.name,
            Contribution::Changes(name, _, _) => name,
        }
    }
}

/// All that a step holds.
pub(crate) struct StepContents {
    /// `None` for the one after the latest.
    pub(crate) step: Option<usize>,
    pub(crate) contributions: Vec<Contribution>,
    pub(crate) notes: BTreeMap<String, Note>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Every layer of the store must be among the tensors.
    pub(crate) complete: bool,
    pub(crate) allow_new_layers: bool,
}

impl StepContents {
    /// Of some layers, without notes.
    pub(crate) fn of(step: Option<usize>, contributions: Vec<Contribution>) -> Self {
        StepContents {
            step,
            contributions,
            notes: BTreeMap::new(),
            metadata: BTreeMap::new(),
            complete: false,
            allow_new_layers: false,
        }
    }

    /// What can be said without looking at the store.
    pub(crate) fn check(&self) -> Result<()> {
        let mut names: Vec<&str> = self.contributions.iter().map(Contribution::name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::DuplicateTensor {
                name: pair[0].to_owned(),
            });
        }
        for contribution in &self.contributions {
            if let Contribution::Tensor(tensor, threshold) = contribution {
                tensor.check()?;
                threshold.check()?;
            }
        }
        Ok(())
    }
}
