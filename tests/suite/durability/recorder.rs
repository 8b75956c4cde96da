//! Another process that records: this program once more, in which one ignored test does the work.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use temporal_vdb::{Durability, Favor, StoreOptions, TemporalStore};

use super::done;
use super::run::{Acknowledged, Run};

const JOB: &str = "TEMPORAL_VDB_TEST_JOB";
const STORE: &str = "TEMPORAL_VDB_TEST_STORE";

/// What is to be recorded, and where.
#[derive(Clone, Debug)]
pub struct Job {
    pub store: PathBuf,
    pub run: Run,
    /// How many steps, after those that are there.
    pub steps: usize,
    pub durability: Durability,
    /// Whether the store is closed in the end, or left as by a process that is killed.
    pub closes: bool,
}

impl Job {
    /// The process that does it. It writes what it has done to `acknowledgements`, unbuffered.
    pub fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let eventual = u8::from(self.durability == Durability::Eventual);
        let closes = u8::from(self.closes);
        let Run { seed, side } = self.run;
        command
            .args([
                "--exact",
                "durability::recorder::child",
                "--ignored",
                "--nocapture",
            ])
            .env(
                JOB,
                format!("{seed} {side} {} {eventual} {closes}", self.steps),
            )
            .env(STORE, &self.store)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn from_environment() -> Option<Self> {
        let text = std::env::var(JOB).ok()?;
        let numbers: Vec<u64> = text.split(' ').map(|word| word.parse().unwrap()).collect();
        let [seed, side, steps, eventual, closes] = numbers[..] else {
            panic!("{text} is no job")
        };
        let durability = [Durability::Immediate, Durability::Eventual];
        Some(Job {
            store: std::env::var_os(STORE)?.into(),
            run: Run {
                seed,
                side: side as usize,
            },
            steps: steps as usize,
            durability: durability[eventual as usize],
            closes: closes == 1,
        })
    }

    /// Many keyframes in half of the runs, and a cache that is too small for them.
    pub fn options(&self) -> StoreOptions {
        StoreOptions {
            durability: self.durability,
            favor: [Favor::Reads, Favor::Size][(self.run.seed / 2 % 2) as usize],
            threads: std::num::NonZeroUsize::new(2),
            cache_bytes: 1 << 16,
            ..StoreOptions::default()
        }
    }

    fn work(&self) {
        let store = done(TemporalStore::open_or_create(&self.store, self.options())).unwrap();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(acknowledgements(&self.store))
            .unwrap();
        let mut say = |what: String| file.write_all(what.as_bytes()).unwrap();
        say("open 0\n".to_owned());
        let latest = done(store.steps()).unwrap().last().map(|info| info.step);
        let first = latest.map_or(0, |step| step + 1);
        for step in first..first.saturating_add(self.steps) {
            self.run.record(&store, step).unwrap();
            say(format!("step {step}\n"));
            if self.run.maintain(&store, step).unwrap() {
                say(format!("prune {step}\n"));
            }
        }
        if !self.closes {
            done(store.seal()).unwrap(); // nothing is under way then
            std::mem::forget(store);
        }
    }
}

/// The file in which a recorder says what it has done.
pub fn acknowledgements(store: &Path) -> PathBuf {
    store.with_extension("acks")
}

impl Acknowledged {
    /// Takes in what a recorder has written; what it was killed in the middle of does not count.
    pub fn read(&mut self, text: &str) {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let (what, step) = line.split_once(' ').unwrap();
            let step = step.parse().unwrap();
            match what {
                "open" => self.opened = true,
                "step" => self.step = Some(step),
                "prune" => self.pruned.push(step),
                other => panic!("a recorder said '{other}'"),
            }
        }
    }
}

/// A process that is recording.
pub struct Recorder {
    process: Child,
    acknowledgements: PathBuf,
}

impl Recorder {
    pub fn start(job: &Job) -> Self {
        let acknowledgements = acknowledgements(&job.store);
        let _ = fs::remove_file(&acknowledgements);
        Recorder {
            process: job.command().spawn().unwrap(),
            acknowledgements,
        }
    }

    /// Waits until it says that it has done something.
    pub fn wait_for(&mut self, what: &str) {
        let begin = Instant::now();
        let said = |path: &Path| fs::read_to_string(path).is_ok_and(|text| text.contains(what));
        while !said(&self.acknowledgements) {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "a recorder hangs"
            );
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("a recorder ended with {status}: {}", self.complaints());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills it, and adds what it has said to what is known.
    pub fn kill(mut self, acknowledged: &mut Acknowledged) {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{}", self.complaints());
        acknowledged.read(&fs::read_to_string(&self.acknowledgements).unwrap_or_default());
    }

    fn complaints(&mut self) -> String {
        let mut text = String::new();
        let stderr = self.process.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut text).unwrap();
        text
    }
}

/// Whoever fails in the middle leaves no process behind.
impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "a process that other tests start"]
fn child() {
    if let Some(job) = Job::from_environment() {
        job.work();
    }
}

/// The files that a store is made of, by name.
pub fn store_files(store: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(store.parent().unwrap()).unwrap();
    let files = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    });
    let mut files: Vec<_> = files.filter(|(name, _)| is_of_store(name)).collect();
    files.sort();
    files
}

/// Whether a file, or the folder, has to do with what is in a store; those that processes share
/// and the recorder's do not.
pub fn is_of_store(name: &str) -> bool {
    let of_processes = ["-shm", ".lock", ".acks"];
    !of_processes.iter().any(|end| name.ends_with(end))
}
