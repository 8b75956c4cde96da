//! The table.

use tvdb_bench::training::STEPS;

use crate::outcome::Outcome;
use crate::run::Run;

/// Accuracy is shown after these steps; all states that are read back are compared.
const SHOWN: [usize; 4] = [50, 100, 200, STEPS];

/// What the columns mean.
pub const LEGEND: &str = "\
changed     weights that a step changes, on average
per change  bytes of the file without its base, over all changed weights
error       largest distance of a weight from the trained one, in standard deviations
off by      percentage points, up or down, between the accuracy and the lossless one's";

/// The lines above the rows.
pub fn heading(run: &Run) -> String {
    let columns: String = SHOWN.map(|step| format!("{step:>7}")).concat();
    format!(
        "{} weights, {STEPS} steps; thresholds in standard deviations of each matrix\n\n\
         {:56}{:>w$}  {:>12}\n{:15}{:>9}{:>9}{:>11}{:>12}{columns}{:>7}{:>7}\n",
        run.weights(),
        "",
        "test accuracy after step",
        "off by",
        "threshold",
        "changed",
        "file",
        "per change",
        "error",
        "mean",
        "most",
        w = 7 * SHOWN.len(),
    )
}

/// The line of one outcome.
pub fn row(outcome: &Outcome, run: &Run) -> String {
    let possible = (run.weights() * STEPS) as f64;
    let accuracy = |step| {
        let point = outcome.points.iter().find(|point| point.step == step);
        point.map_or_else(String::new, |point| percent(point.accuracy))
    };
    let accuracies = SHOWN.map(|step| format!("{:>7}", accuracy(step))).concat();
    format!(
        "{:15}{:>9}{:>9}{:>11.2}{:>12.6}{accuracies}{:>7.2}{:>7.2}",
        outcome.variant.label,
        percent(outcome.changes as f64 / possible),
        format!("{:.2} MB", outcome.file_bytes as f64 / 1e6),
        outcome.bytes_per_change,
        outcome.largest_error,
        100.0 * outcome.mean_difference(),
        100.0 * outcome.largest_difference(),
    )
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}
