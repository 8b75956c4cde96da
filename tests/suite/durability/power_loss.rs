//! Every state that power loss could leave behind a recorder.
//!
//! A recorder's system calls are written down, and the disk is put together as it may look after a
//! power loss at each of them: what was synced is there, of what was not any part may be. (All of
//! it is what there is after a `kill -9` there.)

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use temporal_vdb::{Durability, StoreOptions, TemporalStore};

use super::disk::{Disk, Kept};
use super::recorder::{Job, is_of_store, store_files};
use super::run::{Acknowledged, Run};
use super::syscall::{Syscall, read_log, shim, watch};
use super::{Random, done, in_ci, scratch};

/// What the disks came to.
#[derive(Debug, Default)]
struct Found {
    disks: usize,
    /// Disks that had fewer steps than were acknowledged, or one more.
    fewer: usize,
    more: usize,
}

/// What was acknowledged is on the disk, wherever power was lost: while the store was created, in
/// commits, sealing, keyframes, compaction, pruning, copying the log, and closing.
#[test]
fn immediate_steps_survive_power_loss() {
    let Some(found) = lose_power("immediate_steps_survive", Durability::Immediate) else {
        return;
    };
    assert_eq!(found.fewer, 0);
    // Outside CI too few calls are tried to be sure of one.
    assert!(
        found.more > 0 || !in_ci(),
        "no commit was written and not acknowledged"
    );
}

/// Without a sync for every step the last ones may be lost, but never part of one. (That some are
/// lost also shows that these disks lose what they may.)
#[test]
fn eventual_steps_survive_as_a_beginning_of_the_run() {
    let Some(found) = lose_power("eventual_steps_survive", Durability::Eventual) else {
        return;
    };
    assert!(found.fewer > 0, "nothing was lost");
}

/// The system calls of two recorders, of which the second finds what the first has left open.
fn record(job: &Job, folder: &Path) -> Option<Vec<Syscall>> {
    let shim = shim(folder)?;
    let (store, log) = (job.store.parent().unwrap(), folder.join("log"));
    std::fs::create_dir(store).unwrap();
    for closes in [false, true] {
        let mut command = Job {
            closes,
            ..job.clone()
        }
        .command();
        watch(&mut command, &shim, store, &log);
        let output = command.output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
    }
    Some(read_log(&log))
}

fn lose_power(test: &str, durability: Durability) -> Option<Found> {
    let folder = scratch();
    let job = Job {
        store: folder.path().join("disk").join("run.tvdb"),
        run: Run { seed: 7, side: 16 },
        steps: 10,
        durability,
        closes: true,
    };
    let calls = record(&job, folder.path())?;
    let mut random = Random::new(test, 20_260_802);
    let mut disk = Disk::new();
    let mut known = Acknowledged::default();
    let mut text = String::new();
    let mut checked: HashMap<u64, Acknowledged> = HashMap::new();
    let mut found = Found::default();
    // Which of the calls are tried depends on the seed; in CI all are.
    let every = if in_ci() { 1 } else { 12 };
    for (at, call) in calls.iter().enumerate() {
        if let ("run.acks", Syscall::Write(_, _, data)) = (call.name(), call) {
            text.push_str(std::str::from_utf8(data).unwrap());
            known = Acknowledged::default();
            known.read(&text);
        } else if is_of_store(call.name()) {
            disk.apply(call);
        }
        if random.below(every) > 0 {
            continue;
        }
        for &kept in losses(&disk) {
            let files = disk.after_power_loss(kept, &mut random);
            // Many calls leave a disk that was there before; nothing new can be wrong with it, if
            // nothing was acknowledged since.
            let mut hasher = DefaultHasher::new();
            files.hash(&mut hasher);
            if checked.insert(hasher.finish(), known.clone()).as_ref() == Some(&known) {
                continue;
            }
            found.disks += 1;
            let what = || format!("call {at} ({}), {kept:?} kept", shown(call));
            check_disk(&job, &files, &known, &mut found, what);
        }
    }
    complete(&disk, &job, &mut random);
    eprintln!("{test}: {} calls, {found:?}", calls.len());
    Some(found)
}

/// What is tried of a disk.
fn losses(disk: &Disk) -> &'static [Kept] {
    if disk.is_certain() {
        return &[Kept::All];
    }
    &[
        Kept::All,
        Kept::Nothing,
        Kept::NamesOnly,
        Kept::ContentsOnly,
        Kept::Torn,
        Kept::Random,
        Kept::Random,
        Kept::Random,
    ]
}

/// The last disk is the real one: no call has gone by unseen.
fn complete(disk: &Disk, job: &Job, random: &mut Random) {
    let files = disk.after_power_loss(Kept::All, random);
    let files = files.iter().map(|(name, bytes)| (*name, bytes));
    let real = store_files(&job.store);
    let real = real.iter().map(|(name, bytes)| (name.as_str(), bytes));
    assert!(real.eq(files), "a call was not seen");
}

fn shown(call: &Syscall) -> String {
    match call {
        Syscall::Write(name, offset, data) => {
            format!("write of {} bytes at {offset} of {name}", data.len())
        }
        call => format!("{call:?}"),
    }
}

fn check_disk(
    job: &Job,
    files: &[(&str, Vec<u8>)],
    known: &Acknowledged,
    found: &mut Found,
    what: impl Fn() -> String,
) {
    let folder = scratch();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let store = folder.path().join("run.tvdb");
    let check = || check_store(job, &store, known, found);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    if let Err(panic) = outcome {
        // As it was, without what opening it has changed.
        let kept = folder.keep();
        for (name, bytes) in files {
            std::fs::write(kept.join(name), bytes).unwrap();
        }
        eprintln!("{}: the disk is kept in {}", what(), kept.display());
        std::panic::resume_unwind(panic);
    }
}

fn check_store(job: &Job, path: &Path, known: &Acknowledged, found: &mut Found) {
    if known.opened {
        assert!(path.exists(), "the store is gone");
    }
    let options = StoreOptions {
        threads: std::num::NonZeroUsize::new(1),
        ..job.options()
    };
    let store = done(TemporalStore::open_or_create(path, options)).unwrap();
    let latest = done(store.steps()).unwrap().last().map(|info| info.step);
    found.fewer += usize::from(latest < known.step);
    found.more += usize::from(latest > known.step);
    match job.durability {
        Durability::Immediate => job.run.check(&store, known, usize::MAX),
        // As if it had been told of no more than is there.
        Durability::Eventual => {
            let step = known.step.min(latest);
            let known = Acknowledged {
                step,
                ..Acknowledged::default()
            };
            job.run.check(&store, &known, usize::MAX)
        }
    };
    done(store.verify(|_, _| ())).unwrap();
    if found.disks.is_multiple_of(4) {
        let next = latest.map_or(0, |step| step + 1);
        job.run.record(&store, next).unwrap();
        job.run
            .check_weights(&done(store.weights_at(next)).unwrap(), next);
    }
}
