//! Exporting layers, and importing them again, and files of others, and files that are damaged.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use safetensors::tensor::Dtype;
use serde_json::json;

use super::input::{Model, weights_in};
use super::{Folder, text};

/// Python's `seeds.py`, in a folder; `None` where OpenVDB's module for it is missing, which in CI is a
/// failure.
fn seeds(folder: &Folder, kind: &[&str]) -> Option<Vec<PathBuf>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/seeds.py");
    let made = folder.path("seeds");
    fs::create_dir(&made).unwrap();
    let output = Command::new("/usr/bin/python3")
        .arg(script)
        .arg(&made)
        .args(kind)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    let why = match output {
        Ok(output) if output.status.success() => {
            let files = fs::read_dir(&made).unwrap();
            let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
            files.sort();
            return Some(files);
        }
        Ok(output) => text(&output.stderr),
        Err(error) => error.to_string(),
    };
    assert!(
        std::env::var_os("CI").is_none() && (why.contains("No module") || why.contains("No such")),
        "{why}"
    );
    eprintln!("SKIPPED: {why} (docker/apt-packages.txt names what is needed)");
    None
}

/// The whole of a run but what is kept whole comes back, whatever the names, types and shapes.
#[test]
fn a_run_comes_back_from_its_volumes() {
    let folder = Folder::new();
    let tensors: [(&str, Dtype, &[usize]); 5] = [
        ("fc1.weight", Dtype::F32, &[40, 50]),
        ("../a b/ü", Dtype::BF16, &[12, 7]),
        ("bias", Dtype::F16, &[300]),
        ("conv", Dtype::F32, &[3, 4, 5, 6]),
        ("scalar", Dtype::F32, &[]),
    ];
    let mut model = Model::of_any_bits(&tensors);
    for step in 0..9 {
        let name = step.to_string();
        folder.write(&name, model.file());
        let number = (10 * step).to_string();
        folder.ok(&["record", "run.tvdb", &name, "--step", &number]);
        model.scramble();
    }
    let exported = folder.json(&["export", "run.tvdb", "--exact", "-o", "volumes"]);
    let volumes = exported["volumes"].as_array().unwrap();
    assert_eq!(volumes.len(), 5);
    assert_eq!(volumes[0]["first"], 0);
    assert_eq!(volumes[0]["last"], 80);
    let files: Vec<_> = volumes
        .iter()
        .map(|volume| volume["file"].as_str().unwrap())
        .collect();
    assert!(
        files.contains(&"volumes/%2E.%2Fa%20b%2F%C3%BC.vdb"),
        "{files:?}"
    );
    assert_eq!(fs::read_dir(folder.path("volumes")).unwrap().count(), 5);

    let arguments = [&["import"], &files[..], &["again.tvdb"]].concat();
    let imported = folder.json(&arguments);
    assert_eq!(imported["layers"].as_array().unwrap().len(), 5);
    assert!(
        imported["layers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|layer| layer["exact"] == true)
    );
    folder.ok(&["verify", "again.tvdb"]);
    for step in 0..9 {
        let at = (10 * step).to_string();
        let (own, again) = (
            folder.checkout("run.tvdb", &at),
            folder.checkout("again.tvdb", &at),
        );
        let tensors = |file: &[u8]| {
            let file = safetensors::SafeTensors::deserialize(file).unwrap();
            let mut all: Vec<_> = file
                .iter()
                .map(|(name, view)| {
                    (
                        name.to_owned(),
                        view.dtype(),
                        view.shape().to_vec(),
                        view.data().to_vec(),
                    )
                })
                .collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        assert!(tensors(&own) == tensors(&again), "step {at}");
    }
    // Once more: the same files, but for the number that OpenVDB gives each.
    folder.ok(&["export", "again.tvdb", "--exact", "-o", "third"]);
    for file in files {
        let (a, b) = (
            folder.read(file),
            folder.read(&file.replace("volumes/", "third/")),
        );
        assert!(a[57..] == b[57..], "{file}");
    }
}

#[test]
fn some_steps_of_some_layers_are_exported() {
    let folder = Folder::recorded(6);
    let exported = folder.json(&[
        "export", "run.tvdb", "fc1*", "--exact", "-o", "v", "--from", "2", "--to", "4",
    ]);
    let bytes = fs::metadata(folder.path("v/fc1.weight.vdb")).unwrap().len();
    let volume = json!({
        "layer": "fc1.weight", "file": "v/fc1.weight.vdb", "first": 2, "last": 4, "bytes": bytes,
    });
    assert_eq!(exported, json!({ "volumes": [volume], "left_out": [] }));
    folder.ok(&[
        "import",
        "v/fc1.weight.vdb",
        "part.tvdb",
        "--layer",
        "other",
    ]);
    let log = folder.json(&["log", "part.tvdb"]);
    let steps: Vec<_> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["step"])
        .collect();
    assert_eq!(steps, [4, 3, 2]);
    for at in ["2", "3", "4"] {
        let own = weights_in(&folder.checkout("run.tvdb", at), "fc1.weight");
        let part = weights_in(&folder.checkout("part.tvdb", at), "other");
        assert!(
            own.iter()
                .map(|w| w.to_bits())
                .eq(part.iter().map(|w| w.to_bits())),
            "{at}"
        );
    }
    // What is kept whole is no matrix: left out, or refused where it is named.
    let all = folder.json(&["export", "run.tvdb", "--exact", "-o", "all"]);
    assert_eq!(all["left_out"], json!(["counter"]));
    let named = ["export", "run.tvdb", "counter", "--exact", "-o", "v"];
    folder.refuses(&named, &["'counter' is I64, which is kept whole"]);
    let unknown = ["export", "run.tvdb", "fc3.weight", "--exact", "-o", "v"];
    folder.refuses(&unknown, &["there is no layer 'fc3.weight'", "fc1.weight"]);
    // A file that stands where the folder is to be.
    folder.refuses(&["export", "run.tvdb", "--exact", "-o", "0"], &["0"]);
    // A folder is for the exact form alone.
    folder.refuses(&["export", "run.tvdb", "-o", "v"], &["--exact"]);
}

/// A store is as it was where a layer cannot be taken.
#[test]
fn what_does_not_fit_changes_nothing() {
    let folder = Folder::recorded(3);
    folder.ok(&["export", "run.tvdb", "--exact", "-o", "v"]);
    let before = folder.json(&["log", "run.tvdb"]);
    let again = ["import", "v/fc1.weight.vdb", "run.tvdb"];
    folder.refuses(
        &again,
        &["there is a layer 'fc1.weight' already", "--layer NAME"],
    );
    let renamed = ["import", "v/fc1.weight.vdb", "run.tvdb", "--layer", "new"];
    folder.refuses(
        &renamed,
        &[
            "'new' begins at step 0, and run.tvdb is at step 2 already",
            "store of its own",
        ],
    );
    let twice = ["import", "v/fc1.weight.vdb", "v/fc1.weight.vdb", "new.tvdb"];
    folder.refuses(&twice, &["are both layer 'fc1.weight'"]);
    folder.fails(
        2,
        &[
            "import",
            "v/fc1.weight.vdb",
            "v/fc2.weight.vdb",
            "new.tvdb",
            "--layer",
            "x",
        ],
    );
    folder.fails(2, &["import", "v/fc1.weight.vdb", "v/fc2.weight.vdb"]);
    folder.refuses(&["import", "v/none.vdb", "new.tvdb"], &["v/none.vdb"]);
    folder.write("new.tvdb-wal", "what a run has left");
    let beside = ["import", "v/fc1.weight.vdb", "new.tvdb"];
    folder.refuses(&beside, &["new.tvdb-wal is there, and its store is not"]);
    fs::remove_file(folder.path("new.tvdb-wal")).unwrap();
    folder.refuses(&["import", "run.tvdb", "new.tvdb"], &["it is no .vdb file"]);
    folder.refuses(&["import", "v/fc1.weight.vdb", "none/new.tvdb"], &["none"]);
    assert_eq!(folder.json(&["log", "run.tvdb"]), before);
    assert!(!folder.path("new.tvdb").exists());
    assert_eq!(hidden(&folder), Vec::<String>::new());

    // Later steps do fit.
    folder.ok(&["record", "late.tvdb", "0", "1", "--step", "7"]);
    folder.ok(&["export", "late.tvdb", "fc2.weight", "--exact", "-o", "late"]);
    folder.ok(&[
        "import",
        "late/fc2.weight.vdb",
        "run.tvdb",
        "--layer",
        "late",
    ]);
    assert_eq!(folder.steps(), [0, 1, 2, 7, 8]);
    folder.ok(&["verify", "run.tvdb"]);
}

/// What an import has left behind.
fn hidden(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path(".")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

/// Whatever wrote them: packed or not, with halves, tiles, several grids.
#[test]
fn honest_files_of_all_kinds_are_imported() {
    let folder = Folder::new();
    let Some(seeds) = seeds(&folder, &[]) else {
        return;
    };
    for seed in seeds {
        let name = seed.file_stem().unwrap().to_str().unwrap().to_owned();
        let store = format!("{name}.tvdb");
        let imported = folder.json(&["import", seed.to_str().unwrap(), &store, "--grid", "w"]);
        let layer = &imported["layers"][0];
        assert_eq!(
            (&layer["layer"], &layer["exact"]),
            (&json!("w"), &json!(false)),
            "{name}"
        );
        let weights = weights_in(&folder.checkout(&store, "latest"), "w");
        let cols = layer["cols"].as_u64().unwrap() as usize;
        let expected: f32 = [0.0, 1.0, 5.0, 30.0]
            .map(|z| 15.0 + 7.0 / 8.0 + z / 64.0)
            .iter()
            .sum();
        let found = weights[15 * cols + 7];
        assert!(
            (found - expected).abs() < 0.1,
            "{name}: {found} is not about {expected}"
        );
        let steps = if name.contains("tiles") {
            3..=3000
        } else {
            3..=3
        };
        assert!(
            steps.contains(&layer["steps"].as_u64().unwrap()),
            "{name}: {layer}"
        );
        if !name.starts_with("several") && !name.contains("others") {
            folder.ok(&["import", seed.to_str().unwrap(), "only.tvdb"]);
            fs::remove_file(folder.path("only.tvdb")).unwrap();
        }
        folder.ok(&["verify", &store]);
    }
}

/// Neither a store nor a process that reads is left.
#[test]
fn an_import_that_is_ended_leaves_nothing() {
    let folder = Folder::recorded(2);
    if seeds(&folder, &["large"]).is_none() {
        return;
    }
    // 16 million voxels, in tiles of 2 million each.
    let file = folder.path("seeds/large.vdb");
    let before = folder.json(&["log", "run.tvdb"]);
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        for wait in [50, 400, 1500, 4000] {
            let import = ["import", file.to_str().unwrap(), "new.tvdb"];
            let mut importing = folder
                .command(&import)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(wait));
            let id = importing.id().to_string();
            Command::new("kill").args([signal, &id]).status().unwrap();
            // Before it listens for signals, one ends it as it does any process.
            let status = importing.wait().unwrap();
            let ended = status.code() == Some(code) || status.signal().is_some();
            assert!(ended, "after {wait} ms: {status}");
            assert!(!folder.path("new.tvdb").exists(), "after {wait} ms");
            assert_eq!(hidden(&folder), Vec::<String>::new(), "after {wait} ms");
        }
    }
    assert_eq!(folder.json(&["log", "run.tvdb"]), before);
    let file = file.to_str().unwrap();
    let begun = Instant::now();
    while readers(file) > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "one goes on reading"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many processes have a file among their arguments.
fn readers(file: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap();
    let lines = processes.filter_map(|process| fs::read(process.ok()?.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(file))
        .count()
}

/// What the program does where it, and each process that it starts, has so much address space.
fn within(folder: &Folder, bytes: u64, arguments: &[&str]) -> Output {
    Command::new("sh")
        .args([
            "-c",
            "ulimit -v $0; exec \"$@\"",
            &(bytes / 1024).to_string(),
        ])
        .arg(env!("CARGO_BIN_EXE_tvdb"))
        .args(arguments)
        .current_dir(folder.path("."))
        // Each thread takes address space, which has nothing to do with the file.
        .envs([("TOKIO_WORKER_THREADS", "2"), ("MALLOC_ARENA_MAX", "2")])
        .output()
        .unwrap()
}

/// How many damaged files are tried.
fn tries() -> usize {
    match std::env::var("TVDB_DAMAGED_FILES").map(|count| count.parse()) {
        Ok(Ok(count)) => count,
        _ if std::env::var_os("CI").is_some() => 500,
        _ => 60,
    }
}

const MEMORY: u64 = 1 << 30;

/// Bits flipped, ends cut off, bytes of other places put in: a file of 794 bytes ended the process, one of
/// ten kilobytes took four gigabytes, and a flipped bit made the reader crash. Each must give an error, or
/// what is there, soon, and within a gigabyte of address space.
#[test]
fn damaged_files_end_in_an_error() {
    let folder = Folder::recorded(5);
    folder.ok(&["export", "run.tvdb", "--exact", "-o", "v"]);
    let mut files = seeds(&folder, &[]).unwrap_or_default();
    files.extend(["v/fc1.weight.vdb", "v/fc2.weight.vdb"].map(|name| folder.path(name)));
    let files: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    let mut random = Random(3);
    let (mut refused, mut taken) = (0, 0);
    for n in 0..tries() {
        let mut bytes = files[n % files.len()].clone();
        random.damage(&mut bytes, &files);
        folder.write("bad.vdb", &bytes);
        let before = Instant::now();
        let grid: &[&str] = if n % files.len() + 2 < files.len() {
            &["--grid=w"]
        } else {
            &[]
        };
        let output = within(
            &folder,
            MEMORY,
            &[&["import", "bad.vdb", "bad.tvdb"], grid].concat(),
        );
        let stderr = text(&output.stderr);
        let damage = || {
            let kept = folder.path("bad.vdb");
            format!("{n}, {}: {:?}: {stderr}", kept.display(), output.status)
        };
        assert!(output.status.signal().is_none(), "{}", damage());
        assert!(before.elapsed() < Duration::from_secs(60), "{}", damage());
        match output.status.code() {
            Some(0) => {
                taken += 1;
                fs::remove_file(folder.path("bad.tvdb")).unwrap();
            }
            Some(1) => {
                refused += 1;
                assert!(stderr.starts_with("error: "), "{}", damage());
                assert!(!stderr.contains("panicked"), "{}", damage());
                assert!(!folder.path("bad.tvdb").exists(), "{}", damage());
            }
            _ => panic!("{}", damage()),
        }
    }
    assert!(refused > taken, "{refused} refused, {taken} taken");
    assert_eq!(hidden(&folder), Vec::<String>::new());
}

/// A layer of ours is never taken with another weight than it had.
#[test]
fn a_damaged_layer_is_never_another() {
    let folder = Folder::recorded(3);
    folder.ok(&["export", "run.tvdb", "fc2.weight", "--exact", "-o", "v"]);
    let whole = folder.read("v/fc2.weight.vdb");
    let own = folder.checkout("run.tvdb", "latest");
    let mut random = Random(9);
    for _ in 0..tries() / 2 {
        let mut bytes = whole.clone();
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        folder.write("bad.vdb", &bytes);
        let output = folder.run(&["import", "bad.vdb", "bad.tvdb", "--layer", "fc2.weight"]);
        if output.status.success() {
            let back = folder.checkout("bad.tvdb", "latest");
            let data = |file: &[u8]| {
                let file = safetensors::SafeTensors::deserialize(file).unwrap();
                file.tensor("fc2.weight").unwrap().data().to_vec()
            };
            assert!(data(&own) == data(&back), "bit at byte {at}");
            fs::remove_file(folder.path("bad.tvdb")).unwrap();
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((self.0 >> 33) % end.max(1) as u64) as usize
    }

    /// Half of what is damaged lies in the first kilobyte, where the counts and the metadata are.
    fn place(&mut self, bytes: &[u8]) -> usize {
        let end = if self.below(2) == 0 {
            bytes.len().min(1024)
        } else {
            bytes.len()
        };
        self.below(end)
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, files: &[Vec<u8>]) {
        match self.below(5) {
            0 => bytes.truncate(self.below(bytes.len())),
            1 => {
                let other = &files[self.below(files.len())];
                let (from, to) = (self.below(other.len()), self.place(bytes));
                let length = self.below(64).min(other.len() - from).min(bytes.len() - to);
                bytes[to..to + length].copy_from_slice(&other[from..from + length]);
            }
            2 => {
                let at = self.place(bytes);
                let end = (at + 1 + self.below(8)).min(bytes.len());
                bytes[at..end].fill(if self.below(2) == 0 { 0xff } else { 0 });
            }
            _ => {
                for _ in 0..1 + self.below(8) {
                    let at = self.place(bytes);
                    bytes[at] ^= 1 << self.below(8);
                }
            }
        }
    }
}
