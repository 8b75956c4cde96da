//! The report for programs.

use serde_json::{Value, json};

use super::report::{Report, Run};
use crate::training::{BATCH, RATE, STEPS, WIDTHS};

impl Report {
    /// One object.
    pub fn to_json(&self) -> Value {
        let matrices = self.matrices.iter();
        let weight = &self.weight;
        json!({
            "network": {
                "widths": WIDTHS,
                "weights": self.weights(),
                "matrices": matrices
                    .map(|matrix| json!({
                        "name": matrix.name,
                        "rows": matrix.rows,
                        "cols": matrix.cols,
                    }))
                    .collect::<Vec<_>>(),
            },
            "training": {
                "steps": STEPS,
                "batch": BATCH,
                "rate": RATE,
                "test_images": self.test_images,
            },
            "runs": self.runs.iter().map(|run| render_run(self, run)).collect::<Vec<_>>(),
            "weight": {
                "matrix": weight.matrix,
                "row": weight.row,
                "col": weight.col,
                "histories": weight
                    .histories
                    .iter()
                    .map(|(run, history)| json!({ "run": run, "history": history }))
                    .collect::<Vec<_>>(),
            },
            "out": self.folder.to_string_lossy(),
            "seconds": self.seconds,
        })
    }
}

fn render_run(report: &Report, run: &Run) -> Value {
    let (sizes, read_back) = (&run.sizes, &run.read_back);
    let volumes = run.volumes.iter();
    json!({
        "name": run.name,
        "threshold_of_deviation": run.relative,
        "thresholds": run.thresholds,
        "changes": run.changes,
        "share_per_step": report.share_per_step(run),
        "exact_marks": sizes.marks,
        "leaves": sizes.leaves,
        "memory_bytes": {
            "grids": sizes.grids,
            "checkpoints": sizes.checkpoints,
            "hash_maps": sizes.hash_maps,
        },
        "disk_bytes": {
            "volumes": sizes.volumes,
            "checkpoints": sizes.checkpoints,
        },
        "bytes_per_change": {
            "grids": run.per_change(sizes.grids as f64),
            "hash_maps": run.per_change(sizes.hash_maps as f64),
            "volumes": run.per_change(sizes.volumes as f64),
        },
        "record_ns_per_change": {
            "find": run.per_change(run.find_seconds * 1e9),
            "store": run.per_change(run.store_seconds * 1e9),
        },
        "read_last_state_ms": read_back.last_time.as_secs_f64() * 1e3,
        "read_back": {
            "states": read_back
                .states
                .iter()
                .map(|state| json!({
                    "step": state.step,
                    "accuracy_trained": state.trained,
                    "accuracy_read_back": state.accuracy,
                    "same_bits": state.same_bits,
                    "largest_error": state.largest_error,
                }))
                .collect::<Vec<_>>(),
            "mean_accuracy_difference": read_back.mean_difference(),
            "largest_errors": read_back.largest_errors,
        },
        "volumes": volumes
            .map(|volume| json!({
                "path": volume.path.to_string_lossy(),
                "bytes": volume.bytes,
            }))
            .collect::<Vec<_>>(),
    })
}
