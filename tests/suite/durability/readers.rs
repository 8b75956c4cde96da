//! Those who read a store that another process writes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use temporal_vdb::{Durability, Error, ErrorKind, StoreOptions, TemporalStore};

use super::mount::Mount;
use super::recorder::{Job, Recorder, acknowledgements};
use super::run::{Acknowledged, Run};
use super::{Random, done, in_ci, scratch};

fn job(folder: &Path, seed: u64) -> Job {
    Job {
        store: folder.join("run.tvdb"),
        run: Run { seed, side: 48 },
        steps: usize::MAX,
        durability: Durability::Immediate,
        closes: true,
    }
}

fn options() -> StoreOptions {
    StoreOptions {
        threads: std::num::NonZeroUsize::new(1),
        cache_bytes: 1 << 14,
        ..StoreOptions::default()
    }
}

fn read_only(path: &Path) -> TemporalStore {
    done(TemporalStore::open_read_only(path, options())).unwrap()
}

/// Reads whatever step, until told to stop; how many steps it has read.
fn read_on(job: &Job, seed: u64, stop: &AtomicBool) -> usize {
    let mut random = Random::new("read_on", seed);
    let mut store = read_only(&job.store);
    let (mut reads, mut newest) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let latest = done(store.latest()).unwrap();
        assert!(latest.timestep >= newest, "time moves forward");
        newest = latest.timestep;
        job.run.check_weights(&latest, newest);
        let step = random.below(newest + 2);
        match done(store.weights_at(step)) {
            // There may be one more by now.
            Ok(found) => {
                assert!(found.timestep <= step && found.timestep >= step.min(newest));
                job.run.check_weights(&found, found.timestep);
            }
            Err(Error::Pruned { oldest, .. }) => assert!(oldest > step),
            Err(error) => panic!("step {step} of {newest}: {error}"),
        }
        let steps = done(store.steps()).unwrap();
        let numbers = steps.iter().map(|info| info.step);
        let first = steps[0].step;
        assert!(numbers.eq(first..first + steps.len()) && first + steps.len() > newest);
        if random.below(20) == 0 {
            store = read_only(&job.store);
        }
        reads += 2;
    }
    reads
}

/// Readers in another process see whole steps, whatever the writer is doing; nobody else may write
/// meanwhile; and once the writer is killed anybody may.
#[test]
fn readers_beside_a_recorder_see_whole_steps() {
    let folder = scratch();
    let job = job(folder.path(), 21);
    let mut known = Acknowledged::default();
    let stop = AtomicBool::new(false);
    let reads: usize = std::thread::scope(|scope| {
        let mut recorder = Recorder::start(&job);
        recorder.wait_for("step");
        let readers = [1, 2].map(|seed| {
            let (job, stop) = (&job, &stop);
            scope.spawn(move || read_on(job, seed, stop))
        });
        // Whatever fails here must not leave the readers reading for ever.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let until = Instant::now() + Duration::from_secs(if in_ci() { 8 } else { 2 });
            while Instant::now() < until {
                let second = done(TemporalStore::open(&job.store, options()));
                assert!(matches!(second, Err(Error::InUse { .. })), "{second:?}");
                let second = done(TemporalStore::create(&job.store, options()));
                assert!(matches!(second, Err(Error::InUse { .. })), "{second:?}");
                std::thread::sleep(Duration::from_millis(20));
            }
            recorder.kill(&mut known);
            // The readers go on over that, and beside the next writer.
            let store = done(TemporalStore::open(&job.store, options())).unwrap();
            let latest = job.run.check(&store, &known, 5).unwrap();
            for step in latest + 1..latest + 20 {
                job.run.record(&store, step).unwrap();
                job.run.maintain(&store, step).unwrap();
            }
        }));
        stop.store(true, Ordering::Relaxed);
        let reads = readers
            .map(|reader| reader.join().unwrap())
            .into_iter()
            .sum();
        outcome
            .map(|()| reads)
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    eprintln!(
        "{reads} steps read beside {:?} that were recorded",
        known.step
    );
    assert!(reads > 10 && known.step > Some(5));
}

