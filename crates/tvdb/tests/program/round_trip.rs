use safetensors::tensor::Dtype;
use serde_json::json;

use super::Folder;
use super::input::Model;

/// Every type, every rank.
const ALL: [(&str, Dtype, &[usize]); 21] = [
    ("conv.weight", Dtype::F32, &[6, 3, 5, 5]),
    ("f32", Dtype::F32, &[40, 130]),
    ("bf16", Dtype::BF16, &[140, 60]),
    ("f16", Dtype::F16, &[33, 77]),
    ("vector.f32", Dtype::F32, &[300]),
    ("vector.bf16", Dtype::BF16, &[5]),
    ("scalar.f32", Dtype::F32, &[]),
    ("scalar.f16", Dtype::F16, &[]),
    ("scalar.i64", Dtype::I64, &[]),
    ("empty.f32", Dtype::F32, &[4, 0, 3]),
    ("empty.a", Dtype::I32, &[0]),
    ("empty.b", Dtype::I32, &[0, 7]),
    ("f64", Dtype::F64, &[3, 5]),
    ("e5m2", Dtype::F8_E5M2, &[9]),
    ("e4m3", Dtype::F8_E4M3, &[9]),
    ("i32", Dtype::I32, &[11, 2]),
    ("i16", Dtype::I16, &[11]),
    ("i8", Dtype::I8, &[2, 2, 2]),
    ("u64, with \"quotes\" and ü", Dtype::U64, &[3]),
    ("u8", Dtype::U8, &[17]),
    ("mask", Dtype::BOOL, &[31]),
];

#[test]
fn every_step_comes_back_as_the_same_file() {
    let folder = Folder::new();
    let mut model = Model::of_any_bits(&ALL);
    let mut files = Vec::new();
    for step in 0..20 {
        // Some steps change nothing, and some only what is kept whole.
        match step % 5 {
            0 | 3 => {}
            4 => model.tensors.last_mut().unwrap().data[step] ^= 1,
            _ => model.scramble(),
        }
        let name = format!("{step:02}.safetensors");
        folder.write(&name, model.file());
        files.push(name);
    }
    let mut arguments = vec!["record", "run.tvdb"];
    arguments.extend(files.iter().map(String::as_str));
    let recorded = folder.json(&arguments);
    assert_eq!(recorded["steps"].as_array().unwrap().len(), 20);
    assert_eq!(recorded["steps"][7]["step"], 7);
    assert_eq!(recorded["steps"][7]["file"], "07.safetensors");
    assert_eq!(recorded["steps"][7]["layers"], 21);
    assert_eq!(recorded["steps"][5]["changes"], 0);
    assert!(recorded["steps"][7]["changes"].as_u64().unwrap() > 0);
    assert!(recorded["file_bytes"].as_u64().unwrap() > 0);

    for (step, file) in files.iter().enumerate() {
        assert!(
            folder.checkout("run.tvdb", &step.to_string()) == folder.read(file),
            "step {step}"
        );
    }
    assert!(folder.checkout("run.tvdb", "latest") == folder.read("19.safetensors"));
    assert!(
        folder
            .ok(&["verify", "run.tvdb"])
            .starts_with("ok: 20 commits, 21 layers, 420 states, ")
    );
}

