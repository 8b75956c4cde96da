//! Recording a run durably, beside writing its files as they are.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use temporal_vdb::{RecordOptions, StoreOptions, TemporalStore};

use super::measure::{Memory, bytes_written, mean, timed};
use super::run_source::{Loaded, Model, RunSource};
use super::scratch::Scratch;
use crate::{Listener, background};

/// What recording a run took.
pub struct Recording {
    /// What is recorded.
    pub model: Model,
    /// Seconds for each step, until it was on the disk.
    pub record: Vec<f64>,
    /// Seconds for writing each checkpoint as a file, until it was on the disk.
    pub write: Vec<f64>,
    /// Seconds until the work behind recording was done, after the last step.
    pub settle: f64,
    /// What the store counted as changes.
    pub changes: u64,
    /// Bytes of all checkpoint files.
    pub raw_bytes: u64,
    /// Bytes that the store wrote into its files, some of them more than once.
    pub bytes_written: u64,
    /// Bytes of memory when all was recorded, less those from before.
    pub resident_bytes: u64,
    /// Bytes of the store's files when all was recorded.
    pub file_bytes: u64,
}

impl Recording {
    /// Records the run into a new store. Step by step the file is written beside it too, so that
    /// what the disk does besides hits both.
    ///
    /// `before` is the memory before anything was read: nothing that the allocator keeps for us
    /// can then hide what it gives to the store.
    pub(super) async fn run(
        run: &RunSource,
        scratch: &Scratch,
        options: StoreOptions,
        before: Memory,
        listener: &dyn Listener,
    ) -> Result<(TemporalStore, Self)> {
        let store = TemporalStore::create(scratch.store(), options).await?;
        let written_before = bytes_written()?;
        let (mut record, mut write) = (Vec::new(), Vec::new());
        let (mut model, mut changes, mut raw_bytes) = (None, 0, 0);
        // One buffer for all files: what an allocator keeps of many would be taken for the store's.
        let mut buffer = Vec::new();
        for step in run.steps() {
            let Loaded { bytes, checkpoint } = run.load(step, buffer).await?;
            model.get_or_insert_with(|| Model::of(&checkpoint));
            raw_bytes += bytes.len() as u64;
            // Which one comes first changes at each step. Every eighth step has the store seal
            // behind our back: that step is the second one then, so that its own next step is what
            // sealing slows down, and not the file.
            let raw = scratch.path().join(format!("raw_{step}"));
            let file_first = step % 2 == 0;
            if file_first {
                write.push(write_durably(&raw, bytes.clone()).await?);
            }
            let recorded = store.record(Some(step), checkpoint, RecordOptions::default());
            let (recorded, seconds) = timed(recorded)
                .await
                .with_context(|| format!("cannot record {}", run.file(step).display()))?;
            record.push(seconds);
            changes += recorded.changes;
            if !file_first {
                write.push(write_durably(&raw, bytes.clone()).await?);
            }
            fs::remove_file(&raw).with_context(|| format!("cannot remove {}", raw.display()))?;
            buffer = Vec::from(bytes);
            listener.advance();
        }
        drop(buffer);
        let ((), settle) = timed(store.settle()).await?;
        let written = bytes_written()? - written_before;
        let resident = Memory::now()?.resident;
        let file_bytes = store.stats().await?.file_bytes();
        let recording = Recording {
            model: model.context("there are no checkpoints")?,
            record,
            write,
            settle,
            changes,
            raw_bytes,
            // The process's own count, on all of its threads, without what was written here.
            bytes_written: written.saturating_sub(raw_bytes),
            resident_bytes: resident.saturating_sub(before.resident),
            file_bytes,
        };
        Ok((store, recording))
    }

    /// How many steps there are, the first one among them.
    pub fn steps(&self) -> usize {
        self.record.len()
    }

    /// Mean seconds for a step, until it is on the disk.
    pub fn record_s(&self) -> f64 {
        mean(&self.record)
    }

    /// Mean seconds for writing a checkpoint as a file, until it is on the disk.
    pub fn write_s(&self) -> f64 {
        mean(&self.write)
    }

    /// Mean seconds for a step, until all that happens behind recording is done too.
    pub fn settled_s(&self) -> f64 {
        (self.record.iter().sum::<f64>() + self.settle) / self.steps() as f64
    }
}

/// Seconds for writing a file until it is on the disk.
async fn write_durably(path: &Path, bytes: Bytes) -> Result<f64> {
    let target = path.to_owned();
    let write = background::run(move || {
        let mut file = File::create(&target)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        Ok(())
    });
    let ((), seconds) = timed(write)
        .await
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(seconds)
}
