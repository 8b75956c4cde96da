use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::store::database::Database;
use crate::store::index::LayerKey;
use crate::store::options::StoreOptions;
use crate::store::reading::Sources;
use crate::store::recording::{Contribution, Recorder, StepContents};
use crate::store::report::Recorded;
use crate::store::upkeep::Upkeep;
use crate::values::Delta;

/// The synchronous store: three owners, each of which knows those before it and none after it.
///
/// *The order of the locks.* Whoever holds one of these may take those after it, and never one before:
///
/// 1. `maintaining` of [`Upkeep`]: who merges groups, makes keyframes or drops steps;
/// 2. `turn` of [`Recorder`]: who brings the store to its next step;
/// 3. `open` of [`Recorder`]: what is being accumulated;
/// 4. `heads` of [`Recorder`]: the latest states;
/// 5. the backend's one writer: who is in a transaction that writes;
/// 6. what lies in memory of the database (the index, then what it has loaded of layers and of commits;
///    blobs, codebooks): who looks it up, or reads it in through the snapshot or transaction in
///    hand.
pub(crate) struct Store {
    sources: Arc<Sources>,
    recorder: Arc<Recorder>,
    upkeep: Arc<Upkeep>,
}

impl Store {
    pub(super) fn new(database: Database, options: StoreOptions) -> Result<Self> {
        let sources = Arc::new(Sources::new(database, options)?);
        let recorder = Arc::new(Recorder::new(Arc::clone(&sources)));
        let upkeep = Arc::new(Upkeep::new(Arc::clone(&sources), Arc::clone(&recorder)));
        Ok(Store {
            sources,
            recorder,
            upkeep,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.sources.path()
    }

    /// What is read.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What is recorded, but for what has to wait for upkeep: that is below.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// What is sealed, merged, pruned and rolled back.
    pub(crate) fn upkeep(&self) -> &Arc<Upkeep> {
        &self.upkeep
    }

    /// Commits a step: all of it, or with an error nothing. An earlier step that is open is
    /// committed with it.
    pub(crate) fn commit(&self, contents: StepContents) -> Result<Recorded> {
        contents.check()?;
        self.upkeep.wait_for_sealing()?;
        let recorded = self.recorder.commit(contents)?;
        let _ = self.upkeep.retain_after_step();
        Ok(recorded)
    }

    /// Stores the changes of step `t` of one layer.
    pub(crate) fn store_changes(&self, key: &LayerKey, t: usize, delta: Delta) -> Result<()> {
        let changes = Contribution::Changes(key.name.clone(), Some(key.clone()), delta);
        self.commit(StepContents::of(Some(t), vec![changes]))
            .map(|_| ())
    }

    /// Adds to the open step of a layer, or opens it.
    pub(crate) fn accumulate(
        &self,
        key: &LayerKey,
        t: usize,
        delta: &Delta,
        scale: f32,
    ) -> Result<()> {
        self.upkeep.wait_for_sealing()?;
        if self.recorder.accumulate(key, t, delta, scale)? {
            let _ = self.upkeep.retain_after_step();
        }
        Ok(())
    }

    /// Commits the open step, if there is one, and says which it was. Asked of a layer, that must be
    /// there.
    pub(crate) fn commit_accumulated(&self, key: Option<&LayerKey>) -> Result<Option<usize>> {
        self.upkeep.wait_for_sealing()?;
        let committed = self.recorder.commit_accumulated(key)?;
        if committed.is_some() {
            let _ = self.upkeep.retain_after_step();
        }
        Ok(committed)
    }
}
