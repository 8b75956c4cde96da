use std::collections::HashSet;

use crate::error::Result;
use crate::store::database::Transaction;
use crate::store::index::{Index, LayerIndex};

/// The commits that some layer still has as a step, while layers lose steps.
#[derive(Default)]
pub(super) struct UsedCommits {
    used: HashSet<i64>,
}

impl UsedCommits {
    /// Adds those of the steps of a layer that stay.
    pub(super) fn add(&mut self, layer: &LayerIndex, stays: impl Iterator<Item = usize>) {
        self.used.extend(stays.map(|place| layer.seq(place)));
    }

    /// The newest of them; 0 where there is none.
    pub(super) fn newest(&self) -> i64 {
        self.used.iter().copied().max().unwrap_or(0)
    }

    /// Drops all others, where so many layers stay.
    pub(super) fn drop_others(
        mut self,
        transaction: &Transaction,
        index: &Index,
        layers: u32,
    ) -> Result<()> {
        // A step of some layers alone belongs to the checkpoint before it, whose metadata it has.
        let mut passed = None;
        for commit in index.commits.in_order() {
            if self.used.contains(&commit.seq) {
                let passed = passed.take().filter(|(_, step)| *step <= commit.step);
                if let (true, Some((seq, _))) = (commit.metadata.is_empty(), passed) {
                    self.used.insert(seq);
                }
            } else if !commit.metadata.is_empty() && commit.members.are_within(layers) {
                passed = Some((commit.seq, commit.step));
            }
        }
        transaction.drop_commits(index.commits.in_order(), |commit| {
            self.used.contains(&commit.seq)
        })
    }
}
