//! What a store costs and saves on a run, against the alternatives.

mod alternatives;
mod checkpoint_format;
mod codings;
mod delta_formats;
mod exactness;
mod format_sizes;
mod generate;
mod measure;
mod measured_layer;
mod reading;
mod reconstruction;
mod recording;
mod report;
mod run_source;
mod scratch;

use std::time::Instant;

use anyhow::{Result, bail};
use temporal_vdb::{Codec, StoreOptions};

use crate::Listener;
pub use checkpoint_format::CheckpointFormat;
pub use codings::{Coded, Codings};
pub use format_sizes::FormatSizes;
pub use generate::MadeUpRun;
use measure::Memory;
pub use reading::Reading;
pub use reconstruction::Reconstruction;
pub use recording::Recording;
pub use report::Report;
pub use run_source::{Model, RunSource};
pub use scratch::Scratch;

/// A measurement that has begun: its time and its memory count from then on.
pub struct Bench {
    start: Instant,
    before: Memory,
}

impl Bench {
    /// Begins, before anything is read, so that no memory of the caller's is taken for the store's.
    ///
    /// # Errors
    ///
    /// If the system does not say how much memory this process has: Linux does.
    pub fn begin() -> Result<Self> {
        Ok(Bench {
            start: Instant::now(),
            before: Memory::now()?,
        })
    }

    /// Records the run into a store in `scratch`, reads it back and compares. With [`Codec::Dense`] the
    /// store is compacted before it is measured, and the run is recorded once more to compare both
    /// codings.
    ///
    /// # Errors
    ///
    /// If the run cannot be read, or written where that is tried; if a step that is read back is not
    /// its checkpoint, bit for bit.
    pub async fn run(
        self,
        run: &RunSource,
        scratch: &Scratch,
        options: StoreOptions,
        listener: &dyn Listener,
    ) -> Result<Report> {
        let is_dense = options.codec == Codec::Dense;
        let passes = 3 * run.steps().len() + reading::ROUNDS + 2 + usize::from(is_dense);
        listener.begin(passes as u64);
        listener.doing("recording");
        let (store, recording) =
            Recording::run(run, scratch, options, self.before, listener).await?;
        listener.doing("sealing");
        store.seal().await?;
        if is_dense {
            listener.doing("compacting");
            store.compact().await?;
        }
        store.settle().await?;
        let stats = store.stats().await?;
        listener.doing("comparing every step");
        exactness::check(&store, run, listener).await?;
        listener.doing("reading steps");
        let reading = Reading::measure(&store, run, listener).await?;
        let peak_bytes = Memory::now()?.peak;
        drop(store);

        listener.doing("adding up changes");
        let reconstruction = Reconstruction::measure(&scratch.store(), options, listener).await?;
        listener.advance();
        listener.doing("trying other formats");
        let formats = FormatSizes::measure(run, listener).await?;
        let codings = if is_dense {
            listener.doing("comparing the codings");
            Some(Codings::measure(run, scratch, options, listener).await?)
        } else {
            None
        };
        check_counts(formats.changes, recording.changes, stats.changes)?;

        Ok(Report {
            run: run.name().to_owned(),
            options,
            recording,
            stats,
            reading,
            reconstruction,
            formats,
            codings,
            peak_bytes,
            peak_bytes_with_alternatives: Memory::now()?.peak,
            seconds: self.start.elapsed().as_secs_f64(),
        })
    }
}

/// What all figures are divided by is counted three times: while recording, by the store as a
/// whole, and here by comparing the checkpoints.
fn check_counts(compared: u64, recorded: u64, stored: u64) -> Result<()> {
    if compared != recorded || compared != stored {
        bail!(
            "the checkpoints differ in {compared} weights from one to the next, but {recorded} \
             changes were recorded, and the store says it has {stored}"
        );
    }
    Ok(())
}
