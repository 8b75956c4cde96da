use serde_json::json;

use super::Folder;
use super::moving::moving;

#[test]
fn a_weight_is_followed() {
    let folder = moving();
    let value = folder.json(&["history", "run.tvdb", "fc.weight", "3", "5"]);
    let entries: Vec<_> = value["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["step"].as_u64().unwrap(),
                entry["weight"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(entries, [(1, 0.5), (2, 0.0), (3, 0.5), (5, 1.0), (7, 1.5)]);
    assert_eq!(
        (&value["layer"], &value["index"]),
        (&"fc.weight".into(), &json!([3, 5]))
    );

    assert_eq!(value["base"], json!({ "step": 0, "weight": 0.0 }));
    assert_eq!(value["largest"], json!({ "step": 7, "weight": 1.5 }));

    let printed = folder.ok(&["history", "run.tvdb", "fc.weight", "3", "5", "--last", "2"]);
    for words in ["5 changes", "1.5", "+0.5", "3 older changes"] {
        assert!(printed.contains(words), "no {words:?} in {printed}");
    }
    assert!(printed.contains('▁') && printed.contains('█'), "{printed}");
    // A vector has one index, whatever it is kept as.
    let value = folder.json(&["history", "run.tvdb", "bias", "299"]);
    assert_eq!(value["history"].as_array().unwrap().len(), 7);
    let still = folder.ok(&["history", "run.tvdb", "fc.weight", "0", "1"]);
    assert!(
        still.contains("0 changes") || still.contains("never"),
        "{still}"
    );
    for columns in [32, 50, 80] {
        folder.narrow(columns, &["history", "run.tvdb", "fc.weight", "3", "5"]);
    }
}

/// NaN and infinities, in the bits of a random model, are values like others.
#[test]
fn any_bits_can_be_followed() {
    let folder = Folder::recorded(9);
    for row in ["0", "7", "39"] {
        for col in ["0", "11", "49"] {
            folder.ok(&["history", "run.tvdb", "fc1.weight", row, col]);
            folder.json(&["history", "run.tvdb", "fc1.weight", row, col]);
        }
    }
}

#[test]
fn what_is_no_weight_is_refused() {
    let folder = moving();
    let history = |layer: &str, indices: &[&str], words: &[&str]| {
        folder.refuses(&[&["history", "run.tvdb", layer], indices].concat(), words);
    };
    history(
        "fc.weight",
        &["4", "0"],
        &["row 4 is outside 'fc.weight', which is 4 x 6"],
    );
    history("fc.weight", &["0", "-1"], &["column -1"]);
    history("fc.weight", &["0"], &["2 indices"]);
    history("bias", &["300"], &["300"]);
    history("bias", &["2", "44"], &["1 index"]);
    history("fc.wieght", &["0", "0"], &["is it 'fc.weight'?"]);
    history("counter", &["0"], &["kept whole"]);
}
