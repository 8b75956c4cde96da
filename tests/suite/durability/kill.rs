//! Recorders that are killed at random moments, one after the other on the same store.

use std::path::Path;
use std::time::{Duration, Instant};

use temporal_vdb::{Durability, StoreOptions, TemporalStore};

use super::recorder::{Job, Recorder};
use super::run::{Acknowledged, Run};
use super::{Random, done, in_ci, scratch};

/// Kills that one store lives through.
const LIVES: usize = 25;

/// Whatever moment SIGKILL comes at, what was acknowledged is there, at most one step more is, and
/// that one is whole; and recording goes on. The process is killed while it creates the store,
/// commits, seals, makes keyframes, compacts, prunes, copies the log and opens after the last kill.
#[test]
fn a_killed_recorder_loses_nothing() {
    let kills = if in_ci() { 200 } else { 25 };
    let mut random = Random::new("a_killed_recorder", 20_260_801);
    let (mut torn, mut uncertain, mut steps) = (0, 0, 0);
    for store in 0..kills / LIVES {
        let folder = scratch();
        let job = Job {
            store: folder.path().join("run.tvdb"),
            run: Run {
                seed: store as u64,
                side: 64,
            },
            steps: usize::MAX,
            durability: Durability::Immediate,
            closes: true,
        };
        let mut known = Acknowledged::default();
        for kill in 0..LIVES {
            kill_one(&job, &mut random, &mut known);
            torn += usize::from(is_torn(&job.store));
            let latest = check(&job, kill, &known);
            uncertain += usize::from(latest != known.step);
            known.step = latest;
        }
        steps += known.step.map_or(0, |step| step + 1);
        assert!(known.step > Some(LIVES / 3), "the recorders got nowhere");
    }
    eprintln!(
        "a_killed_recorder: {kills} kills, {torn} of them in a commit, {steps} steps, {uncertain} \
         of them not acknowledged"
    );
    assert!(torn > 0 || !in_ci(), "no kill came in a commit");
}

/// Whether SQLite's log ends in the middle of a transaction. Its frames are those with the salt of
/// its header, and the last one of a transaction says how long the database is then.
fn is_torn(store: &Path) -> bool {
    let log = std::fs::read(store.with_extension("tvdb-wal")).unwrap_or_default();
    let frames = log.get(32..).unwrap_or_default().chunks(24 + 4096);
    let valid = frames.take_while(|frame| frame.get(8..16) == Some(&log[16..24]));
    valid
        .last()
        .is_some_and(|frame| frame.len() < 24 + 4096 || frame[4..8] == [0; 4])
}

/// A quarter while it starts or opens the store, half while it is writing, a quarter at any time.
fn kill_one(job: &Job, random: &mut Random, known: &mut Acknowledged) {
    let mut recorder = Recorder::start(job);
    let micros = |random: &mut Random, end| Duration::from_micros(random.below(end) as u64);
    match random.below(4) {
        0 => std::thread::sleep(micros(random, 150_000)),
        1 | 2 => {
            recorder.wait_for("step");
            std::thread::sleep(micros(random, 40_000));
            wait_for_write(&job.store);
            let begin = Instant::now();
            let moment = micros(random, 60);
            while begin.elapsed() < moment {} // sleeping takes too long
        }
        _ => {
            recorder.wait_for("step");
            std::thread::sleep(micros(random, 60_000));
        }
    }
    recorder.kill(known);
}

/// Waits until SQLite's log grows.
fn wait_for_write(store: &Path) {
    let log = store.with_extension("tvdb-wal");
    let length = || std::fs::metadata(&log).map_or(0, |log| log.len());
    let (begin, before) = (Instant::now(), length());
    while length() <= before && begin.elapsed() < Duration::from_millis(100) {}
}

/// After most kills the newest steps, after some everything. One in three times the store is opened
/// for reading alone, so that the next recorder itself finds what the killed one has left.
fn check(job: &Job, kill: usize, known: &Acknowledged) -> Option<usize> {
    if !job.store.exists() {
        assert_eq!(*known, Acknowledged::default(), "the store is gone");
        return None;
    }
    let options = StoreOptions {
        threads: std::num::NonZeroUsize::new(1),
        ..job.options()
    };
    let thorough = kill % 8 == 7 || kill + 1 == LIVES;
    let opened = if kill % 3 == 1 {
        done(TemporalStore::open_read_only(&job.store, options))
    } else {
        done(TemporalStore::open(&job.store, options))
    };
    let store = opened.unwrap();
    let reach = if thorough { usize::MAX } else { 3 };
    let latest = job.run.check(&store, known, reach);
    if thorough {
        let verified = done(store.verify(|_, _| ())).unwrap();
        assert!(verified.states > 0);
    }
    latest
}
