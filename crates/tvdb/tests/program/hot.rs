use serde_json::{Value, json};

use super::moving::moving;

/// Layers and units of a ranking.
fn ranked(value: &Value, key: &str) -> Vec<(String, Value)> {
    let list = value["hot"].as_array().unwrap().iter();
    list.map(|hot| (hot["layer"].as_str().unwrap().to_owned(), hot[key].clone()))
        .collect()
}

#[test]
fn what_moves_most_comes_first() {
    let folder = moving();
    let hot = |more: &[&str]| folder.json(&[&["hot", "run.tvdb"], more].concat());
    let value = hot(&["--top", "3"]);
    let unit = |layer: &str, unit: Value| (layer.to_owned(), unit);
    assert_eq!(
        ranked(&value, "index"),
        [
            unit("bias", json!([299])),
            unit("fc.weight", json!([3, 5])),
            unit("fc.weight", json!([0, 0])),
        ]
    );
    let own = &value["hot"][1];
    assert_eq!(
        (&own["changes"], &own["first"], &own["last"]),
        (&5.into(), &1.into(), &7.into())
    );
    // Up, down, up, up, up: by 0.5 each.
    assert_eq!((&own["path"], &own["net"]), (&2.5.into(), &1.5.into()));
    assert_eq!((&own["largest"], &own["flips"]), (&0.5.into(), &2.into()));
    assert_eq!(value["model"]["changes"], 7 + 4 + 4 + 5 + 2 + 3);
    let activity = value["activity"].as_array().unwrap().iter();
    let changes: Vec<u64> = activity
        .map(|step| step["changes"].as_u64().unwrap())
        .collect();
    assert_eq!(changes, [4, 5, 4, 3, 4, 3, 2]);
    assert_eq!(
        value["frozen"]["weights"],
        json!({ "count": 318, "of": 324 })
    );
    assert_eq!(value["frozen"]["layers"], json!({ "count": 0, "of": 2 }));

    let value = hot(&["--by", "row", "--layers", "fc*", "--top", "2"]);
    let rows = [unit("fc.weight", json!(3)), unit("fc.weight", json!(0))];
    assert_eq!(ranked(&value, "row"), rows);
    let value = hot(&["--by", "layer", "--from", "4", "--to", "6"]);
    let layers: Vec<_> = value["hot"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hot| &hot["layer"])
        .collect();
    assert_eq!(layers, ["fc.weight", "bias"]);
    assert_eq!(value["steps"], json!({ "first": 4, "last": 6, "count": 3 }));
}

#[test]
fn what_never_changed_is_listed() {
    let folder = moving();
    fn hot(more: &[&'static str]) -> Vec<&'static str> {
        [&["hot", "run.tvdb", "--frozen"], more].concat()
    }
    let value = folder.json(&hot(&["--layers", "bias", "--top", "1000"]));
    let frozen = value["never_changed"].as_array().unwrap();
    // 300 weights in rows of 128: none behind the end.
    assert_eq!(frozen.len(), 299);
    assert_eq!(frozen[298], json!({ "layer": "bias", "index": [298] }));
    let printed = folder.ok(&hot(&["--by", "col", "--layers", "fc*"]));
    assert!(
        printed.ends_with("fc.weight column 1\nfc.weight column 3\nfc.weight column 4\n"),
        "{printed}"
    );
    let printed = folder.ok(&hot(&["--top", "2"]));
    assert!(printed.contains("316 weights more: --top 318"), "{printed}");
    for columns in [32, 50, 80] {
        folder.narrow(columns, &["hot", "run.tvdb"]);
        folder.narrow(columns, &hot(&[]));
    }
}

#[test]
fn what_cannot_be_ranked_is_refused() {
    let folder = moving();
    folder.refuses(&["hot", "run.tvdb", "--layers", "conv*"], &["matches none"]);
    folder.refuses(&["hot", "run.tvdb", "--from", "9"], &["no step from 9"]);
    folder.refuses(
        &["hot", "run.tvdb", "--from", "5", "--to", "4"],
        &["4 comes first"],
    );
    folder.refuses(&["hot", "none.tvdb"], &["none.tvdb"]);
    assert!(
        !folder
            .run(&["hot", "run.tvdb", "--by", "tile"])
            .status
            .success()
    );
}
