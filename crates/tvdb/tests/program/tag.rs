use serde_json::json;
use temporal_vdb::{StoreOptions, TemporalStore};

use super::Folder;

#[test]
fn a_tag_is_set_listed_used_and_taken_away() {
    let folder = Folder::recorded(6);
    assert_eq!(folder.ok(&["tag", "run.tvdb"]), "run.tvdb: no tags\n");
    assert_eq!(folder.json(&["tag", "run.tvdb"]), json!([]));
    assert_eq!(
        folder.ok(&["tag", "run.tvdb", "best", "--at", "3"]),
        "step 3 is 'best'\n"
    );
    let newest = folder.json(&["tag", "run.tvdb", "newest"]);
    assert_eq!(
        newest,
        json!({ "name": "newest", "step": 5, "deleted": false })
    );
    assert_eq!(
        folder.ok(&["tag", "run.tvdb", "the last one", "--at", "latest"]),
        "step 5 is 'the last one'\n"
    );
    assert_eq!(
        folder.ok(&["tag", "run.tvdb", "good", "--at", "best"]),
        "step 3 is 'good'\n"
    );

    let tags = folder.json(&["tag", "run.tvdb"]);
    let names: Vec<_> = tags
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    assert_eq!(names, ["newest", "the last one", "best", "good"]);
    assert_eq!(
        (&tags[2]["step"], &tags[2]["notes"]),
        (&3.into(), &json!({ "loss": 0.03 }))
    );
    let log = folder.json(&["log", "run.tvdb"]);
    assert_eq!(tags[2]["time"], log[2]["time"]);
    let printed = folder.ok(&["tag", "run.tvdb"]);
    assert!(
        printed
            .starts_with("tag           step  time (UTC)           notes\nnewest           5  20"),
        "{printed}"
    );
    for columns in [32, 40, 60] {
        assert!(
            folder
                .narrow(columns, &["tag", "run.tvdb"])
                .contains("\nbest ")
        );
    }

    assert!(folder.checkout("run.tvdb", "best") == folder.read("3"));
    let printed = folder.ok(&["checkout", "run.tvdb", "--at", "best", "-o", "out"]);
    assert!(printed.starts_with("step 3 (best) -> out ("), "{printed}");
    let value = folder.json(&[
        "checkout", "run.tvdb", "--at", "best", "--exact", "-o", "out",
    ]);
    assert_eq!(
        (&value["asked"], &value["step"]),
        (&"best".into(), &3.into())
    );

    assert_eq!(
        folder.ok(&["tag", "run.tvdb", "--delete", "best"]),
        "step 3 is not 'best' any more\n"
    );
    let gone = folder.json(&["tag", "run.tvdb", "--delete", "newest"]);
    assert_eq!(
        gone,
        json!({ "name": "newest", "step": 5, "deleted": true })
    );
    assert_eq!(
        folder.json(&["tag", "run.tvdb"]).as_array().unwrap().len(),
        2
    );
    folder.steps_are_whole();
}

#[test]
fn what_cannot_be_a_tag_is_refused() {
    let folder = Folder::recorded(3);
    folder.ok(&["tag", "run.tvdb", "best", "--at", "1"]);
    let before = folder.read("run.tvdb");
    for (arguments, words) in [
        (
            &["best"][..],
            &["there is a tag 'best' already, at step 1", "--delete"][..],
        ),
        (&["7"], &["'7' cannot name a step"]),
        (&[""], &["'' cannot name a step"]),
        (&["a\nb"], &["cannot name a step"]),
        (
            &["far", "--at", "9"],
            &["no step 9: the nearest ones are 2 and none", "tvdb log"],
        ),
        (
            &["far", "--at", "bst"],
            &["no tag 'bst': is it 'best'?", "tvdb tag"],
        ),
        (&["--delete", "worst"], &["no tag 'worst'", "hint: "]),
        (&["--delete", "1"], &["no tag '1'"]),
    ] {
        folder.refuses(&[&["tag", "run.tvdb"], arguments].concat(), words);
    }
    let stderr = folder.fails(2, &["tag", "run.tvdb", "latest"]);
    assert!(stderr.contains("always is the newest step"), "{stderr}");
    folder.refuses(
        &["checkout", "run.tvdb", "--at", "soon", "-o", "out"],
        &["no tag 'soon'", "hint: "],
    );
    assert!(folder.read("run.tvdb") == before && !folder.path("out").exists());
}

#[test]
fn stats_tell_of_tags_and_policies() {
    let folder = Folder::recorded(4);
    let stats = folder.json(&["stats", "run.tvdb"]);
    assert_eq!(stats["tags"], json!({}));
    assert_eq!(stats["retention"], json!({ "common": "all", "layers": {} }));
    let printed = folder.ok(&["stats", "run.tvdb"]);
    assert!(
        !printed.contains("tags") && !printed.contains("keeps"),
        "{printed}"
    );

    folder.ok(&["tag", "run.tvdb", "best", "--at", "2"]);
    folder.ok(&["prune", "run.tvdb", "--keep-last", "50", "--set"]);
    folder.ok(&[
        "prune", "run.tvdb", "--tiers", "9,4@10", "--set", "--layers", "fc2*",
    ]);
    let stats = folder.json(&["stats", "run.tvdb"]);
    assert_eq!(stats["tags"], json!({ "best": 2 }));
    let expected = json!({ "common": "last 50", "layers": { "fc2.weight": "tiers 9@1,4@10" } });
    assert_eq!(stats["retention"], expected);
    let printed = folder.ok(&["stats", "run.tvdb"]);
    let lines = "\ntags    best (2)\nkeeps   last 50; tiers 9@1,4@10 of 1 layer\n\n";
    assert!(printed.contains(lines), "{printed}");
    folder.narrow(40, &["stats", "run.tvdb"]);
}

#[tokio::test]
async fn beside_another_process() {
    let folder = Folder::recorded(3);
    folder.ok(&["tag", "run.tvdb", "best", "--at", "1"]);
    let store = TemporalStore::open(folder.path("run.tvdb"), StoreOptions::default())
        .await
        .unwrap();
    for arguments in [
        &["tag", "run.tvdb", "other"][..],
        &["tag", "run.tvdb", "--delete", "best"],
        &["prune", "run.tvdb", "--keep-last", "1"],
        &["prune", "run.tvdb", "--keep-last", "1", "--dry-run"],
        &["rollback", "run.tvdb", "--to", "1", "--yes"],
    ] {
        folder.refuses(arguments, &["in use", "hint: wait"]);
    }
    assert!(folder.ok(&["tag", "run.tvdb"]).contains("best"));
    assert_eq!(folder.steps(), [0, 1, 2]);
    drop(store);
    folder.ok(&["tag", "run.tvdb", "other"]);
}
