//! The work behind recording: sealing the journal, keyframes, compaction, and copying the log.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::core::Store;
use super::index::LayerIndex;
use super::job::Job;
use crate::coding::SLAB_STEPS;
use crate::error::{Error, Result};
use crate::host::{freed_memory, keep_ieee};

/// Bytes of SQLite's log from which on it is copied into the file.
const LONG_LOG: u64 = 8 << 20;

/// Unsealed steps from which on recording waits for sealing.
const BACKLOG: usize = 8 * SLAB_STEPS;

/// Changes that are merged in one transaction, about.
const TRANSACTION_CHANGES: u64 = 4 << 20;

/// The thread that does this work. Dropping it waits for what it has begun.
pub(crate) struct Worker {
    store: Arc<Store>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(store: &Arc<Store>) -> Result<Self> {
        let (wake, woken) = sync_channel(1);
        *store.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
        let own = Arc::clone(store);
        let thread = std::thread::Builder::new()
            .name("temporal-vdb-seal".to_owned())
            .spawn(move || {
                keep_ieee();
                Worker::run(&own, &woken);
            })
            .map_err(|source| Error::Io {
                path: store.path().to_owned(),
                source,
            })?;
        Ok(Worker {
            store: Arc::clone(store),
            thread: Some(thread),
        })
    }

    fn run(store: &Store, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            // What fails here has lost nothing: the steps are in the journal, and the next time it
            // is tried again. Who wants to know asks `settle`.
            let _ = store.maintain();
            freed_memory::release();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.store
            .wake
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Store {
    pub(super) fn wake_maintenance(&self) {
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = wake.try_send(()); // full: it will look anyway
        }
    }

    /// Seals whole slabs, makes keyframes that are due, and merges what merges well.
    fn maintain(&self) -> Result<()> {
        self.maintain_with(false, false)
    }

    /// The right to merge groups and to make keyframes, or to keep others from it. Taken before the
    /// right to bring the store to its next step.
    pub(super) fn maintenance_turn(&self) -> MutexGuard<'_, ()> {
        self.maintaining
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn maintain_with(&self, short: bool, eager: bool) -> Result<()> {
        let _alone = self.maintenance_turn();
        let layers = self.read(|_, index| {
            let matrices = index.layers.iter().filter(|row| row.matrix.is_some());
            Ok(matrices.map(|row| row.id).collect::<Vec<_>>())
        })?;
        loop {
            let slab = |layer: &LayerIndex| self.next_slab(layer, short, eager);
            let slabs = self.jobs(&layers, |layer| slab(layer).into_iter().collect())?;
            if slabs.is_empty() {
                break;
            }
            if self.merge_all(&slabs)? {
                self.count_sealed(&slabs)?;
                for job in &slabs {
                    self.make_keyframe(job.layer)?;
                }
            }
        }
        if eager {
            // One pass does all there is to do.
            self.retain_exactly()?;
            self.merge_all(&self.jobs(&layers, |layer| self.every_merge(layer))?)?;
            return Ok(());
        }

        loop {
            let next = |layer: &LayerIndex| self.next_merge(layer).into_iter().collect();
            let merges = self.jobs(&layers, next)?;
            if merges.is_empty() {
                return Ok(());
            }
            self.merge_all(&merges)?;
        }
    }

    /// What is to be merged, of each layer.
    fn jobs(&self, layers: &[u32], of_layer: impl Fn(&LayerIndex) -> Vec<Job>) -> Result<Vec<Job>> {
        self.read(|view, index| {
            let mut jobs = Vec::new();
            for &id in layers {
                jobs.extend(of_layer(&*index.layer(view, id)?));
            }
            Ok(jobs)
        })
    }

    /// Merges in few transactions; `false` where the store has moved on and something was not done.
    fn merge_all(&self, jobs: &[Job]) -> Result<bool> {
        let mut done = true;
        let mut rest = jobs;
        while !rest.is_empty() {
            let mut changes = 0;
            let within = rest.iter().take_while(|job| {
                changes += job.changes;
                changes <= TRANSACTION_CHANGES
            });
            let (now, later) = rest.split_at(within.count().max(1));
            done &= self.merge(now)?;
            self.shorten_log()?;
            rest = later;
        }
        Ok(done)
    }

    fn count_sealed(&self, slabs: &[Job]) -> Result<()> {
        if let Some(heads) = self.heads_mut()?.as_mut() {
            for job in slabs {
                let head = &mut heads.layers[job.layer as usize];
                head.unsealed = head.unsealed.saturating_sub(job.steps.len());
            }
        }
        Ok(())
    }

    fn shorten_log(&self) -> Result<()> {
        if self.database().file_sizes()?.log > LONG_LOG {
            self.database().checkpoint()?;
        }
        Ok(())
    }

    /// Waits where sealing has fallen far behind. Called without the turn.
    pub(crate) fn wait_for_sealing(&self) -> Result<()> {
        let behind =
            |heads: &super::head::Heads| heads.layers.iter().any(|head| head.unsealed >= BACKLOG);
        if self.heads()?.as_ref().is_some_and(behind) {
            self.maintain()?;
        }
        Ok(())
    }

    pub(crate) fn seal(&self) -> Result<()> {
        self.check_writable()?;
        self.maintain_with(true, false)
    }

    pub(crate) fn compact(&self) -> Result<()> {
        self.check_writable()?;
        self.maintain_with(true, true)?;
        self.database().give_back()
    }

    pub(crate) fn settle(&self) -> Result<()> {
        self.check_writable()?;
        self.maintain()?;
        freed_memory::release();
        self.database().give_back()
    }

    fn check_writable(&self) -> Result<()> {
        if self.database().is_writable() {
            Ok(())
        } else {
            Err(Error::ReadOnly {
                path: self.path().to_owned(),
            })
        }
    }
}
