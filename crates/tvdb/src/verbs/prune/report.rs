//! What pruning came to.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use temporal_vdb::{Pruned, Retention, StepInfo, StoredLayer};

use super::scope::{Outcome, Scope};
use crate::screen::numbers::{bytes, counted};
use crate::screen::ranges;
use crate::screen::table::{self, Column, Fit};
use crate::screen::tags;
use crate::screen::terminal::labelled;

pub(super) struct Report<'a> {
    pub(super) path: &'a Path,
    pub(super) scope: &'a Scope,
    /// The steps there were before.
    pub(super) steps: &'a [StepInfo],
    pub(super) outcome: Outcome,
    pub(super) tags: BTreeMap<String, usize>,
    /// Whether the policy was given, not set before.
    pub(super) was_given: bool,
    pub(super) dry_run: bool,
    /// Whether the policy is set from now on.
    pub(super) sets: bool,
}

impl Report<'_> {
    pub(super) fn json(&self) -> String {
        let pruned = &self.outcome.pruned;
        let policy = match self.scope {
            Scope::All(policy) => Some(policy.to_string()),
            Scope::Each { .. } => None,
        };
        let layer = |((layer, policy), pruned): (&(StoredLayer, Retention), &Pruned)| {
            json!({
                "name": layer.name(),
                "policy": policy.to_string(),
                "steps": pruned.steps,
                "oldest": pruned.oldest,
                "freed_bytes": pruned.freed_bytes,
            })
        };
        let value = json!({
            "path": self.path.to_string_lossy(),
            "dry_run": self.dry_run,
            "policy": policy,
            "set": self.sets,
            "steps": pruned.steps,
            "left": self.left(),
            "oldest": pruned.oldest,
            "freed_bytes": pruned.freed_bytes,
            "tags": self.tags,
            "layers": self.each().map(layer).collect::<Vec<Value>>(),
        });
        format!("{value:#}\n")
    }

    pub(super) fn text(&self, width: usize) -> String {
        let pruned = &self.outcome.pruned;
        let title = if self.dry_run {
            "not pruned (dry run)"
        } else {
            "pruned"
        };
        let mut text = format!("{}: {title}\n\n", self.path.display());
        text += &labelled("policy", &self.policy(), width);
        text += &labelled("goes", &self.gone(), width);
        if self.each().len() == 0 {
            let left = counted(self.left() as u64, "step");
            let left = format!("{left}, the oldest is {}", pruned.oldest);
            text += &labelled("stays", &left, width);
        }
        if !self.tags.is_empty() {
            let count = counted(self.tags.len() as u64, "tag");
            let pinned = format!("by {count}: {}", tags::short_list(&self.tags));
            text += &labelled("pinned", &pinned, width);
        }
        let freed = match pruned.freed_bytes {
            0 => "nothing".to_owned(),
            freed => format!(
                "{} in the file; tvdb compact gives it back to the file system",
                bytes(freed)
            ),
        };
        text += &labelled("frees", &freed, width);
        if self.each().len() > 0 {
            text.push('\n');
            text += &self.table(width);
        }
        text
    }

    /// The layers that are pruned by themselves, and what became of each.
    fn each(&self) -> impl ExactSizeIterator<Item = (&(StoredLayer, Retention), &Pruned)> {
        let layers = match self.scope {
            Scope::All(_) => &[][..],
            Scope::Each { layers, .. } => layers,
        };
        layers.iter().zip(&self.outcome.layers)
    }

    /// How many steps there are afterwards.
    fn left(&self) -> usize {
        self.steps.len() - self.outcome.pruned.steps.len()
    }

    fn policy(&self) -> String {
        let (policy, which) = match self.scope {
            Scope::All(policy) => (policy.to_string(), String::new()),
            Scope::Each { layers, whole } => {
                let mut which = format!(", of {}", counted(layers.len() as u64, "layer"));
                if *whole > 0 {
                    let whole = counted(*whole, "tensor");
                    which += &format!(", but not of {whole} kept whole");
                }
                let mut policies = layers.iter().map(|(_, policy)| policy.to_string());
                let first = policies.next().unwrap_or_default();
                let is_one = policies.all(|policy| policy == first);
                (if is_one { first } else { "several".to_owned() }, which)
            }
        };
        let end = match (self.was_given, self.sets) {
            (false, _) => ", as it was set",
            (true, true) => ", from now on",
            (true, false) => "",
        };
        format!("{policy}{which}{end}")
    }

    /// Which steps go. Of layers that are pruned by themselves only what is common to them is said,
    /// and the table says how many of each.
    fn gone(&self) -> String {
        let mut layers = self.outcome.layers.iter().map(|pruned| &pruned.steps);
        let (gone, of) = match layers.next() {
            None => (&self.outcome.pruned.steps, ""),
            Some(first) if layers.all(|steps| steps == first) => (first, " of each"),
            Some(_) => return "other steps of each layer".to_owned(),
        };
        if gone.is_empty() {
            return "no step".to_owned();
        }
        let all: Vec<usize> = self.steps.iter().map(|step| step.step).collect();
        let count = counted(gone.len() as u64, "step");
        format!("{count}{of}: {}", ranges::text(gone, &all))
    }

    fn table(&self, width: usize) -> String {
        let column = |heading, rank, fit, cell: &dyn Fn(&str, &Retention, &Pruned) -> String| {
            let cells = self
                .each()
                .map(|((layer, policy), pruned)| cell(layer.name(), policy, pruned));
            Column {
                heading,
                cells: cells.collect(),
                rank,
                fit,
            }
        };
        let columns = vec![
            column("layer", 0, Fit::Name, &|name, _, _| name.to_owned()),
            column("policy", 1, Fit::Right, &|_, policy, _| policy.to_string()),
            column("goes", 0, Fit::Right, &|_, _, pruned| {
                pruned.steps.len().to_string()
            }),
            column("oldest", 0, Fit::Right, &|_, _, pruned| {
                pruned.oldest.to_string()
            }),
            column("frees", 2, Fit::Right, &|_, _, pruned| {
                bytes(pruned.freed_bytes)
            }),
        ];
        table::render(columns, width)
    }
}
