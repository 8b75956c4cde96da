use serde_json::Value;
use temporal_vdb::{StoreOptions, TemporalStore};

use super::Folder;
use super::input::Model;

/// Three slabs, and a journal of three steps; too few for anything to be merged while recording.
const STEPS: usize = 28;

/// A store of a bf16 run, which is as dense coding likes it.
fn folder() -> Folder {
    let folder = Folder::new();
    let mut model = Model::of_bf16_weights("weight", [128, 192]);
    let names: Vec<_> = (0..STEPS).map(|step| format!("step-{step}")).collect();
    let mut arguments = vec!["record", "run.tvdb"];
    for name in &names {
        folder.write(name, model.file());
        arguments.push(name);
        model.jitter();
    }
    folder.ok(&arguments);
    folder
}

/// Steps are checked out as the files that were recorded, and all are what their digests say.
fn steps_are_there(folder: &Folder, steps: impl Iterator<Item = usize>) {
    for step in steps {
        let back = folder.checkout("run.tvdb", &step.to_string());
        assert!(back == folder.read(&format!("step-{step}")), "step {step}");
    }
    folder.ok(&["verify", "run.tvdb"]);
}

/// Bytes of the file, and bytes per change.
fn size(value: &Value) -> (u64, f64) {
    (
        value["file_bytes"].as_u64().unwrap(),
        value["bytes_per_change"].as_f64().unwrap(),
    )
}

#[test]
fn dense_is_smaller_and_every_step_stays() {
    let folder = folder();
    steps_are_there(&folder, 0..STEPS);
    let stats = folder.json(&["stats", "run.tvdb"]);
    assert!(stats["bytes"]["journal"].as_u64().unwrap() > 0, "{stats}");
    assert!(stats["changes"].as_u64().unwrap() > 40_000, "{stats}");

    let mut sizes = Vec::new();
    let mut last = (
        stats["bytes"]["file"].as_u64().unwrap(),
        stats["bytes_per_change"].as_f64().unwrap(),
    );
    for codec in ["fast", "dense", "dense", "fast"] {
        let value = folder.json(&["compact", "run.tvdb", "--codec", codec]);
        assert_eq!(value["path"], "run.tvdb");
        assert_eq!(value["codec"], codec);
        assert!(value["seconds"].as_f64().unwrap() > 0.0, "{value}");
        assert_eq!(size(&value["before"]), last, "{codec}");
        last = size(&value["after"]);
        sizes.push(last);

        let length = std::fs::metadata(folder.path("run.tvdb")).unwrap().len();
        assert_eq!(last.0, length, "{codec}");
        let stats = folder.json(&["stats", "run.tvdb"]);
        assert_eq!(stats["bytes"]["journal"], 0, "{codec}: {stats}");
        assert_eq!(
            stats["bytes_per_change"],
            value["after"]["bytes_per_change"]
        );
        let apart = if codec == "dense" { 1 } else { 9 };
        steps_are_there(&folder, (0..STEPS).step_by(apart));
    }
    let [fast, dense, again, back] = sizes[..] else {
        panic!("{sizes:?}");
    };
    assert!(dense.0 < fast.0 && dense.1 < 0.8 * fast.1, "{sizes:?}");
    assert_eq!(again, dense, "what is dense already stays");
    assert!(back.0 > dense.0 && back.1 > dense.1 / 0.8, "{sizes:?}");
}

#[test]
fn people_read_a_table() {
    let folder = folder();
    let before = folder.json(&["stats", "run.tvdb"]);
    let printed = folder.ok(&["compact", "run.tvdb"]);
    let after = folder.json(&["stats", "run.tvdb"]);
    let lines: Vec<&str> = printed.lines().collect();
    let [title, "", heading, file, change] = lines[..] else {
        panic!("{printed}");
    };
    assert!(title.starts_with("run.tvdb: compacted in "), "{title}");
    assert!(title.ends_with(" s, dense"), "{title}");
    let columns = |line: &str| {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        words
    };
    assert_eq!(columns(heading), ["before", "after", "times"]);
    let kilobytes = |stats: &Value| {
        let bytes = stats["bytes"]["file"].as_u64().unwrap();
        format!("{:.1}", bytes as f64 / 1e3)
    };
    let found = columns(file);
    assert_eq!(found[..2], ["file".to_owned(), kilobytes(&before)]);
    assert_eq!(found[3], kilobytes(&after));
    let each = |stats: &Value| stats["bytes_per_change"].as_f64().unwrap();
    let expected = format!(
        "a change {:.2} B {:.2} B {:.2}",
        each(&before),
        each(&after),
        each(&after) / each(&before)
    );
    assert_eq!(columns(change).join(" "), expected);
    assert!(printed.lines().all(|line| line.len() <= 40), "{printed}");
}

#[test]
fn recording_goes_on_afterwards() {
    let folder = folder();
    folder.ok(&["compact", "run.tvdb"]);
    folder.ok(&["record", "run.tvdb", "step-3"]);
    assert!(folder.checkout("run.tvdb", "latest") == folder.read("step-3"));
    let stats = folder.json(&["stats", "run.tvdb"]);
    assert!(stats["bytes"]["journal"].as_u64().unwrap() > 0, "{stats}");
    steps_are_there(&folder, (0..STEPS).step_by(9));
}

#[test]
fn a_store_of_one_step_has_no_changes() {
    let folder = Folder::new();
    folder.write("a", Model::of_bf16_weights("weight", [8, 8]).file());
    folder.ok(&["record", "run.tvdb", "a"]);
    let value = folder.json(&["compact", "run.tvdb"]);
    assert!(value["before"]["bytes_per_change"].is_null(), "{value}");
    assert!(value["after"]["bytes_per_change"].is_null(), "{value}");
    assert!(!folder.ok(&["compact", "run.tvdb"]).contains("change"));
    assert!(folder.checkout("run.tvdb", "0") == folder.read("a"));
}

#[tokio::test]
async fn nobody_else_may_be_writing() {
    let folder = folder();
    let store = TemporalStore::open(folder.path("run.tvdb"), StoreOptions::default())
        .await
        .unwrap();
    folder.refuses(&["compact", "run.tvdb"], &["in use", "hint: wait"]);
    drop(store);
    // A reader is in nobody's way.
    let reader = TemporalStore::open_read_only(folder.path("run.tvdb"), StoreOptions::default())
        .await
        .unwrap();
    folder.ok(&["compact", "run.tvdb"]);
    reader.verify(|_, _| ()).await.unwrap();
}

#[test]
fn a_file_that_is_not_there_is_not_made() {
    let folder = Folder::new();
    folder.refuses(
        &["compact", "nowhere.tvdb"],
        &["nowhere.tvdb", "hint: is the path right"],
    );
    assert_eq!(std::fs::read_dir(folder.path(".")).unwrap().count(), 0);
}
