//! What recording came to.

use std::path::Path;

use serde_json::{Value, json};
use temporal_vdb::Recorded;

use super::plan::Entry;
use crate::screen::numbers::{bytes, counted};

/// The steps that have been recorded.
pub(super) struct Summary {
    steps: Vec<Value>,
    changes: u64,
    /// The next step is the first of the store.
    first: bool,
}

impl Summary {
    /// Nothing yet, into a store that is empty or not.
    pub(super) fn begin(empty: bool) -> Self {
        Summary {
            steps: Vec::new(),
            changes: 0,
            first: empty,
        }
    }

    /// Takes note of a step, and gives its line.
    pub(super) fn add(&mut self, entry: &Entry, recorded: Recorded) -> String {
        let Recorded {
            step,
            layers,
            changes,
        } = recorded;
        self.steps.push(json!({
            "step": step,
            "file": entry.path.to_string_lossy(),
            "changes": changes,
            "layers": layers,
        }));
        self.changes += changes;
        let what = if std::mem::take(&mut self.first) {
            format!("{} in full", counted(layers as u64, "layer"))
        } else {
            format!("{} changed", counted(changes, "weight"))
        };
        format!("step {step}: {}, {what}\n", entry.name())
    }

    fn steps(&self) -> u64 {
        self.steps.len() as u64
    }

    /// What to say before the error that recording ended with.
    pub(super) fn interruption(&self) -> String {
        match self.steps() {
            0 => "no step was recorded".to_owned(),
            1 => "1 step was recorded before this".to_owned(),
            steps => format!("{} were recorded before this", counted(steps, "step")),
        }
    }

    /// The last line, for people.
    pub(super) fn text(&self, store: &Path, file_bytes: u64) -> String {
        format!(
            "recorded {} with {}; {} takes {}\n",
            counted(self.steps(), "step"),
            counted(self.changes, "changed weight"),
            store.display(),
            bytes(file_bytes),
        )
    }

    /// All of it, for programs.
    pub(super) fn json(&self, file_bytes: u64) -> String {
        let value = json!({ "steps": self.steps, "file_bytes": file_bytes });
        format!("{value:#}\n")
    }
}
