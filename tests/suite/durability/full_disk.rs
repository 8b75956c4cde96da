//! Recording until the disk is full, for real: on a small file system in memory.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind as Cause, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use temporal_vdb::{Error, ErrorKind, Result, StoreOptions, TemporalStore};

use super::mount::Mount;
use super::run::{Acknowledged, Run};
use super::{Random, done};

const RUN: Run = Run { seed: 11, side: 64 };

fn options() -> StoreOptions {
    StoreOptions {
        threads: NonZeroUsize::new(2),
        cache_bytes: 0,
        ..StoreOptions::default()
    }
}

/// A store on a small disk, and what takes the rest of that.
struct SmallDisk {
    mount: Mount,
    known: Acknowledged,
}

impl SmallDisk {
    fn new(test: &str) -> Option<Self> {
        Some(SmallDisk {
            mount: Mount::memory("4m", test)?,
            known: Acknowledged::default(),
        })
    }

    fn store(&self) -> PathBuf {
        self.mount.path().join("run.tvdb")
    }

    /// Takes all of the disk but some bytes.
    fn fill(&self, but: u64) {
        let path = self.mount.path().join("filler");
        let mut filler = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        while filler.write_all(&[1; 4096]).is_ok() {}
        let length = filler.metadata().unwrap().len();
        filler.set_len(length.saturating_sub(but)).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.mount.path().join("filler")).unwrap();
    }

    /// Records the next step.
    fn record(&mut self, store: &TemporalStore) -> Result<()> {
        let next = self.known.step.map_or(0, |step| step + 1);
        RUN.record(store, next)?;
        self.known.step = Some(next);
        Ok(())
    }

    /// Prunes where that is due, and the like.
    fn maintain(&mut self, store: &TemporalStore) -> Result<()> {
        let Some(step) = self.known.step else {
            return Ok(());
        };
        if RUN.maintain(store, step)? {
            self.known.pruned.push(step);
        }
        Ok(())
    }

    /// Every step that was acknowledged is there, and none that was not: a call that fails changes
    /// nothing. Reads the newest ones.
    fn check(&self, store: &TemporalStore) {
        assert_eq!(RUN.check(store, &self.known, 6), self.known.step);
    }

    fn check_beside(&self) {
        self.check(&done(TemporalStore::open_read_only(self.store(), options())).unwrap());
    }

    /// Reads all of them.
    fn check_all(&self, store: &TemporalStore) {
        assert_eq!(RUN.check(store, &self.known, usize::MAX), self.known.step);
        done(store.verify(|_, _| ())).unwrap();
    }
}

/// That an error is about the disk, and says so.
fn is_full(error: &Error) -> bool {
    error.kind() == ErrorKind::Io
        && matches!(error, Error::Io { source, .. } if source.kind() == Cause::StorageFull)
}

#[test]
fn a_full_disk_stops_recording_and_loses_nothing() {
    let test = "a_full_disk_stops_recording_and_loses_nothing";
    let Some(mut disk) = SmallDisk::new(test) else {
        return;
    };
    let path = disk.store();
    let mut store = done(TemporalStore::create(&path, options())).unwrap();
    for round in 0..3 {
        disk.fill(1 << 20);
        let error = loop {
            if let Err(error) = disk.record(&store) {
                break error;
            }
        };
        assert!(is_full(&error), "{error:?}");
        disk.check_all(&store);
        disk.check_beside();
        disk.fill(0);
        assert!(disk.record(&store).is_err(), "there was room");
        disk.check(&store);

        // It goes on in the same handle, or in a new one, the old one having been closed where it
        // could not write.
        if round > 0 {
            drop(store);
            disk.check_beside();
            disk.fill(0);
            disk.check_beside();
            disk.make_room();
            store = done(TemporalStore::open(&path, options())).unwrap();
        } else {
            disk.make_room();
        }
        for _ in 0..20 {
            disk.record(&store).unwrap();
            disk.maintain(&store).unwrap();
        }
        disk.check_all(&store);
    }
    // One that was closed well can be read where there is no room for what readers share.
    drop(store);
    disk.fill(0);
    disk.check_beside();
}

/// Sealing, keyframes, compaction and pruning need room for a while. Where there is less than that
/// they fail, at every point that they can fail at, and nothing is lost.
#[test]
fn work_behind_recording_without_room_loses_nothing() {
    let test = "work_behind_recording_without_room_loses_nothing";
    let Some(mut disk) = SmallDisk::new(test) else {
        return;
    };
    let path = disk.store();
    let mut store = done(TemporalStore::create(&path, options())).unwrap();
    let mut random = Random::new(test, 20_260_804);
    let (mut failed, mut succeeded) = (0, 0);
    for round in 0..40 {
        for _ in 0..random.below(12) {
            disk.record(&store).unwrap();
        }
        disk.maintain(&store).unwrap();
        done(store.settle()).unwrap(); // or the log takes all of the disk in the end
        disk.fill(random.below(40) as u64 * 4096);
        for _ in 0..4 {
            let outcome = match random.below(4) {
                0 => done(store.seal()),
                1 => done(store.compact()),
                2 => disk.maintain(&store),
                _ => disk.record(&store),
            };
            match outcome {
                Ok(()) => succeeded += 1,
                Err(error) => {
                    assert!(is_full(&error), "{error:?}");
                    failed += 1;
                }
            }
        }
        disk.check(&store);
        if round % 4 == 0 {
            drop(store);
            disk.make_room();
            store = done(TemporalStore::open(&path, options())).unwrap();
            disk.check(&store);
        } else {
            disk.make_room();
        }
    }
    disk.check_all(&store);
    eprintln!("{failed} calls failed without room, {succeeded} had enough");
    assert!(failed > 20 && succeeded > 20);
}

/// A new store on a full disk appears whole or not at all.
#[test]
fn a_store_that_has_no_room_is_not_made() {
    let Some(disk) = SmallDisk::new("a_store_that_has_no_room_is_not_made") else {
        return;
    };
    let path = disk.store();
    let mut failed = 0;
    for pages in 0.. {
        drop(File::create(disk.mount.path().join("filler")).unwrap());
        disk.fill(pages * 4096);
        match done(TemporalStore::create(&path, options())) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error:?}"),
        }
        failed += 1;
        if path.exists() {
            // It is whole: what failed is opening it for writing.
            disk.check_beside();
            disk.make_room();
            drop(done(TemporalStore::open(&path, options())).unwrap());
            std::fs::remove_file(&path).unwrap();
        }
    }
    assert!(failed > 5, "{failed}");
}
