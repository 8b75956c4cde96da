use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::upkeep::Upkeep;
use crate::error::{Error, Result};
use crate::host::{freed_memory, keep_ieee};
use crate::store::recording::Recorder;

/// A store's own thread, which seals and merges whenever the recorder's bell rings. Dropping it waits for
/// what it has begun.
pub(crate) struct Worker {
    recorder: Arc<Recorder>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts listening to the recorder's bell.
    pub(crate) fn start(upkeep: &Arc<Upkeep>) -> Result<Self> {
        let recorder = Arc::clone(&upkeep.recorder);
        let (bell, rings) = sync_channel(1);
        recorder.set_bell(Some(bell));
        let own = Arc::clone(upkeep);
        let thread = std::thread::Builder::new()
            .name("temporal-vdb-seal".to_owned())
            .spawn(move || {
                keep_ieee();
                Worker::run(&own, &rings);
            })
            .map_err(|source| Error::Io {
                path: upkeep.sources.path().to_owned(),
                source,
            })?;
        Ok(Worker {
            recorder,
            thread: Some(thread),
        })
    }

    fn run(upkeep: &Upkeep, rings: &Receiver<()>) {
        while rings.recv().is_ok() {
            // What fails here has lost nothing: the steps are in the journal, and the next time it
            // is tried again. Who wants to know asks `settle`.
            let _ = upkeep.maintain();
            freed_memory::release();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.recorder.set_bell(None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
