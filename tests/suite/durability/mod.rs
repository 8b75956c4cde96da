//! What a `TemporalStore` survives: being killed, power loss, a full disk, damaged bytes, and others
//! that read beside it.
//!
//! `run` is a training run that is known at every step without the steps before it, so that each
//! state that a store gives back can be held to what was recorded, bit for bit. `recorder` is
//! another process that records it.

mod answer;
mod bit_flips;
mod damage;
mod disk;
mod example;
mod full_disk;
mod kill;
mod lock;
mod mount;
mod note;
mod power_loss;
mod readers;
mod recorder;
mod run;
mod syscall;

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tempfile::TempDir;

/// Whether everything is to be tried, or some of it.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// What a call of a store comes to. Without a runtime the calling thread does all of the work.
fn done<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("a call waits for something"),
    }
}

/// A folder in memory where there is room, since these tests write the same files many times over.
fn scratch() -> TempDir {
    tempfile::tempdir_in(Path::new("/dev/shm")).unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Says loudly why a test is not done.
fn skipped(test: &str, why: impl std::fmt::Display) {
    eprintln!("SKIPPED {test}: {why}");
}

/// Random numbers by a seed (splitmix64).
struct Random(u64);

impl Random {
    /// By a seed that is always the same, unless `TEMPORAL_VDB_TEST_SEED` adds to it.
    fn new(test: &str, seed: u64) -> Self {
        let more = std::env::var("TEMPORAL_VDB_TEST_SEED");
        let more = more.map_or(0, |more| more.parse().expect("a number"));
        eprintln!("{test}: seed {}", seed + more);
        Random(seed + more)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// One of `0..end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A number whose bits all depend on all of the given one's (splitmix64's finalizer).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
