//! Files that earlier versions have written are read for ever: the golden files hold runs that are
//! told by plain arithmetic (`golden/run.rs`), and every answer about them is compared with it.
//!
//! When the format's version goes up, set `NEWEST` and make files of that version:
//!
//! ```sh
//! cargo nextest run --run-ignored only make_golden
//! ```
//!
//! They are added beside the older ones, which stay as they are.

mod check;
mod layer;
mod perform;
mod run;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row};
use serde_json::Value;
use temporal_vdb::{Error, Favor, StoreOptions, TemporalStore};

use check::check;
use perform::perform;
use run::{Operation, Run};

use crate::tools::python;

/// The newest version of the format, which new golden files have.
const NEWEST: i32 = 1;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/golden");

fn file_name(run: &str, version: i32) -> String {
    format!("{run}.v{version}.tvdb")
}

/// A golden file, copied to where it can be written, and what it holds.
struct Golden {
    folder: tempfile::TempDir,
    name: String,
    run: Run,
}

impl Golden {
    fn all() -> Vec<Golden> {
        let mut files = Vec::new();
        for version in 1..=NEWEST {
            for (name, run) in run::all() {
                let name = file_name(name, version);
                let folder = tempfile::tempdir().unwrap();
                std::fs::copy(Path::new(FOLDER).join(&name), folder.path().join(&name)).unwrap();
                files.push(Golden { folder, name, run });
            }
        }
        files
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }
}

#[tokio::test]
async fn golden_files_are_read() {
    for golden in Golden::all() {
        let store = TemporalStore::open_read_only(golden.path(), StoreOptions::default());
        check(&store.await.unwrap(), &golden.run).await;
    }
}

#[tokio::test]
async fn golden_files_are_carried_on() {
    for mut golden in Golden::all() {
        let path = golden.path();
        let open = || TemporalStore::open(&path, StoreOptions::default());
        let store = open().await.unwrap();
        golden.run.carry_on();
        let newest = golden.run.operations.last().unwrap();
        perform(&store, &golden.run, newest).await;
        store.compact().await.unwrap();
        drop(store);
        check(&open().await.unwrap(), &golden.run).await;
    }
}

