//! Each pair of measurements in one line, from what Criterion has just written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// In every group whose name begins with `group`: `slow` over `fast` should be at least `bar`.
struct Pair {
    group: &'static str,
    slow: &'static str,
    fast: &'static str,
    bar: Option<f64>,
}

const PAIRS: [Pair; 10] = [
    Pair {
        group: "insert,",
        slow: "accessor",
        fast: "batch, kept memory",
        bar: Some(2.0),
    },
    Pair {
        group: "insert,",
        slow: "accessor",
        fast: "batch, fresh memory",
        bar: None,
    },
    Pair {
        group: "state,",
        slow: "hash maps",
        fast: "kernel, dense",
        bar: Some(5.0),
    },
    Pair {
        group: "state,",
        slow: "hash maps",
        fast: "kernel, sparse",
        bar: Some(5.0),
    },
    Pair {
        group: "state,",
        slow: "voxel iterator",
        fast: "kernel, dense",
        bar: Some(4.0),
    },
    Pair {
        group: "state,",
        slow: "voxel iterator",
        fast: "kernel, sparse",
        bar: Some(4.0),
    },
    Pair {
        group: "state,",
        slow: "16 states, one by one",
        fast: "16 states, at once",
        bar: Some(2.0),
    },
    Pair {
        group: "export,",
        slow: "io::File",
        fast: "exact form",
        bar: Some(0.5),
    },
    Pair {
        group: "weights and",
        slow: "two grids, insert",
        fast: "one grid, insert",
        bar: None,
    },
    Pair {
        group: "weights and",
        slow: "two grids, read a step",
        fast: "one grid, read a step",
        bar: None,
    },
];

/// Absolute limits, in microseconds.
const LIMITS: [(&str, f64); 2] = [
    ("history of 1,000 steps", 20.0),
    ("empty batch over the bridge", 2.0),
];

pub(crate) fn print_machine() {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    println!(
        "machine: {}, {cores} cores, {}",
        model.trim_start_matches([' ', '\t', ':']),
        std::env::consts::OS
    );
}

struct Measurement {
    group: String,
    function: String,
    median_ns: f64,
}

/// The newest measurements; older ones of other runs are left out.
fn measurements(folder: &Path, since: SystemTime) -> Vec<Measurement> {
    let mut found = Vec::new();
    let entries = |path: &Path| {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    for function in entries(folder).flat_map(|group| entries(&group).collect::<Vec<_>>()) {
        let estimates = function.join("new/estimates.json");
        let fresh = fs::metadata(&estimates)
            .and_then(|data| data.modified())
            .is_ok_and(|time| time >= since);
        let read = |name: &str| -> Option<serde_json::Value> {
            serde_json::from_slice(&fs::read(function.join("new").join(name)).ok()?).ok()
        };
        let (Some(estimates), Some(benchmark)) = (read("estimates.json"), read("benchmark.json"))
        else {
            continue;
        };
        let text = |key: &str| benchmark[key].as_str().unwrap_or_default().to_owned();
        if let (true, Some(median_ns)) = (fresh, estimates["median"]["point_estimate"].as_f64()) {
            found.push(Measurement {
                group: text("group_id"),
                function: text("function_id"),
                median_ns,
            });
        }
    }
    found.sort_by(|a, b| a.group.cmp(&b.group));
    found
}

pub(crate) fn print_table(since: SystemTime) {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let found = measurements(&target.join("criterion"), since);
    let median = |group: &str, function: &str| {
        found
            .iter()
            .find(|m| m.group == group && m.function == function)
            .map(|m| m.median_ns)
    };
    let verdict = |good: bool| if good { "yes" } else { "NO" };
    println!(
        "\n{:<58} {:<48} {:>7} {:>5}  reached",
        "run", "how much faster", "ratio", "bar"
    );
    let mut groups: Vec<_> = found.iter().map(|m| m.group.as_str()).collect();
    groups.dedup();
    for pair in &PAIRS {
        for group in groups.iter().filter(|group| group.starts_with(pair.group)) {
            if let (Some(slow), Some(fast)) = (median(group, pair.slow), median(group, pair.fast)) {
                let ratio = slow / fast;
                let bar = pair.bar.map_or_else(String::new, |bar| format!("{bar}"));
                let reached = pair.bar.map_or("", |bar| verdict(ratio >= bar));
                let which = format!("{} over {}", pair.fast, pair.slow);
                println!("{group:<58} {which:<48} {ratio:>7.2} {bar:>5}  {reached}");
            }
        }
    }
    for (function, limit) in LIMITS {
        if let Some(median_ns) = median("small calls", function) {
            let micros = median_ns / 1e3;
            println!(
                "{function}: {micros:.2} us, at most {limit}: {}",
                verdict(micros <= limit)
            );
        }
    }
}
