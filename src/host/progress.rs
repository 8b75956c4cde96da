use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Who is told how much is done, out of how much.
type Tell = dyn Fn(u64, u64) + Send + Sync;

/// How far a long question has come, and the way to stop it. A handle: its clones are one.
///
/// Dropping the future of a call that was given one stops the call's work, too, and no other's.
#[derive(Clone, Default)]
pub struct Progress {
    tell: Option<Arc<Tell>>,
    cancelled: Arc<AtomicBool>,
}

impl Progress {
    /// From time to time `tell` is given how much is done, out of how much, in units that depend on
    /// the question. It is called from any thread, and in no order between threads.
    pub fn new(tell: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Progress {
            tell: Some(Arc::new(tell)),
            ..Progress::default()
        }
    }

    /// Stops the calls that were given this handle, now and from now on: they fail with
    /// [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// One that is cancelled with this one, and tells nobody.
    pub(crate) fn quiet(&self) -> Self {
        Progress {
            tell: None,
            cancelled: Arc::clone(&self.cancelled),
        }
    }

    /// Of one piece of work of `total` units. It goes on as long as `self` is not cancelled and what
    /// is returned first is not dropped.
    pub(crate) fn begin(&self) -> (Stopper, Task) {
        let task = Task {
            progress: self.clone(),
            dropped: Arc::default(),
            done: Arc::default(),
            total: Arc::default(),
        };
        (Stopper(Arc::clone(&task.dropped)), task)
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("cancelled", &self.cancelled)
            .finish_non_exhaustive()
    }
}

/// Held by a call's future: when that is dropped, its work has nobody to do it for.
pub(crate) struct Stopper(Arc<AtomicBool>);

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The work of one call.
#[derive(Clone, Default)]
pub(crate) struct Task {
    progress: Progress,
    dropped: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

impl Task {
    /// There are so many more units to do.
    pub(crate) fn expect(&self, units: u64) {
        self.total.fetch_add(units, Ordering::Relaxed);
        self.tell(self.done.load(Ordering::Relaxed));
    }

    /// So many more are done. Errors: `Cancelled`, where the others need not be.
    pub(crate) fn advance(&self, units: u64) -> Result<()> {
        let done = self.done.fetch_add(units, Ordering::Relaxed) + units;
        self.tell(done);
        self.check()
    }

    /// Errors: `Cancelled`.
    pub(crate) fn check(&self) -> Result<()> {
        let stopped = [&self.progress.cancelled, &self.dropped];
        if stopped.iter().any(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    fn tell(&self, done: u64) {
        if let Some(tell) = &self.progress.tell {
            tell(done, self.total.load(Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn whoever_waits_is_told_and_can_stop_it() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&told);
        let progress = Progress::new(move |done, total| seen.lock().unwrap().push((done, total)));
        let (stopper, task) = progress.begin();
        task.expect(5);
        task.advance(2).unwrap();
        task.clone().advance(3).unwrap();
        task.expect(1);
        let expected = [(0, 5), (2, 5), (5, 5), (5, 6)];
        assert_eq!(*told.lock().unwrap(), expected);

        let (_other, beside) = progress.begin();
        drop(stopper);
        assert!(matches!(task.check(), Err(Error::Cancelled)));
        beside.check().unwrap();
        progress.clone().cancel();
        assert!(matches!(beside.advance(1), Err(Error::Cancelled)));
    }
}