#[test]
fn a_run_can_be_continued_and_read_between_its_steps() {
    let folder = Folder::new();
    let mut model = Model::of_weights(&[("w", &[20, 30])]);
    for name in ["a", "b", "c"] {
        folder.write(name, model.file());
        model.train();
    }
    let printed = folder.ok(&["record", "run.tvdb", "a"]);
    assert!(
        printed.starts_with("step 0: a, 1 layer in full\nrecorded 1 step"),
        "{printed}"
    );
    let printed = folder.ok(&["record", "run.tvdb", "b", "--step", "10"]);
    assert!(printed.starts_with("step 10: b, "), "{printed}");
    assert_eq!(
        folder.json(&["record", "run.tvdb", "c"])["steps"][0]["step"],
        11
    );

    assert!(folder.checkout("run.tvdb", "9") == folder.read("a"));
    assert!(folder.checkout("run.tvdb", "10") == folder.read("b"));
    assert!(folder.checkout("run.tvdb", "4000000000") == folder.read("c"));
    let printed = folder.ok(&["checkout", "run.tvdb", "--at", "9", "-o", "out"]);
    assert_eq!(
        printed,
        "step 0 (newest up to 9) -> out (1 tensor, 2.5 kB)\n"
    );
    let printed = folder.ok(&["checkout", "run.tvdb", "-o", "out"]);
    assert_eq!(printed, "step 11 -> out (1 tensor, 2.5 kB)\n");
    // Unless an earlier step will not do.
    folder.ok(&[
        "checkout", "run.tvdb", "--at", "10", "--exact", "-o", "exact",
    ]);
    assert!(folder.read("exact") == folder.read("b"));
    for (at, words) in [
        ("9", "no step 9: the nearest ones are 0 and 10"),
        ("12", "no step 12: the nearest ones are 11 and none"),
    ] {
        let arguments = ["checkout", "run.tvdb", "--at", at, "--exact", "-o", "exact"];
        folder.refuses(&arguments, &[words, "hint: "]);
    }
    let value = folder.json(&["checkout", "run.tvdb", "--at", "9", "-o", "out"]);
    let bytes = folder.read("out").len();
    let expected = json!({ "asked": 9, "step": 0, "file": "out", "tensors": 1, "bytes": bytes });
    assert_eq!(value, expected);
}

/// The safetensors library writes several metadata entries in any order.
#[test]
fn metadata_is_that_of_the_step() {
    let folder = Folder::new();
    let mut model = Model::of_weights(&[("w", &[2, 3])]);
    folder.write("a", model.file());
    model.metadata = vec![
        ("format", "pt"),
        ("epoch", "1 \"ü\""),
        ("a", ""),
        ("z", "\n"),
    ];
    folder.write("b", model.file());
    model.metadata.clear();
    folder.write("c", model.file());
    folder.ok(&["record", "run.tvdb", "a", "b", "c"]);

    assert!(folder.checkout("run.tvdb", "0") == folder.read("a"));
    let file = folder.checkout("run.tvdb", "1");
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&file).unwrap();
    let metadata = metadata.metadata().clone().unwrap();
    assert_eq!(metadata.len(), 4);
    assert_eq!(metadata["epoch"], "1 \"ü\"");
    assert_eq!(metadata["z"], "\n");
    assert!(folder.checkout("run.tvdb", "1") == file, "one order");
    assert!(folder.checkout("run.tvdb", "2") == folder.read("c"));
}

#[test]
fn a_file_is_replaced_whole_and_through_links() {
    let folder = Folder::new();
    let model = Model::of_weights(&[("w", &[20, 30])]);
    folder.write("a", model.file());
    folder.ok(&["record", "run.tvdb", "a"]);
    folder.write("target", "something longer than nothing");
    std::os::unix::fs::symlink("target", folder.path("link")).unwrap();
    folder.ok(&["checkout", "run.tvdb", "-o", "link"]);
    assert!(folder.read("target") == folder.read("a"));
    assert!(folder.path("link").is_symlink());

    // Written to as they are: a rename would put a file in their place.
    folder.ok(&["checkout", "run.tvdb", "-o", "/dev/null"]);
    let printed = folder
        .run(&["checkout", "run.tvdb", "-o", "/dev/stdout"])
        .stdout;
    assert!(printed.starts_with(&folder.read("a")));
    let left = std::fs::read_dir(folder.path(".")).unwrap();
    let left: Vec<_> = left
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        !left.iter().any(|name| name.starts_with(".tvdb-")),
        "{left:?}"
    );
}
