use std::sync::Arc;

use crate::error::Result;
use crate::store::engine::Handle;
use crate::store::note::Note;
use crate::store::options::{RecordOptions, Threshold};
use crate::store::recording::{Contribution, StepContents};
use crate::store::report::Recorded;
use crate::values::{Checkpoint, Delta, Tensor};

/// A step that is being put together: tensors and changes of many layers, committed as one.
#[must_use = "nothing is written before `commit`"]
pub struct StepWriter {
    store: Arc<Handle>,
    step: StepContents,
}

impl StepWriter {
    pub(super) fn new(store: &Arc<Handle>, step: Option<usize>) -> Self {
        StepWriter {
            store: Arc::clone(store),
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
            .push(Contribution::Changes(layer.to_owned(), None, delta.clone()));
        self
    }

    /// Commits the step: all of it, or with an error nothing. With
    /// [`Durability::Immediate`](crate::Durability::Immediate) it is on the disk then.
    ///
    /// Errors: `EmptyStep`, `InvalidStep`, `StepOutOfOrder`, `DuplicateTensor`, `ReadOnly`, `Io`; for
    /// tensors `MissingTensor`, `NewTensor`, `TensorMismatch`, `TensorLength`, `InvalidThreshold`,
    /// `NothingToSnap`; for changes `NoSuchLayer`, `NotAMatrix`, `ShapeMismatch`, `OutOfShape`,
    /// `OffLattice`.
    pub async fn commit(self) -> Result<Recorded> {
        let StepWriter { store, step } = self;
        store.run(move |store| store.commit(step)).await
    }
}
