use safetensors::tensor::Dtype;

use super::Folder;
use super::input::{Input, Model};

const SHAPES: [(&str, &[usize]); 2] = [("fc1.weight", &[24, 40]), ("fc2.weight", &[10, 24])];

/// A folder with checkpoints `a`, `b` and `c` of one model, and a store of the first.
fn folder() -> (Folder, Model) {
    let folder = Folder::new();
    let mut model = Model::of_weights(&SHAPES);
    for name in ["a", "b", "c"] {
        folder.write(name, model.file());
        model.train();
    }
    folder.ok(&["record", "run.tvdb", "a"]);
    (folder, model)
}

#[test]
fn a_checkpoint_that_does_not_fit_is_named_and_changes_nothing() {
    let (folder, model) = folder();
    let before = folder.read("run.tvdb");
    let changed = |name: &str, change: &dyn Fn(&mut Vec<Input>)| {
        let mut other = model.clone();
        change(&mut other.tensors);
        folder.write(name, other.file());
    };
    changed("missing", &|tensors| drop(tensors.pop()));
    changed("new", &|tensors| {
        let extra = Input {
            name: "extra",
            ..tensors[0].clone()
        };
        tensors.push(extra);
    });
    changed("reshaped", &|tensors| tensors[1].shape = vec![24, 10]);
    changed("retyped", &|tensors| {
        tensors[1].dtype = Dtype::BF16;
        tensors[1].shape = vec![20, 24];
    });
    for (name, words) in [
        ("missing", &["lacks tensor 'fc2.weight'", "hint: "]),
        ("new", &["new tensor 'extra'", "hint: --allow-new-layers"]),
        (
            "reshaped",
            &["tensor 'fc2.weight' is F32 [24, 10]", "hint: "],
        ),
        (
            "retyped",
            &["tensor 'fc2.weight' is BF16 [20, 24]", "hint: "],
        ),
    ] {
        let context = format!("no step was recorded: cannot record {name}: ");
        folder.refuses(
            &["record", "run.tvdb", name],
            &[&[context.as_str()][..], words].concat(),
        );
        assert!(folder.read("run.tvdb") == before, "{name}");
    }
    let hint = [
        "lacks tensor 'fc2.weight'",
        "hint: --layers must take all layers",
    ];
    folder.refuses(&["record", "run.tvdb", "--layers", "fc1*", "b"], &hint);
    assert!(folder.checkout("run.tvdb", "latest") == folder.read("a"));
}

#[test]
fn checkpoints_before_a_bad_one_stay() {
    let (folder, _) = folder();
    let whole = folder.read("c");
    folder.write("bad", &whole[..whole.len() - 1]);
    let output = folder.run(&["record", "run.tvdb", "b", "c", "bad", "a", "b"]);
    assert_eq!(output.status.code(), Some(1));
    let (printed, stderr) = (super::text(&output.stdout), super::text(&output.stderr));
    assert_eq!(printed.lines().count(), 2, "{printed}");
    assert!(
        stderr.contains("2 steps were recorded before this: "),
        "{stderr}"
    );
    assert!(
        stderr.contains("cannot read the checkpoint bad: "),
        "{stderr}"
    );
    assert!(stderr.contains("not complete"), "{stderr}");
    assert_eq!(folder.json(&["stats", "run.tvdb"])["steps"]["count"], 3);
    assert!(folder.checkout("run.tvdb", "latest") == folder.read("c"));
    folder.refuses(
        &["record", "run.tvdb", "a", "bad"],
        &["1 step was recorded before this"],
    );
}

/// A header with the given tensors, and bytes after it.
fn with_header(header: &str, bytes: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + bytes, 0);
    file
}

