use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::coding::Damage;
use crate::coding::dense::Codebook;
use crate::error::{Error, Result};
use crate::store::database::Snapshot;

/// How many are kept: each takes up to 500 KB, and a state has few.
const KEPT: NonZeroUsize = NonZeroUsize::new(8).expect("not zero");

/// Codebooks that were used lately, ready for decoding.
pub(crate) struct Codebooks(Mutex<LruCache<u64, Arc<Codebook>>>);

impl Codebooks {
    pub(crate) fn new() -> Self {
        Codebooks(Mutex::new(LruCache::new(KEPT)))
    }

    /// A codebook by the id of its blob. Ids are not used again, so none goes stale.
    pub(crate) fn get(&self, snapshot: &Snapshot, id: u64) -> Result<Arc<Codebook>> {
        if let Some(found) = self.kept().get(&id) {
            return Ok(Arc::clone(found));
        }
        let codebook = Codebook::from_bytes(&snapshot.codebook(id)?)
            .map_err(|Damage(what)| Error::damaged(format!("codebook {id}: {what}")))?;
        let codebook = Arc::new(codebook);
        self.kept().put(id, Arc::clone(&codebook));
        Ok(codebook)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, LruCache<u64, Arc<Codebook>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
