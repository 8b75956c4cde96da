//! The same steps in either coding: what they take, and what sealing and reading them takes.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result};
use temporal_vdb::{Codec, RecordOptions, StoreOptions, TemporalStore};

use super::measure::{median, timed};
use super::reconstruction::measure_last_state;
use super::run_source::RunSource;
use super::scratch::Scratch;
use crate::Listener;

/// Rounds of sealing.
const ROUNDS: usize = 5;

/// Steps of a journal that is sealed: as many as there can be, with nothing sealed before.
const JOURNAL: usize = 7;

/// A run in both codings.
pub struct Codings {
    /// Quick to write and to read.
    pub fast: Coded,
    /// Smaller and slower.
    pub dense: Coded,
}

/// A run in one coding.
pub struct Coded {
    /// Bytes of journal and blocks for each change; `None` where nothing changed.
    pub bytes_per_change: Option<f64>,
    /// Median seconds for sealing one change of a journal, until it is in the file.
    pub seal: f64,
    /// Median seconds for reading the last step, out of all changes.
    pub history: f64,
}

impl Codings {
    /// Records the run once more for it.
    pub(super) async fn measure(
        run: &RunSource,
        scratch: &Scratch,
        options: StoreOptions,
        listener: &dyn Listener,
    ) -> Result<Self> {
        let fast = StoreOptions {
            codec: Codec::Fast,
            ..options
        };
        let dense = StoreOptions {
            codec: Codec::Dense,
            ..options
        };
        let some = 0..run.steps().end.min(1 + JOURNAL);
        let journal = FastStore::new(run, some, scratch, "journal", fast).await?;
        let all = FastStore::new(run, run.steps(), scratch, "all", fast).await?;
        listener.advance();
        Ok(Codings {
            fast: Coded::measure(&all, &journal, fast).await?,
            dense: Coded::measure(&all, &journal, dense).await?,
        })
    }
}

/// A store of some steps in the fast coding.
struct FastStore {
    path: PathBuf,
    last: usize,
    changes: u64,
}

impl FastStore {
    async fn new(
        run: &RunSource,
        steps: Range<usize>,
        scratch: &Scratch,
        name: &str,
        options: StoreOptions,
    ) -> Result<Self> {
        let path = scratch.path().join(name).with_extension("tvdb");
        let store = TemporalStore::create(&path, options).await?;
        let mut changes = 0;
        let last = steps.end - 1;
        for step in steps {
            let checkpoint = run.read(step).await?;
            let recorded = store.record(Some(step), checkpoint, RecordOptions::default());
            let recorded = recorded.await;
            changes += recorded
                .with_context(|| format!("cannot record {}", run.file(step).display()))?
                .changes;
        }
        Ok(FastStore {
            path,
            last,
            changes,
        })
    }

    /// A copy compacted in a coding, and the seconds that took.
    async fn compacted(&self, options: StoreOptions) -> Result<(TemporalStore, f64)> {
        let path = self.path.with_extension("copy.tvdb");
        fs::copy(&self.path, &path).with_context(|| format!("cannot write {}", path.display()))?;
        let store = TemporalStore::open(&path, options).await?;
        let ((), seconds) = timed(store.compact()).await?;
        Ok((store, seconds))
    }
}

impl Coded {
    async fn measure(all: &FastStore, journal: &FastStore, options: StoreOptions) -> Result<Self> {
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            times.push(journal.compacted(options).await?.1);
        }
        let store = all.compacted(options).await?.0;
        let bytes_per_change = store.stats().await?.bytes_per_change();
        drop(store);
        let path = all.path.with_extension("copy.tvdb");
        let store = TemporalStore::open_read_only(path, options).await?;
        Ok(Coded {
            bytes_per_change,
            seal: median(&times) / journal.changes.max(1) as f64,
            history: measure_last_state(&store, all.last).await?,
        })
    }
}
