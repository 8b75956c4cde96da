use serde_json::json;

use super::moving::moving;

#[test]
fn groups_and_pairs_are_found() {
    let folder = moving();
    let layer = ["together", "run.tvdb", "fc.weight"];
    let together = |more: &[&str]| folder.json(&[&layer[..], more].concat());

    let value = together(&["--min", "0.7"]);
    assert_eq!((&value["units"], &value["pairs"]), (&4.into(), &3.into()));
    let group = json!({ "units": [[0, 0], [1, 2], [3, 5]], "steps": [1, 2, 3, 5] });
    assert_eq!(value["groups"], json!([group]));
    // Four of five steps are shared: a score of exactly 0.8, which is not above it.
    let value = together(&[]);
    assert_eq!((&value["pairs"], &value["above"]), (&1.into(), &0.8.into()));

    let value = together(&["--pairs", "--min", "0.3", "--min-changes", "2"]);
    let mut pairs = value["list"].as_array().unwrap().clone();
    pairs.sort_by_key(|pair| pair.to_string());
    assert_eq!(
        pairs,
        [
            json!({ "a": [0, 0], "b": [1, 2], "score": 1.0 }),
            json!({ "a": [0, 0], "b": [3, 5], "score": 0.8 }),
            json!({ "a": [1, 2], "b": [3, 5], "score": 0.8 }),
            json!({ "a": [2, 2], "b": [3, 0], "score": 2.0 / 3.0 }),
        ]
    );
    assert_eq!(value["pairs"], 4);

    // Of what changed at a step, in some steps.
    let value = together(&["--at", "4", "--min-changes", "1", "--min", "0.5"]);
    assert_eq!((&value["units"], &value["pairs"]), (&2.into(), &1.into()));
    let value = together(&["--at", "latest", "--min-changes", "0"]);
    assert_eq!((&value["at"], &value["units"]), (&7.into(), &1.into()));
    let value = together(&["--from", "1", "--to", "3"]);
    assert_eq!((&value["units"], &value["pairs"]), (&3.into(), &3.into()));

    // Rows 0 and 1 move as one; of columns 0 and 5 each has what another does not.
    let value = together(&["--by", "row"]);
    assert_eq!(
        value["groups"],
        json!([{ "units": [0, 1], "steps": [1, 2, 3, 5] }])
    );
    assert_eq!(together(&["--by", "col"])["units"], 3);
}

#[test]
fn people_are_told_in_few_lines() {
    let folder = moving();
    let layer = ["together", "run.tvdb", "fc.weight", "--min", "0.7"];
    let printed = folder.ok(&layer);
    for words in [
        "run.tvdb: fc.weight, 4 x 6\n",
        "4 weights that changed at least 3 times in 7 steps (1 to 7)\n",
        "pairs   3 with a score above 0.7\n",
        "groups  1, with 3 weights\n",
        "      3  (0, 0) (1, 2) (3, 5)\n",
        "3       1 to 3, 5\n",
    ] {
        assert!(printed.contains(words), "no {words:?} in {printed}");
    }
    let printed = folder.ok(&[&layer[..], &["--pairs", "--top", "1"]].concat());
    assert!(printed.ends_with("2 more pairs: --top 3\n"), "{printed}");
    for columns in [32, 40, 80] {
        folder.narrow(columns, &layer);
    }
    let printed = folder.ok(&["together", "run.tvdb", "bias"]);
    assert!(printed.contains("1 weight that changed"), "{printed}");
    assert!(printed.contains("pairs   0 with"), "{printed}");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let folder = moving();
    let layer = ["together", "run.tvdb", "fc.weight"];
    for score in ["0", "-0.5", "1.01", "nan", "inf"] {
        let stderr = folder.fails(2, &[&layer[..], &["--min", score]].concat());
        assert!(stderr.contains("above 0, and at most 1"), "{stderr}");
    }
    folder.refuses(
        &[&layer[..], &["--at", "8"]].concat(),
        &["no step 8", "tvdb log"],
    );
    folder.refuses(
        &[&layer[..], &["--at", "best"]].concat(),
        &["best", "tvdb tag"],
    );
    folder.refuses(
        &["together", "run.tvdb", "fc.wieght"],
        &["is it 'fc.weight'?"],
    );
    folder.refuses(&["together", "run.tvdb", "counter"], &["kept whole"]);
    folder.ok(&["prune", "run.tvdb", "--keep-last", "3"]);
    folder.refuses(
        &[&layer[..], &["--at", "2"]].concat(),
        &["pruned", "tvdb log"],
    );
    folder.refuses(&[&layer[..], &["--from", "1"]].concat(), &["pruned"]);
}