#[test]
fn what_is_no_checkpoint_is_refused_before_there_is_a_store() {
    let (folder, _) = folder();
    let whole = folder.read("a");
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"t":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    // As many elements as there are, again and again: their sum is more than 64 bits can say.
    let huge: Vec<String> = (0..16u128)
        .map(|i| {
            let (from, to) = (
                i << 60,
                if i == 15 {
                    u64::MAX.into()
                } else {
                    (i + 1) << 60
                },
            );
            format!(
                r#""{i}":{{"dtype":"U8","shape":[{}],"data_offsets":[{from},{to}]}}"#,
                to - from
            )
        })
        .collect();
    let files: [(&str, Vec<u8>, &str); 20] = [
        ("empty", vec![], "the file is empty"),
        ("short", vec![1; 5], "not a safetensors file"),
        (
            "text",
            b"once upon a time there was a model".to_vec(),
            "not a safetensors file",
        ),
        ("zeros", vec![0; 100], "not a safetensors file"),
        ("ones", vec![255; 100], "not a safetensors file"),
        (
            "pytorch",
            b"PK\x03\x04 and so on, for long".to_vec(),
            "hint: write checkpoints with save_file",
        ),
        ("in-header", whole[..100].to_vec(), "its header is cut off"),
        ("in-data", whole[..whole.len() / 2].to_vec(), "not complete"),
        ("longer", [whole.clone(), vec![0]].concat(), "damaged"),
        ("no-json", with_header("{\"t\": oops}", 4), "not valid JSON"),
        (
            "no-utf8",
            [&9u64.to_le_bytes()[..], b"{\"\xff\xfe\":{}}"].concat(),
            "not valid JSON",
        ),
        (
            "no-tensors",
            with_header("{}", 0),
            "there are no tensors in it",
        ),
        (
            "numbers",
            with_header("{\"t\":5}", 0),
            "its header is damaged",
        ),
        (
            "unknown",
            with_header(&tensor("C64", "[1]", "[0,8]"), 8),
            "tensor 't' has the type C64",
        ),
        (
            "other",
            with_header(&tensor("F8_E8M0", "[8]", "[0,8]"), 8),
            "tensor 't' has the type F8_E8M0",
        ),
        (
            "gap",
            with_header(&tensor("F32", "[1]", "[4,8]"), 8),
            "its header is damaged",
        ),
        (
            "backwards",
            with_header(&tensor("F32", "[1]", "[4,0]"), 4),
            "its header is damaged",
        ),
        (
            "length",
            with_header(&tensor("F32", "[3]", "[0,8]"), 8),
            "its header is damaged",
        ),
        (
            "overflow",
            with_header(&tensor("F32", "[9223372036854775807,4]", "[0,8]"), 8),
            "its header is damaged",
        ),
        (
            "huge",
            with_header(&format!("{{{}}}", huge.join(",")), 8),
            "not complete",
        ),
    ];
    for (name, bytes, words) in files {
        folder.write(name, bytes);
        folder.refuses(&["record", "new.tvdb", name], &[name, words]);
    }
    folder.refuses(
        &["record", "new.tvdb", "nowhere"],
        &["cannot read the checkpoint nowhere", "No such file"],
    );
    std::fs::create_dir(folder.path("folder")).unwrap();
    folder.refuses(
        &["record", "new.tvdb", "folder"],
        &["it is a folder", "hint: ", "folder/*.safetensors"],
    );
    assert!(!folder.path("new.tvdb").exists());
    assert_eq!(folder.json(&["stats", "run.tvdb"])["steps"]["count"], 1);
}

#[test]
fn swapped_files_are_recognized() {
    let (folder, _) = folder();
    folder.write("a.safetensors", folder.read("a"));
    for (arguments, words) in [
        (
            &["record", "a.safetensors", "run.tvdb"][..],
            "hint: the store is named first",
        ),
        (
            &["record", "a.safetensors", "b"],
            "hint: it is a checkpoint",
        ),
        (
            &["record", "new.safetensors", "a.safetensors"],
            "hint: the store is named first",
        ),
        (
            &["record", "run.tvdb", "run.tvdb"],
            "hint: the store is named first",
        ),
        (
            &["checkout", "a.safetensors", "-o", "run.tvdb"],
            "hint: name the file to write",
        ),
        (
            &["checkout", "a.safetensors", "-o", "x"],
            "hint: it is a checkpoint",
        ),
        (&["stats", "a.safetensors"], "hint: it is a checkpoint"),
        (&["verify", "a.safetensors"], "hint: it is a checkpoint"),
        (&["compact", "a.safetensors"], "hint: it is a checkpoint"),
        (&["log", "a.safetensors"], "hint: it is a checkpoint"),
        (&["tag", "a.safetensors"], "hint: it is a checkpoint"),
    ] {
        folder.refuses(arguments, &[words]);
    }
    assert!(!folder.path("new.safetensors").exists() && !folder.path("x").exists());
    assert!(folder.read("a.safetensors") == folder.read("a"));
    assert!(folder.checkout("run.tvdb", "latest") == folder.read("a"));
}

#[test]
fn what_is_no_store_is_refused() {
    let (folder, _) = folder();
    folder.write("empty", "");
    folder.write("noise", [7; 10_000]);
    for name in ["nowhere", "no/where", ".", "empty", "noise"] {
        for verb in [
            &["stats"][..],
            &["verify"],
            &["compact"],
            &["log"],
            &["tag"],
            &["tag", "--delete", "best"],
            &["prune", "--keep-last", "3"],
            &["rollback", "--to", "0", "--yes"],
            &["checkout", "-o", "out"],
        ] {
            let arguments = [verb, &[name]].concat();
            folder.refuses(&arguments, &[name, "hint: "]);
        }
    }
    for name in ["no/where", ".", "empty", "noise"] {
        folder.refuses(&["record", name, "a"], &["hint: "]);
    }
    assert!(folder.read("empty").is_empty() && folder.read("noise") == [7; 10_000]);
    assert!(!folder.path("out").exists() && !folder.path("nowhere").exists());
}

