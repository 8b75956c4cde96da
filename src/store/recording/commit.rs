//! From a step's contents to what is on the disk, and to the heads.

use std::sync::Arc;

use super::contents::{Contribution, StepContents};
use super::first_state::{write_base, write_whole};
use super::heads::Heads;
use super::journal::write_groups;
use super::recorder::{HeadsSlot, Recorder};
use super::resolve::{BaseState, Entry, Source, resolve};
use super::updates::Update;
use crate::error::{Error, Result};
use crate::host::Committed;
use crate::store::database::{LayerRow, Members, NewCommit, StateRow, Transaction};
use crate::store::index::LayerKey;
use crate::store::note::{metadata_to_json, notes_to_json};
use crate::store::reading::copied;
use crate::store::report::Recorded;
use crate::values::SparseWeights;

/// A step that has been written, in a transaction that may still fail.
struct Written {
    recorded: Recorded,
    /// Each layer of it and how many of its weights changed.
    members: Arc<[(u32, u64)]>,
    updates: Vec<(u32, Update)>,
    metadata: String,
}

/// What is kept with a commit as JSON.
struct Texts {
    notes: String,
    /// Empty where the step is no whole checkpoint.
    metadata: String,
}

impl Recorder {
    /// Commits a step: all of it, or with an error nothing. An earlier step that is open is
    /// committed with it.
    pub(crate) fn commit(&self, contents: StepContents) -> Result<Recorded> {
        let _turn = self.write_turn()?;
        let mut open = self.open_step();
        let latest = {
            let heads = self.heads()?;
            for contribution in &contents.contributions {
                if let Contribution::Changes(_, Some(key), _) = contribution {
                    heads.layer_of(key)?;
                }
            }
            heads.latest.map(|latest| latest as usize)
        };
        let opened = open.as_ref().map(|open| open.step);
        let next = latest.max(opened).map_or(0, |latest| latest + 1);
        let step = contents.step.unwrap_or(next);
        let closed = match open.as_ref() {
            Some(open) => open.closed_by(step, &contents)?,
            None => None,
        };
        let contents = StepContents {
            step: Some(step),
            ..contents
        };
        match closed {
            None => self.commit_in_turn(contents),
            Some(earlier) => {
                let recorded = self.commit_both(earlier, contents)?;
                *open = None;
                Ok(recorded)
            }
        }
    }

    /// Commits one step, for whoever has the turn.
    pub(super) fn commit_in_turn(&self, contents: StepContents) -> Result<Recorded> {
        let written = {
            let heads = self.heads()?;
            self.write(|transaction| self.write_contents(transaction, &heads, contents))?
        };
        Ok(self.follow(self.heads_slot()?, written))
    }

    /// Commits two steps: both, or with an error neither.
    fn commit_both(&self, first: StepContents, second: StepContents) -> Result<Recorded> {
        let mut heads = self.heads_mut()?;
        let both = self.write(|transaction| {
            let first = self.write_contents(transaction, &heads, first)?;
            let step = first.recorded.step;
            let seal = heads
                .follow(step as i32, first.updates, first.metadata)
                .ok_or_else(|| Error::Unexpected {
                    message: format!("step {step} does not fit the layers that it was made for"),
                })?;
            let second = self.write_contents(transaction, &heads, second)?;
            Ok((step, first.members, seal, second))
        });
        let (step, members, seal, second) = match both {
            Ok(both) => both,
            Err(error) => {
                // They know of the first step, which is not there.
                heads.forget();
                return Err(error);
            }
        };
        if seal {
            self.ring();
        }
        self.watch().tell(Committed {
            step,
            layers: members,
        });
        // Nobody sees the first step without the second.
        Ok(self.follow(heads.into_slot(), second))
    }

