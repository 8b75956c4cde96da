use std::io::ErrorKind;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use super::core::Store;
use super::database::Database;
use super::maintenance::Worker;
use super::options::StoreOptions;
use crate::error::{Error, Result};

/// A store and its thread for the work behind recording, which ends with it.
pub(crate) struct Handle {
    store: Arc<Store>,
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
        Handle::new(Database::in_memory()?, options)
    }

    fn new(database: Database, options: StoreOptions) -> Result<Self> {
        let store = Arc::new(Store::new(database, options)?);
        // A file that is damaged where everything begins is found out here.
        store
            .read(|_, _| Ok(()))
            .map_err(|error| error.in_file(store.path()))?;
        let worker = store
            .database()
            .is_writable()
            .then(|| Worker::start(&store))
            .transpose()?;
        Ok(Handle {
            store,
            _worker: worker,
        })
    }
}
