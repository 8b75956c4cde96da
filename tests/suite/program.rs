//! The program, as its users run it: what it prints, how it ends, which files it leaves.

mod beside;
mod compact;
mod damage;
mod input;
mod options;
mod refusals;
mod round_trip;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

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

    /// The same, with each of `words` in what it says.
    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let stderr = self.fails(1, arguments);
        for word in words {
            assert!(
                stderr.contains(word),
                "{arguments:?}: no {word:?} in: {stderr}"
            );
        }
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
