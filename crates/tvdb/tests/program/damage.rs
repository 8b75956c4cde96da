use rusqlite::Connection;
use serde_json::Value;

use super::Folder;
use super::input::Model;

/// A store of twelve steps.
fn folder() -> Folder {
    let folder = Folder::new();
    let mut model = Model::of_weights(&[("fc1.weight", &[150, 140]), ("fc2.weight", &[10, 24])]);
    let names: Vec<_> = (0..12).map(|step| step.to_string()).collect();
    let mut arguments = vec!["record", "run.tvdb"];
    for name in &names {
        folder.write(name, model.file());
        arguments.push(name);
        model.train();
    }
    folder.ok(&arguments);
    folder
}

#[test]
fn a_whole_store_is_found_whole() {
    let folder = folder();
    let found = folder.json(&["verify", "run.tvdb"]);
    assert_eq!(found["ok"], true);
    assert_eq!(
        (&found["commits"], &found["layers"], &found["states"]),
        (&12.into(), &2.into(), &24.into())
    );
    assert!(found["blobs"].as_u64().unwrap() > 0 && found["bytes"].as_u64().unwrap() > 0);
    assert!(
        folder
            .ok(&["verify", "run.tvdb"])
            .starts_with("ok: 12 commits, 2 layers, 24 states, ")
    );
}

#[test]
fn a_flipped_bit_in_any_blob_is_found() {
    let folder = folder();
    let blobs: Vec<Vec<u8>> = {
        let database = Connection::open(folder.path("run.tvdb")).unwrap();
        let mut query = database.prepare("SELECT data FROM blobs").unwrap();
        let blobs = query.query_map([], |row| row.get(0)).unwrap();
        blobs.map(Result::unwrap).collect()
    };
    let whole = folder.read("run.tvdb");
    let mut flipped = 0;
    for blob in &blobs {
        let Some(piece) = blob.get(blob.len() / 2..).and_then(|half| half.get(..16)) else {
            continue;
        };
        // Everywhere: pages that are free now may hold a copy. Where a blob goes on in another page
        // its bytes are not in one piece.
        let mut damaged = whole.clone();
        for at in 0..whole.len() - 16 {
            if whole[at..at + 16] == *piece {
                damaged[at + 7] ^= 1;
            }
        }
        if damaged == whole {
            continue;
        }
        folder.write("bad.tvdb", damaged);
        let output = folder.run(&["verify", "bad.tvdb", "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["ok"], false);
        let stderr = super::text(&output.stderr);
        let error = value["error"].as_str().unwrap();
        assert!(error.contains("bad.tvdb: damaged: "), "{error}");
        assert!(
            stderr.starts_with(&format!("error: {error}\nhint: ")),
            "{stderr}"
        );
        assert!(folder.run(&["verify", "bad.tvdb"]).stdout.is_empty());
        flipped += 1;
    }
    assert!(flipped >= 3, "{flipped} of {} blobs", blobs.len());
    folder.write("bad.tvdb", &whole);
    folder.ok(&["verify", "bad.tvdb"]);
}

/// Wherever a byte changes, nothing panics, and no checkout gives other weights than were recorded.
#[test]
fn damage_anywhere_gives_no_wrong_weights() {
    let folder = folder();
    let whole = folder.read("run.tvdb");
    let truth = folder.read("7");
    for at in (0..whole.len()).step_by(whole.len() / 40 + 1) {
        let mut damaged = whole.clone();
        damaged[at] = !damaged[at];
        folder.write("bad.tvdb", damaged);
        for arguments in [&["verify", "bad.tvdb"][..], &["stats", "bad.tvdb"]] {
            let output = folder.run(arguments);
            let stderr = super::text(&output.stderr);
            assert!(
                matches!(output.status.code(), Some(0 | 1)),
                "byte {at}: {stderr}"
            );
            assert!(!stderr.contains("panicked"), "byte {at}: {stderr}");
        }
        let _ = std::fs::remove_file(folder.path("out"));
        let output = folder.run(&["checkout", "bad.tvdb", "--at", "7", "-o", "out"]);
        if output.status.success() {
            assert!(folder.read("out") == truth, "byte {at}");
        } else {
            assert_eq!(output.status.code(), Some(1), "byte {at}");
            assert!(!folder.path("out").exists(), "byte {at}");
        }
    }
    let half = &whole[..whole.len() / 2];
    folder.write("bad.tvdb", half);
    folder.refuses(&["verify", "bad.tvdb"], &["bad.tvdb", "hint: "]);
}