#[test]
fn a_store_is_never_written_over() {
    let (folder, _) = folder();
    folder.ok(&["record", "other.tvdb", "b"]);
    std::os::unix::fs::symlink("run.tvdb", folder.path("link")).unwrap();
    let (run, other) = (folder.read("run.tvdb"), folder.read("other.tvdb"));
    for out in [
        "run.tvdb",
        "./run.tvdb",
        "link",
        "run.tvdb-wal",
        "run.tvdb-shm",
        "run.tvdb.lock",
        "other.tvdb",
    ] {
        folder.refuses(&["checkout", "run.tvdb", "-o", out], &[out, "hint: "]);
    }
    folder.refuses(
        &["checkout", "link", "-o", "run.tvdb"],
        &["run.tvdb", "hint: "],
    );
    folder.refuses(
        &["checkout", "run.tvdb", "-o", "no/where"],
        &["cannot write no/where", "hint: "],
    );
    folder.refuses(
        &["checkout", "run.tvdb", "-o", "."],
        &["cannot write .", "hint: "],
    );
    assert!(folder.read("run.tvdb") == run && folder.read("other.tvdb") == other);
}

#[test]
fn there_is_nothing_to_snap_without_a_threshold() {
    let (folder, _) = folder();
    for flag in ["--threshold", "--relative"] {
        folder.refuses(
            &["record", "new.tvdb", "b", "--snap", flag, "0"],
            &["snapping needs a threshold above 0"],
        );
    }
    assert!(!folder.path("new.tvdb").exists());
}

#[test]
fn wrong_usage_is_two() {
    let (folder, _) = folder();
    for arguments in [
        &["record"][..],
        &["record", "run.tvdb"],
        &["record", "run.tvdb", "b", "--threshold", "-1"],
        &["record", "run.tvdb", "b", "--threshold", "nan"],
        &["record", "run.tvdb", "b", "--relative", "inf"],
        &[
            "record",
            "run.tvdb",
            "b",
            "--relative",
            "1",
            "--threshold",
            "1",
        ],
        &[
            "record",
            "run.tvdb",
            "b",
            "--threshold",
            "1",
            "--threshold",
            "2",
        ],
        &["record", "run.tvdb", "b", "--snap"],
        &["record", "run.tvdb", "b", "--note", "loss"],
        &["record", "run.tvdb", "b", "--note", "=1"],
        &["record", "run.tvdb", "b", "--step", "2147483647"],
        &["record", "run.tvdb", "b", "--step", "-1"],
        &["checkout", "run.tvdb"],
        &["checkout", "run.tvdb", "-o", "x", "--at", "-1"],
        &["checkout", "run.tvdb", "-o", "x", "--at", ""],
        &["checkout", "run.tvdb", "-o", "x", "-o", "y"],
        &["stats"],
        &["verify", "run.tvdb", "run.tvdb"],
        &["verify", "run.tvdb", "--at", "1"],
        &["compact"],
        &["compact", "run.tvdb", "run.tvdb"],
        &["compact", "run.tvdb", "--codec", "smallest"],
        &["compact", "run.tvdb", "--codec"],
        &["log"],
        &["log", "run.tvdb", "--last", "-1"],
        &["log", "run.tvdb", "--last", "few"],
        &["tag", "run.tvdb", "latest"],
        &["tag", "run.tvdb", "a", "b"],
        &["tag", "run.tvdb", "a", "--at", "-1"],
        &["tag", "run.tvdb", "--at", "0"],
        &["tag", "run.tvdb", "a", "--delete", "b"],
        &["prune"],
        &["prune", "run.tvdb", "--keep-last", "0"],
        &["prune", "run.tvdb", "--keep-last", "-1"],
        &["prune", "run.tvdb", "--keep-last", "few"],
        &["prune", "run.tvdb", "--tiers", ""],
        &["prune", "run.tvdb", "--tiers", "10;40"],
        &["prune", "run.tvdb", "--tiers", "10,0@5"],
        &["prune", "run.tvdb", "--tiers", "10,5@0"],
        &["prune", "run.tvdb", "--tiers", "10@4,5@6"],
        &["prune", "run.tvdb", "--keep-last", "1", "--tiers", "1"],
        &["prune", "run.tvdb", "--set"],
        &["prune", "run.tvdb", "--keep-all"],
        &["prune", "run.tvdb", "--keep-last", "1", "--layers", "["],
        &["rollback", "run.tvdb"],
        &["rollback", "run.tvdb", "--to", "0"],
        &["rollback", "run.tvdb", "--to", "-1", "--yes"],
        &["bench", "--generate", "8x8x2,adam=0"],
        &["bench", "--generate", "8x8x2,adam=inf"],
        &["bench", "--generate", "8x8x2,sgd=1e-6"],
    ] {
        folder.fails(2, arguments);
    }
    assert_eq!(folder.json(&["stats", "run.tvdb"])["steps"]["count"], 1);
}
