use std::io::ErrorKind;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use super::store::Store;
use crate::error::{Error, Result};
use crate::host::blocking;
use crate::store::database::Database;
use crate::store::options::StoreOptions;
use crate::store::upkeep::Worker;

/// A store and its thread for the work behind recording, which ends with it: what `TemporalStore`,
/// `StoredLayer` and `StepWriter` share.
pub(crate) struct Handle {
    store: Store,
    /// For stores that can be written.
    _worker: Option<Worker>,
}

impl Deref for Handle {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Handle {
    pub(crate) fn create(path: &Path, options: StoreOptions) -> Result<Self> {
        Handle::new(Database::create(path)?, options)
    }

    pub(crate) fn open(path: &Path, options: StoreOptions) -> Result<Self> {
        Handle::new(Database::open(path)?, options)
    }

    pub(crate) fn open_or_create(path: &Path, options: StoreOptions) -> Result<Self> {
        match Handle::open(path, options) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        match Handle::create(path, options) {
            // Another process was faster.
            Err(Error::AlreadyExists { .. }) => Handle::open(path, options),
            created => created,
        }
    }

    pub(crate) fn open_read_only(path: &Path, options: StoreOptions) -> Result<Self> {
        Handle::new(Database::open_read_only(path)?, options)
    }

    pub(crate) fn in_memory(options: StoreOptions) -> Result<Self> {
        Handle::new(Database::in_memory(), options)
    }

    fn new(database: Database, options: StoreOptions) -> Result<Self> {
        let store = Store::new(database, options)?;
        // A file that is damaged where everything begins is found out here.
        store
            .sources()
            .read(|_, _| Ok(()))
            .map_err(|error| error.in_file(store.path()))?;
        let worker = store
            .sources()
            .database()
            .is_writable()
            .then(|| Worker::start(store.upkeep()))
            .transpose()?;
        Ok(Handle {
            store,
            _worker: worker,
        })
    }

    /// The one door from async callers to the store: the work runs where it may block. Dropping the
    /// future does not stop work that has started.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Handle>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let handle = Arc::clone(self);
        blocking::run(move || work(&handle).map_err(|error: Error| error.in_file(handle.path())))
            .await
    }
}