/// A reader stays while writers come, record and close, which takes SQLite's log away each time.
#[test]
fn a_reader_outlives_the_writers() {
    let folder = scratch();
    let job = job(folder.path(), 22);
    let first = done(TemporalStore::create(&job.store, options())).unwrap();
    job.run.record(&first, 0).unwrap();
    drop(first);
    let reader = read_only(&job.store);
    let mut known = Acknowledged::default();
    for _ in 0..7 {
        record_more(&job, 3, &mut known);
        assert_eq!(job.run.check(&reader, &known, usize::MAX), known.step);
    }
    assert_eq!(known.step, Some(21));
    done(reader.verify(|_, _| ())).unwrap();
}

/// Where nothing can be written a store can be read: one that is being recorded into from where it
/// can be, one whose writer was killed (its log is read, too, or there is an error: never an older
/// state), and one that was closed. The writer is always another process: in one process SQLite
/// shares what it knows of a file, and with it that nothing can be written.
///
/// Once in some dozens of runs a reader was told "attempt to write a readonly database" while the recorder
/// lived: it had looked at the log's index while that was being changed, and could not mend it.
#[test]
fn stores_on_read_only_media_can_be_read() {
    let folder = scratch();
    let job = job(folder.path(), 23);
    let Some(mount) = Mount::read_only(folder.path(), "stores_on_read_only_media") else {
        return;
    };
    let seen = Job {
        store: mount.path().join("run.tvdb"),
        ..job.clone()
    };
    let mut known = Acknowledged::default();
    let mut recorder = Recorder::start(&job);
    recorder.wait_for("step");
    let stop = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_on(&seen, 3, &stop));
        std::thread::sleep(Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(reads > 10);

    recorder.kill(&mut known);
    for shared in ["with", "without"] {
        if shared == "without" {
            std::fs::remove_file(job.store.with_extension("tvdb-shm")).unwrap();
        }
        match done(TemporalStore::open_read_only(&seen.store, options())) {
            Ok(reader) => assert!(job.run.check(&reader, &known, usize::MAX) >= known.step),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error:?}"),
        }
    }

    record_more(&job, 5, &mut known);
    let reader = read_only(&seen.store);
    assert_eq!(job.run.check(&reader, &known, usize::MAX), known.step);
    done(reader.verify(|_, _| ())).unwrap();
    let writing = done(TemporalStore::open(&seen.store, options()));
    let error = writing.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    let error = done(reader.seal()).unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");

    // It knows of no writer and counts on the file to stay as it is. If somebody writes after all
    // it may take the file for damaged, but what it says is right.
    let before = known.step.unwrap();
    record_more(&job, 30, &mut known);
    let (mut right, mut refused) = (0, 0);
    for step in 0..=before {
        match done(reader.weights_at(step)) {
            Ok(found) => {
                job.run.check_weights(&found, step);
                right += 1;
            }
            Err(_) => refused += 1,
        }
    }
    eprintln!("beside a writer it did not know of, {right} steps read, {refused} refused");
    let reader = read_only(&seen.store);
    assert_eq!(job.run.check(&reader, &known, usize::MAX), known.step);
}

/// Records some steps in another process, which then closes the store.
fn record_more(job: &Job, steps: usize, known: &mut Acknowledged) {
    let job = Job {
        steps,
        ..job.clone()
    };
    let _ = std::fs::remove_file(acknowledgements(&job.store));
    assert!(job.command().status().unwrap().success());
    known.read(&std::fs::read_to_string(acknowledgements(&job.store)).unwrap());
}

/// Someone who reads for long, such as one who verifies everything, keeps SQLite's log from being
/// emptied. Settling did wait for that, for ten seconds, and recording waited with it.
#[test]
fn nobody_waits_for_a_long_read() {
    let folder = scratch();
    let job = job(folder.path(), 24);
    let store = done(TemporalStore::create(&job.store, options())).unwrap();
    job.run.record(&store, 0).unwrap();
    let long = rusqlite::Connection::open(&job.store).unwrap();
    let transaction = long.unchecked_transaction().unwrap();
    let count = || transaction.query_row("SELECT count(*) FROM commits", [], |row| row.get(0));
    assert_eq!(count(), Ok(1));
    let begin = Instant::now();
    for step in 1..20 {
        job.run.record(&store, step).unwrap();
        job.run.maintain(&store, step).unwrap();
    }
    let elapsed = begin.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    assert_eq!(count(), Ok(1), "the reader sees what it saw");
    drop(transaction);
    done(store.settle()).unwrap();
    let log = std::fs::metadata(job.store.with_extension("tvdb-wal")).unwrap();
    assert_eq!(log.len(), 0, "now it can be emptied");
}
