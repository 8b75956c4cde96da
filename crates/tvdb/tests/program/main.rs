//! The program, as its users run it: what it prints, how it ends, which files it leaves.

mod beside;
mod compact;
mod damage;
mod history;
mod hot;
mod input;
mod log;
mod moving;
mod options;
mod picture;
mod plot;
mod prune;
mod refusals;
mod rollback;
mod round_trip;
mod tag;
mod together;
mod volumes;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::tensor::Dtype;
use serde_json::Value;

use input::Model;

/// A folder to run the program in.
struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Folder {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With a store of so many steps, and the files they were recorded from: `0`, `1`, and so on.
    /// There are two matrices, and a tensor that is kept whole.
    fn recorded(steps: usize) -> Self {
        let folder = Folder::new();
        let mut model = Model::of_any_bits(&[
            ("fc1.weight", Dtype::F32, &[40, 50]),
            ("fc2.weight", Dtype::BF16, &[12, 7]),
            ("counter", Dtype::I64, &[]),
        ]);
        for step in 0..steps {
            let name = step.to_string();
            folder.write(&name, model.file());
            let note = format!("loss=0.{step:02}");
            folder.ok(&["record", "run.tvdb", &name, "--note", &note]);
            model.scramble();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        command(self.folder.path(), arguments)
    }

    fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the program prints; it must succeed, and say nothing on stderr.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = text(&output.stderr);
        assert!(
            output.status.success() && stderr.is_empty(),
            "{arguments:?}: {stderr}"
        );
        text(&output.stdout)
    }

    /// What it prints with `--json`.
    fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// What it says on stderr; it must fail with `code`, in an orderly way.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
        stderr
    }

    /// It must fail with code 1, in an orderly way, and say each of `words`.
    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let stderr = self.fails(1, arguments);
        for word in words {
            assert!(
                stderr.contains(word),
                "{arguments:?}: no {word:?} in: {stderr}"
            );
        }
    }

    /// What is printed for people, where a line can have so many columns.
    fn narrow(&self, columns: usize, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        let output = command
            .env("COLUMNS", columns.to_string())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let printed = text(&output.stdout);
        let fits = |line: &str| line.chars().count() <= columns;
        assert!(printed.lines().all(fits), "{columns}:\n{printed}");
        printed
    }

    /// The steps there are, ascending.
    fn steps(&self) -> Vec<u64> {
        let log = self.json(&["log", "run.tvdb"]);
        let steps = log.as_array().unwrap().iter().rev();
        steps.map(|step| step["step"].as_u64().unwrap()).collect()
    }

    /// All steps there are come back as the files that were recorded, and the store is whole.
    fn steps_are_whole(&self) {
        self.steps_are_whole_from(0);
    }

    /// All steps from `first` on, which all layers have, come back as the files that were recorded, and
    /// the store is whole.
    fn steps_are_whole_from(&self, first: u64) {
        for step in self.steps().into_iter().filter(|step| *step >= first) {
            let name = step.to_string();
            assert!(
                self.checkout("run.tvdb", &name) == self.read(&name),
                "step {step}"
            );
        }
        self.ok(&["verify", "run.tvdb"]);
    }

    /// The file that a step is checked out as.
    fn checkout(&self, store: &str, at: &str) -> Vec<u8> {
        self.ok(&["checkout", store, "--at", at, "-o", "checked-out"]);
        self.read("checked-out")
    }
}

fn command(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tvdb"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("COLUMNS");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
