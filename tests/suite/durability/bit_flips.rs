//! Damaged files: the damage is found, or does no harm.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use temporal_vdb::{ErrorKind, TemporalStore};

use super::answer::Answer;
use super::damage::Damage;
use super::example::Example;
use super::{Random, done, in_ci, scratch};

/// Longer than this a damaged store must not take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What damage has done.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Harmless,
    /// An error has said so.
    Found,
    /// The newest steps are gone.
    Shortened,
}

/// A damaged store.
struct Damaged<'e> {
    example: &'e Example,
    /// Which of its files, and how.
    file: usize,
    damage: Damage,
}

impl Damaged<'_> {
    /// Damages one of the files and asks everything.
    fn ask(&self, writing: bool, going_on: bool) -> Outcome {
        let (folder, options) = (scratch(), self.example.options);
        self.example.damaged(self.file, self.damage, folder.path());
        let path = folder.path().join("run.tvdb");
        let opened = if writing {
            done(TemporalStore::open(&path, options))
        } else {
            done(TemporalStore::open_read_only(&path, options))
        };
        let store = match opened {
            Ok(store) => store,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::BadFile, "{error:?}");
                return Outcome::Found;
            }
        };
        let mut outcome = Outcome::Harmless;
        for (question, expected) in &self.example.answers {
            match (question.ask(&store), expected) {
                (Ok(answer), Some(expected)) => {
                    self.example.check(question, &answer, expected);
                    if matches!(answer, Answer::Steps(_)) && answer != *expected {
                        outcome = Outcome::Shortened;
                    }
                }
                (Ok(_), None) => panic!("{question:?} has an answer"),
                (Err(error), Some(_)) if error.kind() == ErrorKind::BadFile => {
                    outcome = Outcome::Found;
                }
                (Err(error), Some(_)) => panic!("{question:?}: {error:?}"),
                (Err(_), None) => {}
            }
        }
        if writing && going_on {
            self.go_on(&path, store);
        }
        outcome
    }

    /// Records into the damaged store, if it lets us: what it gives back afterwards is right, too.
    fn go_on(&self, path: &Path, store: TemporalStore) {
        let Ok(latest) = done(store.latest()) else {
            return;
        };
        let mut newest = latest.timestep;
        let recorded = self.example.run.record(&store, newest + 1);
        newest += usize::from(recorded.is_ok());
        if let Err(error) = recorded.and_then(|()| done(store.seal())) {
            // `Io` where the header says that only a newer SQLite may write the file.
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::BadFile | ErrorKind::Io),
                "{error:?}"
            );
        }
        let check = |store: &TemporalStore| {
            for step in 0..=newest {
                if let Ok(found) = done(store.weights_at(step)) {
                    assert_eq!(found.timestep, step);
                    assert!(
                        found.checkpoint == self.example.checkpoints[step],
                        "step {step}"
                    );
                }
            }
        };
        check(&store);
        drop(store);
        if let Ok(store) = done(TemporalStore::open_read_only(path, self.example.options)) {
            check(&store);
        }
    }
}

/// Tries cases one after the other, each in its time; how many of them were found, and shortened
/// the run.
fn try_all(example: Example, cases: Vec<(usize, Damage)>) -> (usize, usize) {
    let (send, receive) = channel();
    let example = Arc::new(example);
    let (all, whole) = (cases.clone(), Arc::clone(&example));
    let worker = std::thread::spawn(move || {
        let (mut found, mut shortened) = (0, 0);
        for (i, (file, damage)) in cases.into_iter().enumerate() {
            send.send(i).unwrap();
            let damaged = Damaged {
                example: &example,
                file,
                damage,
            };
            let outcome = damaged.ask(i % 2 == 1, i % 4 == 1);
            found += usize::from(outcome == Outcome::Found);
            shortened += usize::from(outcome == Outcome::Shortened);
        }
        (found, shortened)
    });
    let mut current = 0;
    let kept = |current: usize| {
        let (folder, (file, damage)) = (scratch().keep(), all[current]);
        whole.damaged(file, damage, &folder);
        format!("case {current}, {damage:?}, kept in {}", folder.display())
    };
    loop {
        match receive.recv_timeout(PATIENCE) {
            Ok(i) => current = i,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("{} hangs", kept(current)),
        }
    }
    worker.join().unwrap_or_else(|panic| {
        eprintln!("{}", kept(current));
        std::panic::resume_unwind(panic)
    })
}

/// Of any bit in the file. (A bit that made a table's definition no text was once reported as a
/// failure of the file system, as was one that made a blob a text.)
#[test]
fn no_flipped_bit_becomes_a_weight() {
    let example = Example::new(false);
    let length = example.files[0].1.len();
    let mut random = Random::new("no_flipped_bit", 20_260_806);
    // All bits of the header, many of the rows that say what there is, and some of any.
    let part = if in_ci() { 1 } else { 5 };
    let header = (0..Damage::HEADER_BITS).step_by(part).map(Damage::flip);
    let mut cases: Vec<_> = header.map(|damage| (0, damage)).collect();
    let random = &mut random;
    cases.extend((0..800 / part).map(|_| (0, Damage::flip_within(&example.rows, random))));
    cases.extend((0..300 / part).map(|_| (0, Damage::flip_structure(length, random))));
    cases.extend((0..500 / part).map(|_| (0, Damage::flip_anywhere(length, random))));
    let count = cases.len();
    let (found, _) = try_all(example, cases);
    eprintln!("no_flipped_bit: of {count} {found} were found, the others did no harm");
    assert!(found > count / 2);
}

/// Of any bit in the file or the log beside it.
#[test]
fn no_flipped_bit_beside_a_log_becomes_a_weight() {
    let example = Example::new(true);
    let mut random = Random::new("no_flipped_bit_beside_a_log", 20_260_807);
    let count = if in_ci() { 800 } else { 160 };
    let flip = |i: usize| {
        let length = example.files[i % 2].1.len();
        (i % 2, Damage::flip_anywhere(length, &mut random))
    };
    let cases = (0..count).map(flip).collect();
    let (found, shortened) = try_all(example, cases);
    eprintln!("beside a log: of {count} {found} were found, {shortened} ended the log");
    assert!(found > 0 && shortened > 0);
}

/// Of files cut short, pages in each other's place, and pages of zeros.
#[test]
fn no_lost_page_becomes_a_weight() {
    let example = Example::new(false);
    let length = example.files[0].1.len();
    let mut random = Random::new("no_lost_page", 20_260_808);
    let count = if in_ci() { 600 } else { 150 };
    let cases = (0..count).map(|_| (0, Damage::of_pages(length, &mut random)));
    let (found, _) = try_all(example, cases.collect());
    eprintln!("no_lost_page: of {count} {found} were found, the others did no harm");
    assert!(found > count / 2);
}
