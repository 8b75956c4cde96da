//! The report for people.

use tvdb_bench::bench::{Codings, Report};

use crate::screen::numbers::{bytes, grouped};

/// The whole report, in lines of at most 80 columns (the folder's name aside).
pub(super) fn render(report: &Report) -> String {
    [
        run(report),
        sizes(report),
        recording(report),
        reading(report),
        adding_up(report),
        codings(report),
        memory(report),
        format!("Took {:.1} s.\n", report.seconds),
    ]
    .iter()
    .filter(|part| !part.is_empty())
    .map(String::as_str)
    .collect::<Vec<_>>()
    .join("\n")
}

/// A line of a table: what, how much, how many times something else, and what that means.
struct Line<'a>(&'a str, String, Option<f64>, &'a str);

fn table(heading: &str, lines: &[Line]) -> String {
    let mut text = format!("{heading}\n");
    for Line(what, value, ratio, meaning) in lines {
        let ratio = ratio.map_or_else(String::new, |ratio| format!("{} x", significant(ratio)));
        let line = format!("  {what:<26}{value:>11}{ratio:>10}  {meaning}");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn run(report: &Report) -> String {
    let (recording, changes) = (&report.recording, report.formats.changes);
    let model = &recording.model;
    let possible = model.weights * (recording.steps() as u64 - 1);
    let share = 100.0 * changes as f64 / possible.max(1) as f64;
    format!(
        "RUN: {}\n  \
         {} steps of {} weights in {} layers; a step changes {} % of them,\n  \
         {} changes in all. Every step that was read back is its checkpoint,\n  \
         bit for bit. Codec {}, threads {}, favoring {}.\n",
        report.run,
        grouped(recording.steps() as u64),
        grouped(model.weights),
        grouped(model.layers as u64),
        significant(share),
        grouped(changes),
        report.codec(),
        report.threads(),
        report.favor(),
    )
}

fn sizes(report: &Report) -> String {
    let stats = &report.stats;
    let raw_over_file = Some(report.raw_over_file());
    let [tvdb, gap_coded, bitmap, xor] = report.bytes_per_change().map(|(_, value)| value);
    let each = |what, value, meaning| {
        let ratio = Option::zip(value, tvdb).map(|(value, tvdb): (f64, f64)| value / tvdb);
        Line(what, per_change(value), ratio, meaning)
    };
    let raw = bytes(report.recording.raw_bytes);
    let file = bytes(stats.file_bytes());
    let whole = stats.file_bytes_per_change();
    table(
        "SIZES",
        &[
            Line("all checkpoints", raw, raw_over_file, "of the store's file"),
            Line("the store's file", file, None, ""),
            Line("  first step", bytes(stats.base_bytes), None, "the base"),
            Line("  states", bytes(stats.keyframe_bytes), None, "keyframes"),
            Line("  changes", bytes(stats.block_bytes), None, "sealed blocks"),
            Line("a change in blocks", per_change(tvdb), None, ""),
            each("  and all but the base", whole, "of that in blocks"),
            each("  gap-coded", gap_coded, "places and ulps, zstd 3"),
            each("  bitmap", bitmap, "a bit a weight, and ulps"),
            each("  xor", xor, "of whole checkpoints"),
        ],
    )
}

fn recording(report: &Report) -> String {
    let recording = &report.recording;
    let (write, record) = (recording.write_s(), recording.record_s());
    let settled = report.recording.settled_s();
    let ratios = [report.record_ratio(), report.record_ratio_settled()].map(Some);
    let written = report.per_change(recording.bytes_written as f64);
    table(
        "RECORDING a step, so that it is safe on the disk",
        &[
            Line("its file", seconds(write), None, "written and synced"),
            Line(
                "in the store",
                seconds(record),
                ratios[0],
                "until it is safe",
            ),
            Line(
                "  and behind it",
                seconds(settled),
                ratios[1],
                "until all is settled",
            ),
            Line(
                "written for a change",
                per_change(written),
                None,
                "log and all",
            ),
        ],
    )
}

fn reading(report: &Report) -> String {
    let reading = &report.reading;
    let ratios = [
        report.checkout_ratio(),
        report.latest_ratio(),
        report.latest_copied_ratio(),
    ]
    .map(Some);
    let copied = seconds(reading.latest_copied);
    let steps = format!("mean of {} steps", reading.steps.len());
    let (checkout, latest) = (seconds(reading.checkout), seconds(reading.latest));
    let load_latest = seconds(reading.load_latest);
    let query = reading.history_query.map_or_else(none, seconds);
    table(
        "READING a step into memory",
        &[
            Line("its file", seconds(reading.load), None, &steps),
            Line("from the store", checkout, ratios[0], "of that"),
            Line("the latest one's file", load_latest, None, ""),
            Line(
                "the latest of the store",
                latest,
                ratios[1],
                "of that, memory shared",
            ),
            Line("  copied", copied, ratios[2], "into memory of its own"),
            Line("one weight's history", query, None, "over all steps"),
        ],
    )
}

fn adding_up(report: &Report) -> String {
    let times = report.reconstruct_ns().map(|(_, value)| value);
    let [history, grid, coo, hashmap, voxel] = times;
    let each = |what, value: Option<f64>, meaning| {
        let ratio = value.zip(history).map(|(value, history)| value / history);
        let value = value.map_or_else(none, |value| format!("{} ns", significant(value)));
        Line(what, value, ratio, meaning)
    };
    let from = if report.has_keyframes() {
        "from a keyframe on"
    } else {
        "from the base on"
    };
    let mut text = table(
        "ADDING UP all changes, for each of them",
        &[
            each("the store's file", history, from),
            each("a FloatGrid, in bulk", grid, "of that"),
            each("arrays into a matrix", coo, "one thread, in memory"),
            each("a hash map a step", hashmap, "one thread, in memory"),
            each("a FloatGrid, by voxels", voxel, "one thread, in memory"),
        ],
    );
    for (name, reason) in &report.reconstruction.skipped {
        text += &format!("  ({name}: left out, {reason})\n");
    }
    text
}

/// The same steps in either coding, where that was asked for.
fn codings(report: &Report) -> String {
    let Some(Codings { fast, dense }) = &report.codings else {
        return String::new();
    };
    let ratio = |value: f64, other: f64| (other > 0.0).then(|| value / other);
    let ns = |seconds: f64| {
        let value = report.per_change(seconds * 1e9);
        value.map_or_else(none, |value| format!("{} ns", significant(value)))
    };
    let sizes = [fast.bytes_per_change, dense.bytes_per_change];
    let smaller = Option::zip(sizes[1], sizes[0]).map(|(dense, fast)| dense / fast);
    let seal = ratio(dense.seal, fast.seal);
    let seal_ns = |seconds: f64| format!("{} ns", significant(seconds * 1e9));
    let history = ratio(dense.history, fast.history);
    table(
        "CODINGS of the same steps",
        &[
            Line("a change, fast", per_change(sizes[0]), None, ""),
            Line("  dense", per_change(sizes[1]), smaller, "of that"),
            Line("sealing it, fast", seal_ns(fast.seal), None, "7 steps"),
            Line("  dense", seal_ns(dense.seal), seal, "of that"),
            Line("adding it up, fast", ns(fast.history), None, ""),
            Line("  dense", ns(dense.history), history, "of that"),
        ],
    )
}

fn memory(report: &Report) -> String {
    let dense = report.recording.model.dense_bytes;
    let (kept, peak) = (report.recording.resident_bytes, report.peak_bytes);
    let peak_ratio = Some(peak as f64 / dense.max(1) as f64);
    let kept_ratio = Some(report.resident_over_dense());
    table(
        "MEMORY",
        &[
            Line("one step", bytes(dense), None, "its tensors, dense"),
            Line(
                "kept after recording",
                bytes(kept),
                kept_ratio,
                "of one step",
            ),
            Line(
                "most until it was read",
                bytes(peak),
                peak_ratio,
                "with the files read in",
            ),
        ],
    )
}

/// What could not be measured.
fn none() -> String {
    "-".to_owned()
}

/// A number of at least 0 with three digits that matter, at most three behind the point.
fn significant(value: f64) -> String {
    let decimals = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

fn per_change(bytes: Option<f64>) -> String {
    bytes.map_or_else(none, |bytes| format!("{} B", significant(bytes)))
}

fn seconds(value: f64) -> String {
    match value {
        v if v >= 0.9995 => format!("{} s", significant(v)),
        v if v >= 0.9995e-3 => format!("{} ms", significant(v * 1e3)),
        v => format!("{} us", significant(v * 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0.000"),
            (0.5, "0.500"),
            (0.9999, "1.00"),
            (9.996, "10.0"),
            (1234.6, "1235"),
        ] {
            assert_eq!(significant(value), text);
        }
        assert_eq!(seconds(0.0123), "12.3 ms");
        assert_eq!(seconds(0.99996), "1.00 s");
        assert_eq!(seconds(1e-9), "0.001 us");
        assert_eq!(per_change(Some(0.56)), "0.560 B");
        assert_eq!(per_change(None), "-");
    }
}
