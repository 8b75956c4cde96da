//! Volumes in the programs that people open them with. The tests are those of tests/viewers, in Python:
//! here they get the program and a run. OpenVDB's own readers take seconds; the others need packages of
//! their own and minutes:
//!
//! ```sh
//! ./run test --viewers
//! ```

#[path = "../examples/guide_run/run.rs"]
mod guide_run;

use std::path::Path;
use std::process::Command;

#[test]
fn readers_of_openvdb() {
    succeeds("readers.py");
}

#[test]
#[ignore = "takes minutes, and Blender: ./run test --viewers"]
fn viewers_of_others() {
    succeeds("viewers.py");
}

fn succeeds(tests: &str) {
    // What the modules need belongs to the system's own Python.
    let python = Path::new("/usr/bin/python3");
    if !python.exists() {
        assert!(std::env::var_os("CI").is_none(), "Python is needed in CI");
        eprintln!("SKIPPED: {tests}: there is no {}", python.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    guide_run::write(folder.path()).unwrap();
    let status = Command::new(python)
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../tests/viewers")
                .join(tests),
        )
        .env("TVDB", env!("CARGO_BIN_EXE_tvdb"))
        .env("TVDB_CHECKPOINTS", folder.path().join("checkpoints"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .status();
    assert!(status.unwrap().success(), "{tests} fails: see above");
}
