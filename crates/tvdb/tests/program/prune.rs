use serde_json::{Value, json};

use super::Folder;

/// What a dry run says is what is done then; it changes nothing itself.
fn as_in_a_dry_run(folder: &Folder, arguments: &[&str]) -> Value {
    let arguments = [&["prune", "run.tvdb"], arguments].concat();
    let (bytes, steps) = (folder.read("run.tvdb"), folder.steps());
    let said = folder.ok(&[&arguments[..], &["--dry-run"]].concat());
    assert!(
        said.starts_with("run.tvdb: not pruned (dry run)\n\n"),
        "{said}"
    );
    let mut plan = folder.json(&[&arguments[..], &["--dry-run"]].concat());
    assert!(folder.read("run.tvdb") == bytes && folder.steps() == steps);
    assert_eq!(
        (&plan["dry_run"], &plan["set"]),
        (&true.into(), &false.into())
    );

    let done = folder.json(&arguments);
    plan["dry_run"] = false.into();
    plan["set"] = done["set"].clone();
    if plan["layers"] != json!([]) {
        // What one layer leaves behind may share pages with what another does.
        plan["freed_bytes"] = done["freed_bytes"].clone();
        for (plan, done) in plan["layers"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .zip(done["layers"].as_array().unwrap())
        {
            plan["freed_bytes"] = done["freed_bytes"].clone();
        }
    }
    assert_eq!(plan, done);
    let left: Vec<u64> = steps
        .into_iter()
        .filter(|step| !done["steps"].as_array().unwrap().contains(&json!(step)))
        .collect();
    assert_eq!(folder.steps(), left);
    assert_eq!(done["left"], left.len());
    assert_eq!(done["oldest"], left[0]);
    let layers = done["layers"].as_array().unwrap().iter();
    let oldest = layers.map(|layer| layer["oldest"].as_u64().unwrap()).max();
    folder.steps_are_whole_from(oldest.unwrap_or(0));
    done
}

#[test]
fn the_newest_steps_stay_as_they_are() {
    let folder = Folder::recorded(30);
    folder.steps_are_whole();
    let done = as_in_a_dry_run(&folder, &["--keep-last", "10"]);
    assert_eq!(done["path"], "run.tvdb");
    assert_eq!(done["policy"], "last 10");
    assert_eq!(done["steps"], json!((0..19).collect::<Vec<_>>()));
    assert!(done["freed_bytes"].as_u64().unwrap() > 0, "{done}");
    folder.refuses(
        &["checkout", "run.tvdb", "--at", "18", "-o", "x"],
        &[
            "step 18 is pruned: the oldest retained step is 19",
            "hint: ",
        ],
    );
    let before = folder.json(&["stats", "run.tvdb"])["bytes"]["file"].as_u64();
    folder.ok(&["compact", "run.tvdb"]);
    let after = folder.json(&["stats", "run.tvdb"])["bytes"]["file"].as_u64();
    assert!(after < before, "{after:?} {before:?}");
    folder.steps_are_whole();

    // Once more there is nothing to do, and recording goes on.
    let done = as_in_a_dry_run(&folder, &["--keep-last", "10"]);
    assert_eq!((&done["steps"], &done["oldest"]), (&json!([]), &19.into()));
    folder.ok(&["record", "run.tvdb", "3"]);
    assert!(folder.checkout("run.tvdb", "30") == folder.read("3"));
}

#[test]
fn older_steps_thin_out() {
    let folder = Folder::recorded(40);
    folder.ok(&["tag", "run.tvdb", "best", "--at", "13"]);
    let done = as_in_a_dry_run(&folder, &["--tiers", "5,2@5,2@10"]);
    assert_eq!(done["policy"], "tiers 5@1,2@5,2@10");
    assert_eq!(done["tags"], json!({ "best": 13 }));
    let steps = folder.steps();
    assert!(
        steps.contains(&13) && steps.ends_with(&[35, 36, 37, 38, 39]),
        "{steps:?}"
    );
    assert!(steps.len() < 14, "{steps:?}");
    assert!(folder.checkout("run.tvdb", "best") == folder.read("13"));
}

#[test]
fn people_read_what_goes() {
    let folder = Folder::recorded(12);
    folder.ok(&["tag", "run.tvdb", "best", "--at", "4"]);
    let arguments = ["prune", "run.tvdb", "--keep-last", "3", "--dry-run"];
    let said = folder.ok(&arguments);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["run.tvdb: not pruned (dry run)", ""]);
    assert_eq!(lines[2], "policy  last 3");
    assert_eq!(lines[3], "goes    7 steps: 0 to 3, 5 to 7");
    assert_eq!(lines[4], "stays   5 steps, the oldest is 4");
    assert_eq!(lines[5], "pinned  by 1 tag: best (4)");
    assert!(lines[6].starts_with("frees   "), "{said}");
    for columns in [32, 40, 60] {
        folder.narrow(columns, &arguments);
        let of_layers = [&arguments[..], &["--layers", "fc*"]].concat();
        let said = folder.narrow(columns, &of_layers);
        assert!(said.contains("fc2.weight"), "{said}");
    }
    let said = folder.ok(&["prune", "run.tvdb", "--keep-last", "3"]);
    assert!(said.starts_with("run.tvdb: pruned\n\n"), "{said}");
    assert_eq!(said.lines().skip(1).collect::<Vec<_>>(), lines[1..]);
}

