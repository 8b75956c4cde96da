//! The report's tables: sizes and times, a column for each run.

use tvdb_bench::demo::{Report, Run};
use tvdb_bench::training::STEPS;

use super::layout::{megabytes, paragraph, percent};
use crate::screen::numbers::grouped;

/// What is measured, and how a run's value for it reads.
type Row<'a> = (&'a str, &'a dyn Fn(&Run) -> String);

/// A line for each measure, a column for each run.
fn table(report: &Report, heading: &str, rows: &[Row]) -> String {
    let mut text = format!("{heading:<30}");
    for run in &report.runs {
        text += &format!("{:>14}", run.name);
    }
    text.push('\n');
    for (name, value) in rows {
        text += &format!("  {name:<28}");
        for run in &report.runs {
            text += &format!("{:>14}", value(run));
        }
        text.push('\n');
    }
    text
}

pub(super) fn sizes(report: &Report) -> String {
    let each = |run: &Run, bytes: u64| format!("{:.1} B", run.per_change(bytes as f64));
    let mut text = table(
        report,
        "SIZES",
        &[
            ("weights changed per step", &|run| {
                percent(report.share_per_step(run))
            }),
            ("changes", &|run| grouped(run.changes)),
            ("exact marks among them", &|run| grouped(run.sizes.marks)),
            ("memory: grids", &|run| megabytes(run.sizes.grids)),
            ("  a checkpoint per step", &|run| {
                megabytes(run.sizes.checkpoints)
            }),
            ("  a hash map per step", &|run| {
                megabytes(run.sizes.hash_maps)
            }),
            ("  grids, per change", &|run| each(run, run.sizes.grids)),
            ("  hash maps, per change", &|run| {
                each(run, run.sizes.hash_maps)
            }),
            ("disk: .vdb files", &|run| megabytes(run.sizes.volumes)),
            ("  a checkpoint per step", &|run| {
                megabytes(run.sizes.checkpoints)
            }),
            ("  .vdb files, per change", &|run| {
                each(run, run.sizes.volumes)
            }),
        ],
    );
    text.push('\n');
    text += &paragraph(&format!(
        "Checkpoints are {} copies of all weights as f32. Hash maps are one for each step and \
         matrix, from (row, column) to delta.",
        STEPS + 1,
    ));
    for run in &report.runs {
        text.push('\n');
        text += &paragraph(&verdict(report, run));
    }
    let worst = report.runs.iter().max_by_key(|run| run.sizes.grids);
    if let Some(run) = worst.filter(|run| run.sizes.grids > run.sizes.checkpoints) {
        text.push('\n');
        text += &paragraph(&format!(
            "Why grids can take more memory than copies: a leaf of a grid, 8 x 8 weights over 8 \
             steps, is 2 KB however few of its 512 values are changes ({} of them in {}, on \
             average). Grids in memory are for live adaptation, where steps change few weights.",
            run.changes / run.sizes.leaves.max(1),
            run.name,
        ));
    }
    text
}

/// What the sizes mean, in a sentence or two.
fn verdict(report: &Report, run: &Run) -> String {
    let sizes = &run.sizes;
    let times = |bytes: u64, other: u64| format!("{:.2} times", bytes as f64 / other as f64);
    let all = report.runs.iter().find(|run| run.is_lossless());
    let fewer = match all {
        Some(all) if !run.is_lossless() => {
            format!(
                " {:.1} times fewer changes;",
                run.per_change(all.changes as f64)
            )
        }
        _ => String::new(),
    };
    format!(
        "{}:{fewer} in memory the grids take {} the bytes of the checkpoints and {} those of the \
         hash maps; on disk {} those of the checkpoints.",
        run.name,
        times(sizes.grids, sizes.checkpoints),
        times(sizes.grids, sizes.hash_maps),
        times(sizes.volumes, sizes.checkpoints),
    )
}

pub(super) fn times(report: &Report) -> String {
    let each = |run: &Run, seconds: f64| format!("{:.1} ns", run.per_change(seconds * 1e9));
    let ms = |seconds: f64| format!("{:.2} ms", seconds * 1e3);
    let read = format!("read the state of step {STEPS}");
    table(
        report,
        "TIMES",
        &[
            ("find changes, per change", &|run| {
                each(run, run.find_seconds)
            }),
            ("store them, per change", &|run| {
                each(run, run.store_seconds)
            }),
            ("both, per step", &|run| {
                ms((run.find_seconds + run.store_seconds) / STEPS as f64)
            }),
            (&read, &|run| ms(run.read_back.last_time.as_secs_f64())),
        ],
    )
}