/// Not a test: makes golden files of the newest version, where there are none yet.
#[tokio::test]
#[ignore = "writes into the source tree"]
async fn make_golden_files() {
    for (run_name, run) in run::all() {
        let name = file_name(run_name, NEWEST);
        let target = Path::new(FOLDER).join(&name);
        if target.exists() {
            eprintln!("{} is there already, and stays", target.display());
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(&name);
        // Keyframes, although the layers are small; or groups that are as long as they get.
        let options = StoreOptions {
            favor: match run_name {
                "dense" | "snapped" | "merged" => Favor::Size,
                _ => Favor::Reads,
            },
            ..StoreOptions::default()
        };
        let store = TemporalStore::create(&path, options).await.unwrap();
        for operation in &run.operations {
            // Sealed up to here, however fast the work behind recording is.
            if !matches!(operation, Operation::Commit(_)) {
                store.settle().await.unwrap();
            }
            perform(&store, &run, operation).await;
        }
        store.settle().await.unwrap();
        check(&store, &run).await;
        drop(store);
        let log = std::fs::metadata(folder.path().join(name + "-wal"));
        assert_eq!(
            log.map_or(0, |log| log.len()),
            0,
            "the log is part of the store"
        );
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(
            bytes[60..64],
            NEWEST.to_be_bytes(),
            "NEWEST is not what this version writes"
        );
        std::fs::write(&target, bytes).unwrap();
    }
}

/// The files show what they were made to show.
#[test]
fn golden_files_have_every_form() {
    let folder = tempfile::tempdir().unwrap();
    for version in 1..=NEWEST {
        let open = |run: &str| {
            let name = file_name(run, version);
            std::fs::copy(Path::new(FOLDER).join(&name), folder.path().join(&name)).unwrap();
            Connection::open(folder.path().join(&name)).unwrap()
        };
        let full = open("full");
        assert_eq!(all(&full, "SELECT level FROM groups"), [0, 1, 2].into());
        // Runs of one tile, of some, and of more than a keyframe's blob has.
        assert_eq!(
            all(&full, "SELECT per_run FROM groups WHERE level > 0"),
            [1, 2, 8].into()
        );
        assert_eq!(
            all(&full, "SELECT changes = 0 FROM groups WHERE level > 0"),
            [0, 1].into()
        );
        assert_eq!(
            all(&full, "SELECT steps % 8 = 0 FROM groups WHERE level > 0"),
            [0, 1].into()
        );
        let later = "FROM keyframes JOIN layers ON id = layer WHERE step > oldest AND rows > 0";
        assert_eq!(
            all(&full, &format!("SELECT anchor IS NULL {later}")),
            [0, 1].into()
        );
        assert_eq!(
            all(&full, "SELECT members IS NULL FROM commits"),
            [0, 1].into()
        );
        let forms = |database: &Connection, which: &str| -> BTreeSet<Option<u8>> {
            let blobs = blobs_of_groups(database, which);
            blobs
                .iter()
                .map(|(_, blob)| blob.first().copied())
                .collect()
        };
        let fast = forms(&full, "codebook IS NULL AND data <> x''");
        assert_eq!(fast, [0, 1, 2, 3].map(Some).into());

        let pruned = open("pruned");
        assert!(all(&pruned, "SELECT first_seq > 1 FROM tip").contains(&1));
        let hidden = "SELECT count(*) FROM groups JOIN layers ON id = layer WHERE first <= oldest";
        assert_eq!(all(&pruned, hidden), [2].into());

        let dense = open("dense");
        assert_eq!(
            all(
                &dense,
                "SELECT codebook IS NULL FROM groups WHERE level > 0"
            ),
            [0, 1].into()
        );
        assert!(all(&dense, "SELECT level FROM groups").contains(&0));
        // Blobs, and tiles without changes.
        let is_dense = "codebook IS NOT NULL";
        assert_eq!(forms(&dense, is_dense), [None, Some(4)].into());
        // Of one stretch, which has all slabs, and of more; with a short last slab.
        let whole = |(steps, blob): &(usize, Vec<u8>)| {
            let slabs = blob.get(1..3)?;
            Some(usize::from(slabs[0]) + 256 * usize::from(slabs[1]) == steps.div_ceil(8))
        };
        let blobs = blobs_of_groups(&dense, is_dense);
        let found: BTreeSet<bool> = blobs.iter().filter_map(whole).collect();
        assert_eq!(found, [false, true].into());
        assert!(blobs.iter().any(|(steps, _)| steps % 8 > 0));
        // Several groups have one codebook. What pruning has left of one that it cut is in the fast
        // coding.
        let with_codebooks =
            format!("SELECT count(*) > count(DISTINCT codebook) FROM groups WHERE {is_dense}");
        assert_eq!(all(&dense, &with_codebooks), [1].into());
        let left = "SELECT count(*) FROM groups JOIN layers ON id = layer \
                    WHERE oldest > created AND codebook IS NULL AND level > 1 \
                    AND first = (SELECT min(step) FROM commits WHERE step > oldest)";
        assert_eq!(all(&dense, left), [1].into());

        let snapped = open("snapped");
        // In either coding and in the journal, beside groups without a lattice.
        for which in [
            "codebook IS NULL AND level > 0",
            "codebook IS NOT NULL",
            "level = 0",
        ] {
            let lattices = format!("SELECT ifnull(lattice, 0) FROM groups WHERE {which}");
            assert!(all(&snapped, &lattices).contains(&0x3c00_0000), "{which}");
        }
        assert!(all(&snapped, "SELECT ifnull(lattice, 0) FROM groups").contains(&0));

        check_forms_of_merged(&open("merged"));
    }
}

/// What the file of merged steps was made to show.
fn check_forms_of_merged(merged: &Connection) {
    let all = |sql: &str| all(merged, sql);
    // Commits between others have gone, and those before the first.
    assert_eq!(all("SELECT before IS NULL FROM commits"), [0, 1].into());
    assert_eq!(all("SELECT first_seq > 1 FROM tip"), [1].into());
    // One is no step of any layer, and stays for its metadata.
    let kept = "SELECT count(*) FROM commits WHERE metadata <> '' AND layers = \
                (SELECT count(*) FROM gaps WHERE seq BETWEEN first AND last)";
    assert_eq!(all(kept), [1].into());
    // Gaps of each kind, with commits in them that are steps of other layers, and without any.
    for kind in ["changes IS NULL", "changes = 0", "changes > 0"] {
        let gaps = format!("SELECT count(*) > 0 FROM gaps WHERE {kind}");
        assert_eq!(all(&gaps), [1].into(), "{kind}");
    }
    let inside = "SELECT min(1, (SELECT count(*) FROM commits WHERE metadata = '' \
                  AND seq BETWEEN first AND last)) FROM gaps WHERE changes > 0";
    assert_eq!(all(inside), [0, 1].into());
    // Merged steps in either coding, by units in the last place and on a lattice; several in one
    // group.
    let of_merged = "FROM groups JOIN gaps ON gaps.layer = groups.layer AND gaps.changes > 0 \
                     AND (SELECT step FROM commits WHERE seq > gaps.last ORDER BY seq LIMIT 1) \
                     BETWEEN groups.first AND groups.last";
    for what in ["codebook IS NULL", "lattice IS NULL"] {
        let forms = all(&format!("SELECT {what} {of_merged}"));
        assert_eq!(forms, [0, 1].into(), "{what}");
    }
    let several = format!(
        "SELECT count(*) > 4 {of_merged} WHERE codebook IS NOT NULL \
         GROUP BY groups.layer, groups.first"
    );
    assert!(all(&several).contains(&1));
    let settings = "SELECT tags <> '{}' AND retention LIKE '%\"store\":\"tiers %' \
                    AND retention LIKE '%\"layers\":{%' FROM settings";
    assert_eq!(all(settings), [1].into());
}

/// The numbers that a query finds.
fn all(database: &Connection, sql: &str) -> BTreeSet<i64> {
    let mut query = database.prepare(sql).unwrap();
    let found = query.query_map([], |row| row.get(0)).unwrap();
    found.collect::<Result<_, _>>().unwrap()
}

/// The blobs of some groups, each with the number of its group's steps.
fn blobs_of_groups(database: &Connection, which: &str) -> Vec<(usize, Vec<u8>)> {
    let sql = format!(
        "SELECT steps, data FROM groups JOIN blobs \
         ON id >= blob AND id < blob + length(manifest) / 8 WHERE {which}"
    );
    let mut query = database.prepare(&sql).unwrap();
    let steps = |row: &Row| row.get::<_, u32>(0).map(|steps| steps as usize);
    let found = query.query_map([], |row| Ok((steps(row)?, row.get(1)?)));
    found.unwrap().collect::<Result<_, _>>().unwrap()
}

/// A file with other tables is refused, so the document must have them to the letter.
#[test]
fn the_document_has_the_tables() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format.md");
    let document = std::fs::read_to_string(path).unwrap();
    let document = document.split_whitespace().collect::<Vec<_>>().join(" ");
    let golden = Golden::all().pop().unwrap(); // of the newest version
    let database = Connection::open(golden.path()).unwrap();
    let mut query = database.prepare("SELECT sql FROM sqlite_schema").unwrap();
    let tables = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let tables: Vec<String> = tables.map(Result::unwrap).collect();
    assert_eq!(tables.len(), 8);
    for table in tables {
        assert!(document.contains(&table), "{table}");
    }
}

