use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::store::database::{CommitRow, Digest, Snapshot, StateRow, Tip};

/// Commits whose states are kept in memory: those of the journal, about.
const KEPT_STATES: usize = 32;

/// The commits of a store, each chained to the one before it.
pub(crate) struct Commits {
    rows: Vec<Arc<CommitRow>>,
    /// What some of them say of their layers.
    states: Mutex<HashMap<i64, Arc<Vec<StateRow>>>>,
}

impl Commits {
    /// Reads the commits up to a tip, or only those that are new upon an earlier one.
    pub(crate) fn load(
        snapshot: &Snapshot,
        tip: &Tip,
        earlier: Option<(&Tip, &Commits)>,
    ) -> Result<Self> {
        // The newest known commit is read again: is it still the same history?
        let known = earlier.filter(|(earlier, _)| {
            earlier.first_seq == tip.first_seq && (tip.first_seq..=tip.seq).contains(&earlier.seq)
        });
        if let Some((earlier, known)) = known {
            let found = snapshot.commits_from(earlier.seq)?;
            // If none has gone there are as many as must be.
            let same = found
                .first()
                .is_some_and(|newest| newest.chain == earlier.chain)
                && known.rows.len() + found.len() - 1 == tip.commits as usize;
            if same {
                let mut rows = known.rows.clone();
                check_chain(&found[1..], earlier.seq, earlier.chain, tip)?;
                rows.extend(found.into_iter().skip(1).map(Arc::new));
                return Ok(Commits::of(rows));
            }
        }
        let found = snapshot.commits_from(i64::MIN)?;
        check_chain(&found, tip.first_seq - 1, tip.anchor, tip)?;
        if found.len() as u64 != tip.commits {
            return Err(Error::damaged("a commit is missing"));
        }
        Ok(Commits::of(found.into_iter().map(Arc::new).collect()))
    }

    fn of(rows: Vec<Arc<CommitRow>>) -> Self {
        Commits {
            rows,
            states: Mutex::default(),
        }
    }

    pub(crate) fn in_order(&self) -> &[Arc<CommitRow>] {
        &self.rows
    }

    /// Metadata of the newest checkpoint not after `t`, as JSON.
    pub(crate) fn newest_metadata(&self, t: usize) -> &str {
        let of_checkpoint =
            |commit: &&Arc<CommitRow>| commit.step as usize <= t && !commit.metadata.is_empty();
        let newest = self.rows.iter().filter(of_checkpoint);
        newest
            .max_by_key(|commit| commit.step)
            .map_or("{}", |commit| &commit.metadata)
    }

    pub(crate) fn get(&self, seq: i64) -> Result<&Arc<CommitRow>> {
        let at = self.rows.binary_search_by_key(&seq, |commit| commit.seq);
        let at = at.ok().and_then(|at| self.rows.get(at));
        at.ok_or_else(|| Error::damaged(format!("commit {seq} is missing")))
    }

    /// What a commit says of its layers.
    pub(crate) fn states(&self, snapshot: &Snapshot, seq: i64) -> Result<Arc<Vec<StateRow>>> {
        let mut kept = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(states) = kept.get(&seq) {
            return Ok(Arc::clone(states));
        }
        let states = Arc::new(snapshot.states(self.get(seq)?)?);
        if kept.len() >= KEPT_STATES {
            kept.clear();
        }
        kept.insert(seq, Arc::clone(&states));
        Ok(states)
    }
}

/// Every commit follows the one before it, or says what does, up to the tip.
fn check_chain(found: &[CommitRow], mut seq: i64, mut chain: Digest, tip: &Tip) -> Result<()> {
    for commit in found {
        let follows = match &commit.before {
            None => commit.seq == seq + 1,
            Some(before) => {
                chain = *before;
                commit.seq > seq
            }
        };
        seq = commit.seq;
        chain = commit.chain_upon(&chain);
        let possible = commit.step >= 0 && commit.members.are_within(tip.layers);
        if !follows || chain != commit.chain || !possible {
            return Err(Error::damaged(format!(
                "commit {seq} is missing or changed"
            )));
        }
    }
    if seq == tip.seq && chain == tip.chain {
        Ok(())
    } else {
        Err(Error::damaged(format!(
            "commit {} is missing or changed",
            tip.seq
        )))
    }
}