#[test]
fn layers_are_pruned_by_themselves() {
    let folder = Folder::recorded(20);
    let done = as_in_a_dry_run(&folder, &["--keep-last", "4", "--layers", "fc*"]);
    // The tensor that is kept whole has them still.
    assert_eq!((&done["steps"], &done["oldest"]), (&json!([]), &0.into()));
    assert!(done["policy"].is_null());
    for (layer, name) in [(0, "fc1.weight"), (1, "fc2.weight")] {
        let layer = &done["layers"][layer];
        assert_eq!(
            (&layer["name"], &layer["policy"]),
            (&name.into(), &"last 4".into())
        );
        assert_eq!(layer["steps"], json!((0..15).collect::<Vec<_>>()));
        assert_eq!(layer["oldest"], 15);
    }
    assert_eq!(folder.json(&["log", "run.tvdb"])[19]["layers"], 1);
    folder.refuses(
        &["prune", "run.tvdb", "--keep-last", "4", "--layers", "fc3*"],
        &["'fc3*' matches none of its 3 layers", "hint: ", "counter"],
    );
    folder.refuses(
        &[
            "prune",
            "run.tvdb",
            "--keep-last",
            "4",
            "--layers",
            "counter",
        ],
        &["kept whole", "hint: leave --layers away"],
    );
    let said = folder.ok(&["prune", "run.tvdb", "--keep-last", "2", "--layers", "*"]);
    assert!(
        said.contains("policy  last 2, of 2 layers, but not of 1 tensor kept whole\n"),
        "{said}"
    );
    assert!(
        said.contains("goes    2 steps of each: 15 to 16\n"),
        "{said}"
    );

    let only = Folder::new();
    for name in ["0", "1", "2", "3"] {
        only.write(name, folder.read(name));
        only.ok(&["record", "run.tvdb", name, "--layers", "fc*"]);
    }
    let done = only.json(&["prune", "run.tvdb", "--keep-last", "1", "--layers", "fc*"]);
    assert_eq!(
        (&done["steps"], &done["oldest"]),
        (&json!([0, 1]), &2.into())
    );
    assert_eq!(only.steps(), [2, 3]);
}

#[test]
fn policies_are_set_applied_and_taken_away() {
    let folder = Folder::recorded(12);
    let none = [
        "no policy is set",
        "hint: say which steps stay: --keep-last",
    ];
    folder.refuses(&["prune", "run.tvdb"], &none);
    folder.refuses(
        &["prune", "run.tvdb", "--dry-run", "--layers", "fc*"],
        &none,
    );
    let said = folder.ok(&["prune", "run.tvdb", "--keep-last", "8", "--set"]);
    assert!(said.contains("\npolicy  last 8, from now on\n"), "{said}");
    assert_eq!(folder.steps(), (3..12).collect::<Vec<_>>());

    // Recording waits until it pays.
    folder.ok(&["record", "run.tvdb", "0", "1", "--step", "12"]);
    assert_eq!(folder.steps().len(), 11);
    let done = folder.json(&["prune", "run.tvdb"]);
    assert_eq!(
        (&done["policy"], &done["steps"]),
        (&"last 8".into(), &json!([3, 4]))
    );
    let said = folder.ok(&["prune", "run.tvdb"]);
    assert!(
        said.contains("\npolicy  last 8, as it was set\ngoes    no step\n"),
        "{said}"
    );

    // A layer's own one goes before it.
    let set = [
        "prune",
        "run.tvdb",
        "--keep-last",
        "2",
        "--set",
        "--layers",
        "fc1*",
    ];
    assert_eq!(folder.json(&set)["set"], true);
    folder.ok(&["record", "run.tvdb", "2"]);
    let done = folder.json(&["prune", "run.tvdb"]);
    let found = |at: usize| (&done["layers"][at]["policy"], &done["layers"][at]["oldest"]);
    assert_eq!(found(0), (&"last 2".into(), &12.into()));
    assert_eq!(found(1), (&"last 8".into(), &6.into()));
    assert!(folder.ok(&["prune", "run.tvdb"]).contains(
        "\npolicy  several, of 2 layers, but not of 1 tensor kept whole, as it was set\n"
    ));

    let said = folder.ok(&["prune", "run.tvdb", "--keep-all", "--set"]);
    assert!(
        said.contains("\npolicy  all, from now on\ngoes    no step\n"),
        "{said}"
    );
    folder.refuses(&["prune", "run.tvdb"], &none);
    assert_eq!(
        folder.json(&["stats", "run.tvdb"])["retention"],
        json!({ "common": "all", "layers": {} })
    );
    folder.ok(&["verify", "run.tvdb"]);
}
