use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

/// Blobs that were read lately, checked, up to a number of bytes.
pub(crate) struct BlobCache {
    kept: Mutex<Kept>,
    limit: usize,
}

struct Kept {
    blobs: LruCache<u64, Arc<[u8]>>,
    bytes: usize,
}

impl BlobCache {
    pub(crate) fn new(limit: usize) -> Self {
        let blobs = LruCache::unbounded();
        BlobCache {
            kept: Mutex::new(Kept { blobs, bytes: 0 }),
            limit,
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<[u8]>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.blobs.get(&id).cloned()
    }

    /// Keeps a blob, and lets go of those that were not used for the longest time. Ids are not
    /// used again, so none of them goes stale.
    pub(crate) fn put(&self, id: u64, blob: &Arc<[u8]>) {
        // One blob must not drive out all others.
        if blob.len() > self.limit / 8 {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += blob.len();
        if let Some((_, before)) = kept.blobs.push(id, Arc::clone(blob)) {
            kept.bytes -= before.len();
        }
        while kept.bytes > self.limit {
            let Some((_, oldest)) = kept.blobs.pop_lru() else {
                break;
            };
            kept.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_bounded() {
        let cache = BlobCache::new(800);
        let blob: Arc<[u8]> = vec![0; 100].into();
        for id in 0..100 {
            cache.put(id, &blob);
            cache.put(id, &blob);
        }
        let kept = cache.kept.lock().unwrap();
        assert_eq!((kept.bytes, kept.blobs.len()), (800, 8));
        assert!(kept.blobs.contains(&99) && !kept.blobs.contains(&0));
    }
}
