use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::merge_rules::MergeRules;
use crate::store::reading::Sources;
use crate::store::recording::Recorder;

/// All that goes on behind recording, and what drops steps. The work itself is in `sealing`, `keyframes`,
/// `merge`, `prune` and `rollback`.
pub(crate) struct Upkeep {
    pub(super) sources: Arc<Sources>,
    pub(super) recorder: Arc<Recorder>,
    /// Held by whoever merges groups, makes keyframes or drops steps.
    maintaining: Mutex<()>,
}

impl Upkeep {
    pub(crate) fn new(sources: Arc<Sources>, recorder: Arc<Recorder>) -> Self {
        Upkeep {
            sources,
            recorder,
            maintaining: Mutex::new(()),
        }
    }

    /// The right to merge groups and to make keyframes, or to keep others from it.
    pub(super) fn maintenance_turn(&self) -> MutexGuard<'_, ()> {
        self.maintaining
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be sealed and merged next.
    pub(super) fn merge_rules(&self) -> MergeRules {
        MergeRules::of(self.sources.options())
    }
}
