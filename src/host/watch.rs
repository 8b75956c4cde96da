//! Who wants to know of new steps is told, and nobody waits for them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::broadcast;
use tokio_stream::Stream;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

/// Commits that wait for a slow reader before the oldest is forgotten.
const KEPT_COMMITS: usize = 256;

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEvent {
    /// A step that has been committed; in a store it is then as safe as its durability says.
    Committed {
        /// The step.
        step: usize,
        /// How many weights it changed, of all layers that are watched.
        changes: u64,
    },
    /// The subscriber was slow, and so many commits went by that it is not told of one by one. It
    /// can read them from what it watches. Told just before the next step.
    Missed {
        /// How many there were, of all layers.
        commits: u64,
        /// The step it was told of last; `None` where there was none yet.
        after: Option<usize>,
        /// The step it is told of next.
        before: usize,
    },
}

/// A commit as it is told.
#[derive(Clone)]
pub(crate) struct Committed {
    pub(crate) step: usize,
    /// Each layer of the step by its id, ascending, and how many of its weights changed.
    pub(crate) layers: Arc<[(u32, u64)]>,
}

/// Where commits are told. Telling never waits.
pub(crate) struct Watch {
    sender: broadcast::Sender<Committed>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Watch {
            sender: broadcast::Sender::new(KEPT_COMMITS),
        }
    }

    /// Called in the order of the commits.
    pub(crate) fn tell(&self, commit: Committed) {
        let _ = self.sender.send(commit); // nobody may be there
    }

    /// The commits from now on: of one layer, or of all.
    pub(crate) fn subscribe(&self, layer: Option<u32>) -> StepStream {
        StepStream {
            commits: BroadcastStream::new(self.sender.subscribe()),
            layer,
            last: None,
            missed: 0,
            held: None,
        }
    }
}

/// The steps that are committed from its making on, in their order, until all handles of what it
/// watches are gone. One that is read slowly keeps nobody waiting: it is told how much it missed.
pub struct StepStream {
    commits: BroadcastStream<Committed>,
    layer: Option<u32>,
    last: Option<usize>,
    missed: u64,
    /// What comes after a gap that is being told.
    held: Option<StepEvent>,
}

impl StepStream {
    /// The next event; `None` when there will be no more.
    pub async fn next(&mut self) -> Option<StepEvent> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The changes of a commit, if it is one that is watched.
    fn watched(&self, commit: &Committed) -> Option<u64> {
        match self.layer {
            None => Some(commit.layers.iter().map(|(_, changes)| changes).sum()),
            Some(layer) => {
                let at = commit.layers.binary_search_by_key(&layer, |(id, _)| *id);
                at.ok().map(|at| commit.layers[at].1)
            }
        }
    }
}

impl Stream for StepStream {
    type Item = StepEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<StepEvent>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(held));
        }
        loop {
            match ready!(Pin::new(&mut self.commits).poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Err(BroadcastStreamRecvError::Lagged(commits))) => self.missed += commits,
                Some(Ok(commit)) => {
                    let Some(changes) = self.watched(&commit) else {
                        continue;
                    };
                    let step = commit.step;
                    let after = self.last.replace(step);
                    let event = StepEvent::Committed { step, changes };
                    let commits = std::mem::take(&mut self.missed);
                    if commits == 0 {
                        return Poll::Ready(Some(event));
                    }
                    self.held = Some(event);
                    return Poll::Ready(Some(StepEvent::Missed {
                        commits,
                        after,
                        before: step,
                    }));
                }
            }
        }
    }
}

impl std::fmt::Debug for StepStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepStream")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(step: usize, layers: &[(u32, u64)]) -> Committed {
        Committed {
            step,
            layers: layers.into(),
        }
    }

    #[tokio::test]
    async fn each_is_told_of_what_it_watches() {
        let watch = Watch::new();
        let (mut all, mut one) = (watch.subscribe(None), watch.subscribe(Some(3)));
        watch.tell(commit(1, &[(0, 5), (3, 2)]));
        watch.tell(commit(2, &[(0, 1)]));
        watch.tell(commit(3, &[(3, 0)]));
        drop(watch);
        let told = |step, changes| Some(StepEvent::Committed { step, changes });
        assert_eq!(all.next().await, told(1, 7));
        assert_eq!(all.next().await, told(2, 1));
        assert_eq!(all.next().await, told(3, 0));
        assert_eq!(all.next().await, None);
        assert_eq!(one.next().await, told(1, 2));
        assert_eq!(one.next().await, told(3, 0));
        assert_eq!(one.next().await, None);
    }

    #[tokio::test]
    async fn one_that_is_slow_is_told_what_it_missed() {
        let watch = Watch::new();
        let mut slow = watch.subscribe(None);
        watch.tell(commit(1, &[(0, 1)]));
        assert!(slow.next().await.is_some());
        let many = KEPT_COMMITS + 10;
        for step in 2..2 + many {
            watch.tell(commit(step, &[(0, 1)])); // does not wait
        }
        let first = 2 + many - KEPT_COMMITS;
        let missed = StepEvent::Missed {
            commits: 10,
            after: Some(1),
            before: first,
        };
        assert_eq!(slow.next().await, Some(missed));
        for step in first..2 + many {
            let told = StepEvent::Committed { step, changes: 1 };
            assert_eq!(slow.next().await, Some(told));
        }
    }
}
