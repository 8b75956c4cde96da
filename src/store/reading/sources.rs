use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::ThreadPool;

use super::cache::BlobCache;
use super::codebooks::Codebooks;
use super::reader::Reader;
use crate::error::Result;
use crate::host::threads;
use crate::store::database::{Database, Snapshot};
use crate::store::index::{Index, LayerIndex, LayerKey};
use crate::store::options::StoreOptions;

/// What a store is read from: its database, and what has been made of that. It has no idea of
/// writing.
pub(crate) struct Sources {
    database: Database,
    options: StoreOptions,
    pool: ThreadPool,
    cache: BlobCache,
    codebooks: Codebooks,
    /// Of the newest generation that was read.
    index: Mutex<Option<Arc<Index>>>,
}

impl Sources {
    pub(crate) fn new(database: Database, options: StoreOptions) -> Result<Self> {
        Ok(Sources {
            pool: threads::pool(options.threads, "temporal-vdb")?,
            cache: BlobCache::new(options.cache_bytes),
            codebooks: Codebooks::new(),
            database,
            options,
            index: Mutex::new(None),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.database.path()
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn options(&self) -> &StoreOptions {
        &self.options
    }

    pub(crate) fn pool(&self) -> &ThreadPool {
        &self.pool
    }

    /// Reads one consistent state of the store.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Snapshot, &Index) -> Result<T>) -> Result<T> {
        self.database.read(|snapshot| {
            let index = self.index_of(snapshot)?;
            work(snapshot, &index)
        })
    }

    /// The index of what `snapshot` sees.
    pub(crate) fn index_of(&self, snapshot: &Snapshot) -> Result<Arc<Index>> {
        let kept = || self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = kept().clone();
        let index = Index::load(snapshot, earlier.as_ref())?;
        let mut kept = kept();
        let is_newer = |kept: &Arc<Index>| kept.tip.generation < index.tip.generation;
        if kept.as_ref().is_none_or(is_newer) {
            *kept = Some(Arc::clone(&index));
        }
        Ok(index)
    }

    pub(crate) fn reader<'a>(
        &'a self,
        snapshot: &'a Snapshot<'a>,
        index: &'a Index,
        layer: &'a LayerIndex,
    ) -> Reader<'a> {
        Reader {
            cache: Some(&self.cache),
            ..self.file_reader(snapshot, index, layer)
        }
    }

    /// One that takes nothing from memory and leaves nothing there: for those who read all there is
    /// once, or check the file.
    pub(crate) fn file_reader<'a>(
        &'a self,
        snapshot: &'a Snapshot<'a>,
        index: &'a Index,
        layer: &'a LayerIndex,
    ) -> Reader<'a> {
        Reader {
            snapshot,
            index,
            layer,
            cache: None,
            codebooks: &self.codebooks,
            pool: &self.pool,
        }
    }

    /// Asks something of one layer.
    pub(crate) fn with_layer<T>(
        &self,
        key: &LayerKey,
        work: impl FnOnce(&LayerIndex) -> Result<T>,
    ) -> Result<T> {
        self.read(|snapshot, index| work(&*index.layer_of(snapshot, key)?))
    }

    /// Asks something of one layer that its history has to be read for.
    pub(super) fn with_reader<T>(
        &self,
        key: &LayerKey,
        work: impl FnOnce(&Reader) -> Result<T>,
    ) -> Result<T> {
        self.read(|snapshot, index| {
            let layer = index.layer_of(snapshot, key)?;
            work(&self.reader(snapshot, index, &layer))
        })
    }

    /// The layer of a name that is a matrix. Errors: `NoSuchLayer`, `NotAMatrix`.
    pub(crate) fn find_layer(&self, name: &str) -> Result<LayerKey> {
        self.read(|_, index| LayerKey::of(index.find(name)?))
    }
}
