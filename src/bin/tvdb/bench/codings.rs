//! The same steps in either coding: what they take, and what sealing and reading them takes.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use temporal_vdb::{Codec, RecordOptions, StoreOptions, TemporalStore};

use super::measure::{median, timed};
use super::reconstruction::measure_history;
use super::run_source::{Loaded, RunSource};
use super::scratch::Scratch;
use crate::progress::Progress;

/// Rounds of sealing.
const ROUNDS: usize = 5;

/// Steps of a journal that is sealed: as many as there can be, with nothing sealed before.
const JOURNAL: usize = 7;

/// A run in both codings.
pub(super) struct Codings {
    pub(super) fast: Coded,
    pub(super) dense: Coded,
}

/// A run in one coding.
pub(super) struct Coded {
    pub(super) bytes_per_change: Option<f64>,
    /// Median seconds for sealing one change of a journal, until it is in the file.
    pub(super) seal: f64,
    /// Seconds for the last step.
    pub(super) history: f64,
}

impl Codings {
    /// Records the run once more for it.
    pub(super) async fn measure(
        run: &RunSource,
        scratch: &Scratch,
        options: StoreOptions,
        progress: &Progress,
    ) -> Result<Self> {
        let fast = StoreOptions {
            codec: Codec::Fast,
            ..options
        };
        let dense = StoreOptions {
            codec: Codec::Dense,
            ..options
        };
        let journal = run.files.len().min(1 + JOURNAL);
        let journal = Recorded::new(&run.files[..journal], scratch, "journal", fast).await?;
        let all = Recorded::new(&run.files, scratch, "all", fast).await?;
        progress.advance();
        Ok(Codings {
            fast: Coded::measure(&all, &journal, fast).await?,
            dense: Coded::measure(&all, &journal, dense).await?,
        })
    }
}

/// A store in the fast coding.
struct Recorded {
    path: PathBuf,
    last: usize,
    changes: u64,
}

impl Recorded {
    async fn new(
        files: &[PathBuf],
        scratch: &Scratch,
        name: &str,
        options: StoreOptions,
    ) -> Result<Self> {
        let path = scratch.path().join(name).with_extension("tvdb");
        let store = TemporalStore::create(&path, options).await?;
        let mut changes = 0;
        for (step, file) in files.iter().enumerate() {
            let checkpoint = Loaded::read(file).await?.checkpoint;
            let recorded = store.record(Some(step), checkpoint, RecordOptions::default());
            let recorded = recorded.await;
            changes += recorded
                .with_context(|| format!("cannot record {}", file.display()))?
                .changes;
        }
        Ok(Recorded {
            path,
            last: files.len() - 1,
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
    async fn measure(all: &Recorded, journal: &Recorded, options: StoreOptions) -> Result<Self> {
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
            history: measure_history(&store, all.last).await?,
        })
    }
}
