//! The report for people.

use std::path::Path;

use tvdb_bench::demo::{Report, Run, State};
use tvdb_bench::training::{STEPS, WIDTHS};

use super::layout::{WIDTH, megabytes, paragraph, percent, quoted};
use super::tables;
use crate::screen::numbers::grouped;
use crate::screen::sparkline;

/// The states of these steps are shown; all that were kept are compared.
const SHOWN: [usize; 7] = [0, 1, 50, 100, 150, 200, 300];

/// Entries of the weight's history shown at each end.
const ENTRIES: usize = 3;

/// The whole report, in lines of at most [`WIDTH`] columns (file names aside).
pub(super) fn render(report: &Report) -> String {
    [
        training(report),
        read_back(report),
        tables::sizes(report),
        tables::times(report),
        weight(report),
        volumes(report),
        format!("Took {:.1} s.\n", report.seconds),
    ]
    .join("\n")
}

fn training(report: &Report) -> String {
    let widths = WIDTHS.map(|width| width.to_string()).join("-");
    let mut text = String::from("RECORDED\n");
    text += &paragraph(&format!(
        "A {widths} network learned to read digits in {STEPS} steps. All of its {} weights were \
         recorded after each step, in one OpenVDB grid per matrix, whose third axis is time; twice:",
        grouped(report.weights() as u64),
    ));
    for run in &report.runs {
        text.push('\n');
        text += &paragraph(&if run.is_lossless() {
            format!("{}: every change is kept (threshold 0).", run.name)
        } else {
            format!(
                "{}: a change is kept once the weight is further from its last kept value than {} \
                 of its matrix's standard deviation ({}).",
                run.name,
                percent(run.relative),
                per_matrix(report, &run.thresholds),
            )
        });
    }
    text
}

/// `layer1 0.00176, layer2 ...`
fn per_matrix(report: &Report, values: &[f32]) -> String {
    let pairs = report.matrices.iter().zip(values);
    let named = pairs.map(|(matrix, value)| format!("{} {value:.7}", matrix.name));
    named.collect::<Vec<_>>().join(", ")
}

fn read_back(report: &Report) -> String {
    let mut text = format!(
        "READ BACK: accuracy on {} test images\n",
        report.test_images
    );
    text += &format!("  {:>4}  {:>10}", "step", "as trained");
    for run in &report.runs {
        text += &format!("   {:<18}", run.name);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    let kept = report
        .runs
        .first()
        .map_or(0, |run| run.read_back.states.len());
    for index in 0..kept {
        let states: Vec<_> = report
            .runs
            .iter()
            .map(|run| &run.read_back.states[index])
            .collect();
        if SHOWN.contains(&states[0].step) {
            text += &read_back_row(&states);
        }
    }
    for run in &report.runs {
        text.push('\n');
        text += &paragraph(&compared(report, run));
    }
    text
}

/// One step, as it was read back from each run.
fn read_back_row(states: &[&State]) -> String {
    let mut text = format!(
        "  {:>4}  {:>10}",
        states[0].step,
        percent(states[0].trained)
    );
    for state in states {
        let weights = if state.same_bits {
            "same bits".to_owned()
        } else {
            format!("off {:.5}", state.largest_error)
        };
        text += &format!("   {:>6} {weights:<11}", percent(state.accuracy));
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn compared(report: &Report, run: &Run) -> String {
    let read_back = &run.read_back;
    let count = read_back.states.len();
    if run.is_lossless() {
        return format!(
            "{}: {} of {count} states are the trained ones, bit for bit.",
            run.name,
            read_back.same_count(),
        );
    }
    let errors: Vec<f32> = read_back
        .largest_errors
        .iter()
        .map(|&error| error as f32)
        .collect();
    let worst = read_back.worst().map_or_else(String::new, |state| {
        format!(
            ", by {} at most (step {})",
            percent(state.difference()),
            state.step
        )
    });
    let bound = if run.errors_are_bounded() {
        "none above the threshold"
    } else {
        "ABOVE THE THRESHOLD"
    };
    format!(
        "{}: over {count} states, the accuracies differ by {} on average{worst}. \"off\" is the \
         largest distance of a weight from the trained one; over all states it is {}: {bound}.",
        run.name,
        percent(read_back.mean_difference()),
        per_matrix(report, &errors),
    )
}

fn weight(report: &Report) -> String {
    let weight = &report.weight;
    let mut text = String::from("ONE WEIGHT\n");
    let counts: Vec<_> = weight
        .histories
        .iter()
        .map(|(run, history)| format!("{} changes in {run}", history.len().saturating_sub(1)))
        .collect();
    text += &paragraph(&format!(
        "{}, row {}, column {}, the one that changed most: {}.",
        weight.matrix,
        weight.row,
        weight.col,
        counts.join(", "),
    ));
    let Some((run, history)) = weight.histories.last() else {
        return text;
    };
    text += &format!("\n  {run}, steps 0 to {STEPS}:\n");
    let bars = sparkline::of_history(history, 0..=STEPS, WIDTH - 4);
    text += &format!("  {bars}\n\n");
    let hidden = ENTRIES..history.len().saturating_sub(ENTRIES);
    for (index, (step, value)) in history.iter().enumerate() {
        if !hidden.contains(&index) {
            text += &format!("    after step {step:>3}  {value:>11.7}\n");
        } else if index == hidden.start {
            text += &format!("    ... {} more\n", hidden.len());
        }
    }
    text
}

fn volumes(report: &Report) -> String {
    let mut text = String::from("VOLUMES\n");
    for volume in report.runs.iter().flat_map(|run| &run.volumes) {
        text += &format!(
            "  {:>8}  {}\n",
            megabytes(volume.bytes),
            volume.path.display()
        );
    }
    text += "\n  To look at one (x is the row, y the column, z the time):\n\n";
    let last = report.runs.last().and_then(|run| run.volumes.first());
    let file = quoted(last.map_or(Path::new("FILE"), |volume| &volume.path));
    text += &format!("    vdb_print -l {file}\n    vdb_view {file}\n\n");
    text += &paragraph(
        "Both come with OpenVDB (Debian, Ubuntu: libopenvdb-tools). In Houdini, load the file \
         with a File SOP. Base weights are at z = 0, what step t changed is at z = t.",
    );
    text
}
