use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Folder, text};

#[test]
fn later_steps_go_and_recording_goes_on() {
    let folder = Folder::recorded(20);
    folder.ok(&["tag", "run.tvdb", "good", "--at", "9"]);
    let printed = folder.ok(&["rollback", "run.tvdb", "--to", "12", "--yes"]);
    assert_eq!(
        printed,
        "run.tvdb: dropped 7 steps (13 to 19); the latest is step 12\n"
    );
    assert_eq!(folder.steps(), (0..=12).collect::<Vec<_>>());
    folder.steps_are_whole();

    let done = folder.json(&["rollback", "run.tvdb", "--to", "good", "-y"]);
    let expected = json!({ "path": "run.tvdb", "to": "good", "dropped": 3, "latest": 9 });
    assert_eq!(done, expected);
    folder.ok(&["record", "run.tvdb", "10", "11"]);
    assert_eq!(folder.steps(), (0..=11).collect::<Vec<_>>());
    folder.steps_are_whole();

    for to in ["11", "100", "latest"] {
        let printed = folder.ok(&["rollback", "run.tvdb", "--to", to, "--yes"]);
        assert_eq!(
            printed,
            "run.tvdb: there is no later step to drop; the latest is step 11\n"
        );
    }
}

#[test]
fn layers_that_began_later_go() {
    let folder = Folder::recorded(4);
    folder.ok(&["record", "other.tvdb", "0", "--layers", "fc1*"]);
    folder.ok(&["record", "other.tvdb", "1", "2", "--allow-new-layers"]);
    folder.ok(&["rollback", "other.tvdb", "--to", "0", "--yes"]);
    let stats = folder.json(&["stats", "other.tvdb"]);
    assert_eq!(stats["layers"].as_array().unwrap().len(), 1);
    folder.ok(&["verify", "other.tvdb"]);
}

#[test]
fn what_cannot_be_dropped_is_refused() {
    let folder = Folder::recorded(8);
    folder.ok(&["prune", "run.tvdb", "--keep-last", "5"]);
    folder.ok(&["tag", "run.tvdb", "late", "--at", "6"]);
    folder.ok(&["tag", "run.tvdb", "later", "--at", "7"]);
    let before = folder.read("run.tvdb");
    for (to, words) in [
        (
            "1",
            &["step 1 is pruned: the oldest retained step is 2", "hint: "][..],
        ),
        ("4", &["step 6 is pinned by tag 'late'", "--delete"]),
        ("never", &["no tag 'never'", "hint: "]),
    ] {
        folder.refuses(&["rollback", "run.tvdb", "--to", to, "--yes"], words);
    }
    // Nobody can be asked in a pipe.
    let stderr = folder.fails(2, &["rollback", "run.tvdb", "--to", "7"]);
    assert!(stderr.contains("hint: give --yes"), "{stderr}");
    assert!(folder.read("run.tvdb") == before);
}

/// What the program does on a terminal, where somebody types `answer`.
fn on_a_terminal(folder: &Folder, answer: &str) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_tvdb");
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("'{program}' rollback run.tvdb --to 3"))
        .arg("/dev/null")
        .current_dir(folder.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (
        terminal.stdin.take().unwrap(),
        terminal.stdout.take().unwrap(),
    );
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(b"[y/N] ") && screen.read(&mut byte).unwrap() > 0 {
        said.push(byte[0]);
    }
    keys.write_all(answer.as_bytes()).unwrap();
    screen.read_to_end(&mut said).unwrap();
    (terminal.wait().unwrap().code(), text(&said))
}

#[test]
fn on_a_terminal_it_asks() {
    let folder = Folder::recorded(6);
    let question = "run.tvdb: drop 2 steps (4 to 5) for good? [y/N] ";
    for answer in ["n\n", "\n", "yesterday\n"] {
        let (code, said) = on_a_terminal(&folder, answer);
        assert!(
            said.contains(question) && said.contains("not confirmed"),
            "{said}"
        );
        assert_eq!(code, Some(1));
        assert_eq!(folder.steps().len(), 6);
    }
    // Ctrl-C, which nothing waits for.
    let (code, said) = on_a_terminal(&folder, "\u{3}");
    assert_eq!(code, Some(130), "{said}");
    let (code, said) = on_a_terminal(&folder, "Y\n");
    assert!(
        code == Some(0) && said.contains("the latest is step 3"),
        "{said}"
    );
    assert_eq!(folder.steps(), [0, 1, 2, 3]);
}
