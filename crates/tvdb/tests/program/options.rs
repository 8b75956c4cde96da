use safetensors::tensor::Dtype;
use temporal_vdb::{Note, StoreOptions, TemporalStore};

use super::Folder;
use super::input::{Input, Model, weights_in};

const SHAPES: [(&str, &[usize]); 2] = [("fc1.weight", &[24, 40]), ("fc2.weight", &[10, 24])];

fn deviation(weights: &[f32]) -> f64 {
    let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / weights.len() as f64;
    let squares = weights.iter().map(|&w| (f64::from(w) - mean).powi(2));
    (squares.sum::<f64>() / weights.len() as f64).sqrt()
}

#[test]
fn what_comes_back_is_within_the_threshold() {
    for (flag, share, snap) in [
        ("--threshold", "0.01", false),
        ("--relative", "0.02", false),
        ("--threshold", "0.01", true),
        ("--relative", "0.02", true),
    ] {
        let folder = Folder::new();
        let mut model = Model::of_weights(&SHAPES);
        let mut files = Vec::new();
        for step in 0..20 {
            let name = step.to_string();
            folder.write(&name, model.file());
            files.push(name);
            model.train();
        }
        let mut arguments = vec!["record", "run.tvdb", flag, share];
        if snap {
            arguments.push("--snap");
        }
        arguments.extend(files.iter().map(String::as_str));
        folder.ok(&arguments);

        let mut differ = 0;
        for (step, file) in files.iter().enumerate() {
            let (back, file) = (
                folder.checkout("run.tvdb", &step.to_string()),
                folder.read(file),
            );
            for (name, _) in SHAPES {
                let (back, truth) = (weights_in(&back, name), weights_in(&file, name));
                let bound: f64 = share.parse().unwrap();
                let bound = if flag == "--relative" {
                    bound * deviation(&truth)
                } else {
                    bound
                };
                for (back, truth) in back.iter().zip(&truth) {
                    let error = (f64::from(*back) - f64::from(*truth)).abs();
                    assert!(
                        error <= bound * (1.0 + 1e-6),
                        "{flag} step {step}: {error} > {bound}"
                    );
                    differ += usize::from(error > 0.0);
                }
            }
        }
        assert!(differ > 100, "{flag}: nothing was left out");
        assert!(
            folder.checkout("run.tvdb", "0") == folder.read("0"),
            "the first state is exact"
        );
        folder.ok(&["verify", "run.tvdb"]);
    }
}

#[test]
fn a_threshold_of_zero_is_no_threshold() {
    let folder = Folder::new();
    let mut model = Model::of_any_bits(&[("w", Dtype::F32, &[30, 30])]);
    for name in ["a", "b"] {
        folder.write(name, model.file());
        model.scramble();
    }
    folder.ok(&["record", "run.tvdb", "--threshold", "0", "a", "b"]);
    assert!(folder.checkout("run.tvdb", "latest") == folder.read("b"));
}

#[test]
fn only_the_layers_that_were_asked_for() {
    let folder = Folder::new();
    let mut model = Model::of_weights(&SHAPES);
    folder.write("a", model.file());
    model.train();
    folder.write("b", model.file());
    folder.ok(&["record", "run.tvdb", "--layers", "fc1.*", "a", "b"]);
    model.tensors.truncate(1);
    assert!(folder.checkout("run.tvdb", "latest") == model.file());

    folder.ok(&[
        "record",
        "both.tvdb",
        "--layers",
        "fc1*",
        "--layers",
        "*2.weight",
        "a",
    ]);
    assert!(folder.checkout("both.tvdb", "0") == folder.read("a"));
    let words = [
        "cannot record b",
        "'*.bias' matches none of its 2 tensors",
        "hint: ",
        "fc1.weight",
    ];
    folder.refuses(
        &[
            "record", "run.tvdb", "--layers", "fc1*", "--layers", "*.bias", "b",
        ],
        &words,
    );
    folder.refuses(
        &["record", "none.tvdb", "--layers", "fc1", "b"],
        &["'fc1' matches none"],
    );
    assert!(!folder.path("none.tvdb").exists());
    folder.fails(2, &["record", "run.tvdb", "--layers", "[", "b"]);
}

