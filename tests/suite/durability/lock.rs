//! The right to write.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use temporal_vdb::{StoreOptions, TemporalStore};

use super::{done, scratch};

/// A process that is being started has all open files of the one that starts it, until it becomes
/// another program. A lock that is given back by closing its file alone goes on for so long: a
/// store that was closed and opened at once, beside a thread that starts programs, was "in use".
#[test]
fn a_closed_store_is_free_while_processes_start() {
    let folder = scratch();
    let path = folder.path().join("run.tvdb");
    drop(done(TemporalStore::create(&path, StoreOptions::default())).unwrap());
    // Looking for the program in many places makes the moment long.
    let places: Vec<String> = (0..3000).map(|i| format!("/nowhere/{i}")).collect();
    let places = places.join(":") + ":/usr/bin:/bin";
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                Command::new("true").env("PATH", &places).status().unwrap();
            }
        });
        let opened = (0..100)
            .try_for_each(|_| done(TemporalStore::open(&path, StoreOptions::default())).map(drop));
        stop.store(true, Ordering::Relaxed);
        opened.unwrap();
    });
}
