use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Folder;
use super::input::Model;

const STEPS: usize = 150;

/// A folder of checkpoints, and a process that records them.
fn recording() -> (Folder, Child) {
    let folder = Folder::new();
    let mut model = Model::of_weights(&[("fc1.weight", &[120, 90]), ("fc2.weight", &[64, 64])]);
    let names: Vec<_> = (0..STEPS).map(|step| format!("step-{step}")).collect();
    for name in &names {
        folder.write(name, model.file());
        model.train();
    }
    let arguments: Vec<_> = ["record", "run.tvdb"]
        .map(str::to_owned)
        .into_iter()
        .chain(names)
        .collect();
    let recorder = folder
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while !folder.path("run.tvdb").exists() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "no store appears"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    (folder, recorder)
}

#[test]
fn stats_and_checkouts_beside_a_run_that_is_recorded() {
    let (folder, mut recorder) = recording();
    let (mut seen, mut during, mut refused) = (0, 0, false);
    let mut running = true;
    while running {
        running = recorder.try_wait().unwrap().is_none();
        for at in ["latest", "7"] {
            let output = folder.run(&["checkout", "run.tvdb", "--at", at, "-o", "out", "--json"]);
            let stderr = super::text(&output.stderr);
            if !output.status.success() {
                assert!(
                    seen == 0 && stderr.contains("no step in the store yet"),
                    "{stderr}"
                );
                continue;
            }
            let value: Value = serde_json::from_slice(&output.stdout).unwrap();
            let step = value["step"].as_u64().unwrap() as usize;
            assert!(
                folder.read("out") == folder.read(&format!("step-{step}")),
                "step {step}"
            );
            if at == "latest" {
                assert!(step >= seen, "{step} after {seen}");
                during += usize::from(step > seen && running);
                seen = step;
            } else {
                assert!(step <= 7);
            }
        }
        let stats = folder.json(&["stats", "run.tvdb"]);
        assert!(
            stats["steps"]["count"].as_u64().unwrap() as usize >= seen,
            "{stats}"
        );
        if running && !refused {
            let output = folder.run(&["record", "run.tvdb", "step-0"]);
            let stderr = super::text(&output.stderr);
            if recorder.try_wait().unwrap().is_none() {
                assert_eq!(output.status.code(), Some(1), "{stderr}");
                assert!(
                    stderr.contains("in use") && stderr.contains("hint: wait"),
                    "{stderr}"
                );
                refused = true;
            } else if output.status.success() {
                return; // The run was over, and this was its next step.
            }
        }
    }
    let output = recorder.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", super::text(&output.stderr));
    assert_eq!(seen, STEPS - 1);
    assert!(during > 0, "the run was over before anything was read");
    folder.ok(&["verify", "run.tvdb"]);
}

#[test]
fn ctrl_c_leaves_whole_steps() {
    interrupted("-INT", Some(130), "error: interrupted\n");
}

/// Only Ctrl-C was listened for: as the first process of a container, which no other signal ends,
/// the program went on until it was killed.
#[test]
fn sigterm_leaves_whole_steps() {
    interrupted("-TERM", Some(143), "error: terminated\n");
}

#[test]
fn a_killed_recorder_leaves_whole_steps() {
    interrupted("-KILL", None, "");
}

/// All that was said to be recorded is there; more is, at most, one step. Recording goes on.
fn interrupted(signal: &str, code: Option<i32>, words: &str) {
    let (folder, mut recorder) = recording();
    let mut printed = BufReader::new(recorder.stdout.take().unwrap()).lines();
    let begun = printed.by_ref().take(9).count();
    let id = recorder.id().to_string();
    let kill = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(kill.success());
    let said = begun + printed.count();
    let output = recorder.wait_with_output().unwrap();
    let stderr = super::text(&output.stderr);
    assert!(
        output.status.code() == code && stderr == words,
        "{}: {stderr}",
        output.status
    );

    let stats = folder.json(&["stats", "run.tvdb"]);
    let count = stats["steps"]["count"].as_u64().unwrap() as usize;
    assert!(
        (said..=said + 1).contains(&count),
        "{count} steps, {said} announced"
    );
    assert!(begun == 9 && count < STEPS, "{begun} {count}");
    folder.ok(&["verify", "run.tvdb"]);
    let newest = format!("step-{}", count - 1);
    assert!(folder.checkout("run.tvdb", "latest") == folder.read(&newest));
    folder.ok(&["record", "run.tvdb", "step-0"]);
    assert!(folder.checkout("run.tvdb", "latest") == folder.read("step-0"));
}