#[test]
fn steps_are_numbered_as_asked() {
    let folder = Folder::new();
    let mut model = Model::of_weights(&SHAPES);
    for name in [
        "run7-9.safetensors",
        "run7-10.safetensors",
        "run7-200.safetensors",
    ] {
        folder.write(name, model.file());
        model.train();
    }
    // As a shell sorts them.
    let names = [
        "run7-10.safetensors",
        "run7-200.safetensors",
        "run7-9.safetensors",
    ];
    let recorded =
        folder.json(&[&["record", "named.tvdb", "--step-from-name"][..], &names].concat());
    let steps = recorded["steps"].as_array().unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|step| step["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [9, 10, 200]);
    for (step, name) in [
        ("9", names[2]),
        ("10", names[0]),
        ("199", names[0]),
        ("200", names[1]),
    ] {
        assert!(
            folder.checkout("named.tvdb", step) == folder.read(name),
            "{step}"
        );
    }
    let again = ["record", "named.tvdb", "--step-from-name", names[0]];
    folder.refuses(
        &again,
        &[
            "cannot record run7-10",
            "step 10 does not come after the latest step 200",
            "hint: ",
        ],
    );
    folder.refuses(
        &["checkout", "named.tvdb", "--at", "8", "-o", "x"],
        &["step 8", "9", "hint: "],
    );

    let recorded = folder.json(&["record", "set.tvdb", "--step", "5", names[2], names[0]]);
    assert_eq!(recorded["steps"][1]["step"], 6);
    folder.refuses(
        &["record", "set.tvdb", "--step", "6", names[1]],
        &[
            "no step was recorded: cannot record run7-200",
            "step 6 does not come after",
            "hint: ",
        ],
    );

    folder.write("same-010.safetensors", model.file());
    folder.write("weights.safetensors", model.file());
    let before = folder.read("named.tvdb");
    let same = [
        "record",
        "named.tvdb",
        "--step-from-name",
        names[0],
        "same-010.safetensors",
    ];
    folder.refuses(&same, &["same-010.safetensors", "the same step", "hint: "]);
    let nameless = [
        "record",
        "named.tvdb",
        "--step-from-name",
        "weights.safetensors",
    ];
    folder.refuses(&nameless, &["weights.safetensors", "no number", "hint: "]);
    assert!(folder.read("named.tvdb") == before);
    folder.fails(
        2,
        &[
            "record",
            "named.tvdb",
            "--step",
            "1",
            "--step-from-name",
            names[0],
        ],
    );
}

#[tokio::test]
async fn notes_are_kept_with_the_step() {
    let folder = Folder::new();
    let model = Model::of_weights(&SHAPES);
    folder.write("a", model.file());
    folder.ok(&[
        "record",
        "run.tvdb",
        "a",
        "--note",
        "loss=0.25",
        "--note",
        "who=me=you",
        "--note",
        "top=inf",
    ]);
    folder.ok(&["record", "run.tvdb", "a", "--eventual"]);
    let store = TemporalStore::open_read_only(folder.path("run.tvdb"), StoreOptions::default())
        .await
        .unwrap();
    let steps = store.steps().await.unwrap();
    let notes: Vec<_> = steps[0].notes.iter().collect();
    let (loss, top, who) = ("loss".to_owned(), "top".to_owned(), "who".to_owned());
    let expected = [
        (&loss, &Note::Number(0.25)),
        (&top, &Note::Text("inf".into())),
        (&who, &Note::Text("me=you".into())),
    ];
    assert_eq!(notes, expected);
    assert!(steps[1].notes.is_empty());
}

#[test]
fn new_layers_come_only_where_they_are_allowed() {
    let folder = Folder::new();
    let model = Model::of_weights(&SHAPES);
    folder.write("a", model.file());
    let mut larger = model.clone();
    let bias = Input {
        name: "fc1.bias",
        dtype: Dtype::F32,
        shape: vec![3],
        data: vec![1; 12],
    };
    larger.tensors.push(bias);
    folder.write("b", larger.file());
    folder.ok(&["record", "run.tvdb", "a"]);
    let before = folder.read("run.tvdb");
    folder.refuses(
        &["record", "run.tvdb", "b"],
        &["cannot record b", "'fc1.bias'", "--allow-new-layers"],
    );
    assert!(folder.read("run.tvdb") == before);
    folder.ok(&["record", "run.tvdb", "--allow-new-layers", "b"]);
    assert!(folder.checkout("run.tvdb", "0") == folder.read("a"));
    assert!(folder.checkout("run.tvdb", "1") == folder.read("b"));
}

#[test]
fn stats_say_what_there_is() {
    let folder = Folder::new();
    let mut model = Model::of_any_bits(&[
        (
            "a.layer.with.quite.a.long.name.that.no.terminal.is.wide.enough.for.weight",
            Dtype::F32,
            &[40, 50],
        ),
        ("b", Dtype::BF16, &[4, 3, 7]),
        ("counter", Dtype::I64, &[]),
    ]);
    let mut arguments = vec!["record", "run.tvdb"];
    let names: Vec<_> = (0..12).map(|step| step.to_string()).collect();
    for name in &names {
        folder.write(name, model.file());
        arguments.push(name);
        model.scramble();
    }
    let recorded = folder.json(&arguments);

    let stats = folder.json(&["stats", "run.tvdb"]);
    assert_eq!(
        stats["steps"],
        serde_json::json!({ "oldest": 0, "latest": 11, "count": 12 })
    );
    let steps = recorded["steps"].as_array().unwrap();
    let changes: u64 = steps
        .iter()
        .map(|step| step["changes"].as_u64().unwrap())
        .sum();
    assert_eq!(stats["changes"], changes);
    let bytes = |name: &str| {
        stats["bytes"][name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}"))
    };
    let size = std::fs::metadata(folder.path("run.tvdb")).unwrap().len();
    assert_eq!(bytes("file"), size + bytes("log"));
    assert_eq!(recorded["file_bytes"], size);
    assert!(bytes("keyframes") >= bytes("base") && bytes("base") > 0);
    assert_eq!(bytes("raw"), 12 * (4 * 40 * 50 + 2 * 4 * 3 * 7 + 8));
    let close = |name: &str, expected: f64| {
        let found = stats[name].as_f64().unwrap();
        assert!(
            (found - expected).abs() < 1e-9 * expected,
            "{name}: {found} {expected}"
        );
    };
    close(
        "bytes_per_change",
        (bytes("journal") + bytes("blocks")) as f64 / changes as f64,
    );
    close(
        "file_bytes_per_change",
        (bytes("file") - bytes("base")) as f64 / changes as f64,
    );

    let layer = |name: &str| {
        let layers = stats["layers"].as_array().unwrap();
        layers
            .iter()
            .find(|layer| layer["name"] == name)
            .unwrap()
            .clone()
    };
    let b = layer("b");
    assert_eq!((&b["rows"], &b["cols"]), (&12.into(), &7.into()));
    assert_eq!(b["dtype"], "BF16");
    assert_eq!(b["shape"], serde_json::json!([4, 3, 7]));
    assert!(b["changes"].as_u64().unwrap() > 0 && b["bytes"].as_u64().unwrap() > 0);
    let counter = layer("counter");
    assert!(counter["rows"].is_null() && counter["cols"].is_null());
    assert_eq!(counter["shape"], serde_json::json!([]));

    for columns in ["80", "60", "40", "", "many", "0"] {
        let mut command = folder.command(&["stats", "run.tvdb"]);
        let printed = super::text(&command.env("COLUMNS", columns).output().unwrap().stdout);
        let width = columns
            .parse()
            .ok()
            .filter(|&columns: &usize| columns > 0)
            .unwrap_or(80);
        assert!(
            printed.starts_with("run.tvdb: 12 steps (0 to 11) of 3 layers\n"),
            "{printed}"
        );
        assert!(
            printed.lines().all(|line| line.chars().count() <= width),
            "{columns}:\n{printed}"
        );
        assert!(
            printed.contains("\na.layer") && printed.contains('…'),
            "{columns}:\n{printed}"
        );
    }
}