    /// Brings the heads to a step that has been committed, and tells of it: with the turn, so that
    /// those who watch are told in the order of the steps.
    fn follow(&self, mut heads: HeadsSlot, written: Written) -> Recorded {
        let Written {
            recorded,
            members,
            updates,
            metadata,
        } = written;
        let followed = heads
            .as_mut()
            .and_then(|heads| heads.follow(recorded.step as i32, updates, metadata));
        match followed {
            Some(true) => self.ring(),
            Some(false) => {}
            None => *heads = None, // to be read again: the step itself is safe
        }
        drop(heads);
        self.watch().tell(Committed {
            step: recorded.step,
            layers: members,
        });
        recorded
    }

    /// Makes `weights` the base of a layer that has no changes yet.
    pub(crate) fn store_base(&self, key: &LayerKey, weights: &SparseWeights) -> Result<()> {
        let _turn = self.write_turn()?;
        let open = self.open_step();
        let written = {
            let heads = self.heads()?;
            let head = heads.layer_of(key)?;
            head.row.check_shape(weights.shape())?;
            let open = open.as_ref().filter(|open| open.has(key.id));
            let latest = open.map_or(head.latest as usize, |open| open.step);
            if latest > 0 {
                return Err(Error::BaseFixed { latest });
            }
            let row = LayerRow {
                base: true,
                ..head.row.clone()
            };
            let entry = Entry {
                id: key.id,
                source: Source::Base(row, BaseState::Sparse(weights.clone())),
            };
            self.write(|transaction| {
                let texts = Texts {
                    notes: "{}".to_owned(),
                    metadata: String::new(),
                };
                self.write_step(transaction, &heads, 0, vec![entry], texts)
            })?
        };
        self.follow(self.heads_slot()?, written);
        Ok(())
    }

    /// Writes a step, whose changes are against the heads.
    fn write_contents(
        &self,
        transaction: &Transaction,
        heads: &Heads,
        contents: StepContents,
    ) -> Result<Written> {
        let (step, entries) = resolve(heads, &contents)?;
        let texts = Texts {
            notes: notes_to_json(&contents.notes),
            metadata: if contents.complete {
                metadata_to_json(&contents.metadata)
            } else {
                String::new()
            },
        };
        drop(contents);
        self.write_step(transaction, heads, step, entries, texts)
    }

    fn write_step(
        &self,
        transaction: &Transaction,
        heads: &Heads,
        step: i32,
        entries: Vec<Entry>,
        Texts { notes, metadata }: Texts,
    ) -> Result<Written> {
        let layers = entries.len();
        let mut states = Vec::with_capacity(layers);
        let mut updates = Vec::with_capacity(layers);
        let mut pending = Vec::new();
        for entry in entries {
            match entry.source {
                Source::Base(row, state) => {
                    let (update, state) = write_base(self.sources.pool(), transaction, row, state)?;
                    states.push((entry.id, state));
                    updates.push((entry.id, update));
                }
                Source::Whole(tensor) => {
                    let head = &heads.layers[entry.id as usize];
                    states.push((entry.id, write_whole(transaction, head, step, &tensor)?));
                    updates.push((entry.id, Update::Whole(copied(&tensor))));
                }
                source => pending.push(Entry {
                    id: entry.id,
                    source,
                }),
            }
        }
        for (id, update, state) in
            write_groups(self.sources.pool(), transaction, heads, step, &pending)?
        {
            states.push((id, state));
            updates.push((id, update));
        }
        states.sort_unstable_by_key(|(id, _)| *id);
        let members = states
            .iter()
            .map(|(id, state)| (*id, state.changes))
            .collect();
        let commit = NewCommit {
            step,
            time: now(),
            notes,
            metadata: metadata.clone(),
            members: Members::new(states.iter().map(|(id, _)| *id).collect()),
        };
        let states: Vec<StateRow> = states.into_iter().map(|(_, state)| state).collect();
        transaction.put_commit(commit, &states)?;
        Ok(Written {
            recorded: Recorded {
                step: step as usize,
                layers,
                changes: states.iter().map(|state| state.changes).sum(),
            },
            members,
            updates,
            metadata,
        })
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}
