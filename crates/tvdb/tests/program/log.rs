use serde_json::json;

use super::Folder;

#[test]
fn steps_are_listed_with_what_was_noted() {
    let folder = Folder::recorded(5);
    folder.ok(&["tag", "run.tvdb", "best", "--at", "3"]);
    folder.ok(&["tag", "run.tvdb", "also", "--at", "3"]);
    let log = folder.json(&["log", "run.tvdb"]);
    let log = log.as_array().unwrap();
    assert_eq!(log.len(), 5);
    for (step, object) in log.iter().rev().enumerate() {
        assert_eq!(object["step"], step);
        assert_eq!(object["layers"], 3);
        assert_eq!(object["notes"], json!({ "loss": step as f64 / 100.0 }));
        let tags = if step == 3 {
            json!(["also", "best"])
        } else {
            json!([])
        };
        assert_eq!(object["tags"], tags);
        let time = object["time"].as_str().unwrap();
        assert!(
            time.starts_with("20") && time.len() == 20 && time.ends_with('Z'),
            "{time}"
        );
    }
    let last = folder.json(&["log", "run.tvdb", "--last", "2"]);
    assert_eq!(last.as_array().unwrap(), &log[..2]);
    assert_eq!(folder.json(&["log", "run.tvdb", "--last", "0"]), json!([]));
}

#[test]
fn people_read_a_table() {
    let folder = Folder::recorded(4);
    folder.ok(&["tag", "run.tvdb", "best", "--at", "2"]);
    let printed = folder.ok(&["log", "run.tvdb"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0], "step  time (UTC)           layers  tags, notes");
    assert!(lines[1].starts_with("   3  20"), "{printed}");
    assert!(
        lines[2].ends_with("       3  (best) loss=0.02"),
        "{printed}"
    );
    assert_eq!(
        folder.ok(&["log", "run.tvdb", "--last", "2"]),
        lines[..3].join("\n") + "\n"
    );
    for columns in [32, 40, 50, 60, 80] {
        let printed = folder.narrow(columns, &["log", "run.tvdb"]);
        assert!(printed.contains("(best) loss"), "{printed}");
    }
}

#[test]
fn notes_do_not_steer_the_terminal() {
    let folder = Folder::recorded(1);
    let note = format!("a\u{1b}[2J={}\n", "long ".repeat(40));
    folder.ok(&["record", "run.tvdb", "0", "--note", &note]);
    let printed = folder.narrow(80, &["log", "run.tvdb"]);
    assert!(
        !printed.contains('\u{1b}') && printed.lines().count() == 3,
        "{printed}"
    );
    assert!(printed.contains('…'), "{printed}");
    let log = folder.json(&["log", "run.tvdb"]);
    assert_eq!(
        log[0]["notes"],
        json!({ "a\u{1b}[2J": format!("{}\n", "long ".repeat(40)) })
    );
}

#[test]
fn a_layer_that_came_later_is_counted() {
    let folder = Folder::recorded(2);
    folder.ok(&["record", "other.tvdb", "0", "--layers", "fc1*"]);
    folder.ok(&["record", "other.tvdb", "1", "--allow-new-layers"]);
    let log = folder.json(&["log", "other.tvdb"]);
    assert_eq!(
        (&log[1]["layers"], &log[0]["layers"]),
        (&1.into(), &3.into())
    );
    // Nothing was noted.
    let printed = folder.ok(&["log", "other.tvdb"]);
    assert!(
        printed.starts_with("step  time (UTC)           layers\n"),
        "{printed}"
    );
}
