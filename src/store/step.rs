use std::collections::BTreeMap;

use super::TemporalStore;
use super::note::Note;
use crate::detect::{check_snapped, check_threshold};
use crate::error::{Error, Result};
use crate::values::{Checkpoint, Delta, Tensor};

/// Which changes of a weight are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Threshold {
    /// All: every tensor comes back bit for bit.
    #[default]
    Lossless,
    /// Those by more than this; what is given back is within it. Finite, at least 0.
    Absolute(f32),
    /// Those by more than this share of the standard deviation of the tensor's elements at the step.
    Relative(f32),
    /// As `Absolute`, and what is recorded is snapped: instead of the changes to the very weights,
    /// multiples of one step, about twice the threshold, that lead to within it of them. Similar
    /// changes become the same, which takes a fraction of the bytes. Above 0.
    SnappedAbsolute(f32),
    /// As `Relative`, snapped. Above 0.
    SnappedRelative(f32),
}

impl Threshold {
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Threshold::Lossless => Ok(()),
            Threshold::Absolute(bound) | Threshold::Relative(bound) => check_threshold(bound),
            Threshold::SnappedAbsolute(bound) | Threshold::SnappedRelative(bound) => {
                check_snapped(bound)
            }
        }
    }

    pub(crate) fn snaps(self) -> bool {
        matches!(
            self,
            Threshold::SnappedAbsolute(_) | Threshold::SnappedRelative(_)
        )
    }
}

/// How a checkpoint is recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordOptions {
    /// Which changes are recorded. A layer's first state is always recorded exactly.
    pub threshold: Threshold,
    /// Take tensors that the store does not have as new layers, from this step on.
    pub allow_new_layers: bool,
    /// Kept with the step.
    pub notes: BTreeMap<String, Note>,
}

/// What recording a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The step.
    pub step: usize,
    /// How many layers it is a step of.
    pub layers: usize,
    /// How many weights it changed; those of new layers are not counted.
    pub changes: u64,
}

/// What a step adds to the store.
pub(crate) enum Contribution {
    /// A tensor's new state; a new layer's first one.
    Tensor(Tensor, Threshold),
    /// Changes of a layer.
    Changes(String, Delta),
}

impl Contribution {
    pub(crate) fn name(&self) -> &str {
        match self {
            Contribution::Tensor(tensor, _) => &tensor.name,
            Contribution::Changes(name, _) => name,
        }
    }
}

/// A step that is being put together: tensors and changes of many layers, committed as one.
#[must_use = "nothing is written before `commit`"]
pub struct StepWriter {
    store: TemporalStore,
    pub(crate) step: StepContents,
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

impl StepWriter {
    pub(crate) fn new(store: TemporalStore, step: Option<usize>) -> Self {
        StepWriter {
            store,
            step: StepContents::of(step, Vec::new()),
        }
    }

    /// Keeps a note with the step: its loss, the learning rate.
    pub fn note(mut self, key: impl Into<String>, value: impl Into<Note>) -> Self {
        self.step.notes.insert(key.into(), value.into());
        self
    }

    /// Adds all tensors of a checkpoint. All layers of the store must be among them.
    pub fn checkpoint(mut self, checkpoint: Checkpoint, options: RecordOptions) -> Self {
        self.step.complete = true;
        self.step.allow_new_layers |= options.allow_new_layers;
        self.step.notes.extend(options.notes);
        self.step.metadata.extend(checkpoint.metadata);
        let tensors = checkpoint.tensors.into_iter();
        self.step
            .contributions
            .extend(tensors.map(|tensor| Contribution::Tensor(tensor, options.threshold)));
        self
    }

    /// Adds the new state of one layer, or a new layer with its first state.
    pub fn tensor(mut self, tensor: Tensor, threshold: Threshold) -> Self {
        self.step.allow_new_layers = true;
        self.step
            .contributions
            .push(Contribution::Tensor(tensor, threshold));
        self
    }

    /// Adds the changes of one layer.
    pub fn changes(mut self, layer: &str, delta: &Delta) -> Self {
        self.step
            .contributions
            .push(Contribution::Changes(layer.to_owned(), delta.clone()));
        self
    }

    /// Commits the step: all of it, or with an error nothing. With
    /// [`Durability::Immediate`](crate::Durability::Immediate) it is on the disk then.
    ///
    /// Errors: those of [`TemporalStore::record`]; `EmptyStep`, `NoSuchLayer`, `ShapeMismatch` and
    /// `OffLattice` for changes.
    pub async fn commit(self) -> Result<Recorded> {
        let StepWriter { store, step } = self;
        store.run(move |store| store.commit(step)).await
    }
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