/// A reader in another language, which does what `docs/format.md` says, finds the same states.
#[test]
fn an_independent_reader_finds_the_same_states() {
    for golden in Golden::all() {
        let Some(output) = read_store(&golden.path(), golden.run.times()) else {
            return;
        };
        let mut rest = &output[..];
        for t in golden.run.times() {
            for layer in &golden.run.layers {
                let Some((step, bytes)) = layer.state_at(t) else {
                    continue;
                };
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
                let header: Value = serde_json::from_slice(&rest[..end]).unwrap();
                let data = &rest[end + 1..][..bytes.len()];
                rest = &rest[end + 1 + bytes.len()..];
                let expected = serde_json::json!({
                    "at": t,
                    "layer": layer.name,
                    "dtype": layer.dtype.name(),
                    "shape": layer.shape,
                    "step": step,
                    "bytes": bytes.len(),
                });
                assert_eq!(header, expected);
                assert!(data == bytes, "{} at {t}", layer.name);
            }
        }
        assert!(rest.is_empty());
    }
}

/// What the reader prints of some times.
fn read_store(path: &Path, times: impl Iterator<Item = usize>) -> Option<Vec<u8>> {
    let mut arguments = vec![path.to_str().unwrap().to_owned()];
    arguments.extend(times.map(|t| t.to_string()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    python("golden/read_store.py", &arguments)
}

#[tokio::test]
async fn a_newer_format_is_refused_by_its_number() {
    let golden = &Golden::all()[0];
    let newer = NEWEST + 1;
    let mut bytes = std::fs::read(golden.path()).unwrap();
    bytes[60..64].copy_from_slice(&newer.to_be_bytes());
    std::fs::write(golden.path(), bytes).unwrap();
    for error in refusals(&golden.path()).await {
        let text = error.to_string();
        let numbers = |found, supported| (found, supported) == (newer, NEWEST);
        assert!(
            matches!(error, Error::NewerFormat { found, supported, .. } if numbers(found, supported))
        );
        assert!(text.contains(&format!("format {newer}")), "{text}");
        assert!(text.contains(&format!("up to {NEWEST}")), "{text}");
    }
}

#[tokio::test]
async fn other_files_are_no_stores() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let other = Connection::open(path("other")).unwrap();
    other
        .execute_batch("CREATE TABLE layers (id INTEGER PRIMARY KEY); PRAGMA user_version = 1;")
        .unwrap();
    other.close().unwrap();
    for (name, content) in [
        ("text", "weights\n"),
        ("long text", &"weights\n".repeat(9999)),
        ("empty", ""),
    ] {
        std::fs::write(path(name), content).unwrap();
    }
    for name in ["other", "text", "long text", "empty"] {
        let before = std::fs::read(path(name)).unwrap();
        for error in refusals(&path(name)).await {
            assert!(
                matches!(error, Error::NotAStore { .. }),
                "{name}: {error:?}"
            );
        }
        assert!(
            std::fs::read(path(name)).unwrap() == before,
            "{name} was changed"
        );
    }
}

/// What opening a file for reading and for writing fails with.
async fn refusals(path: &Path) -> [Error; 2] {
    [
        TemporalStore::open_read_only(path, StoreOptions::default())
            .await
            .unwrap_err(),
        TemporalStore::open(path, StoreOptions::default())
            .await
            .unwrap_err(),
    ]
}
