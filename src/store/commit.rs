//! From a step's contents to what is on the disk, and to the heads.

use std::sync::Arc;

use super::base::{copied, zeros};
use super::core::Store;
use super::database::{Batch, CommitRow, Digest, LayerRow, Members, StateRow};
use super::entry::{BaseState, Entry, Source, check_shape};
use super::head::{HeadElement, HeadState, Heads, LayerHead, Matrix};
use super::note::{metadata_to_json, notes_to_json};
use super::step::{Contribution, Recorded, StepContents};
use crate::coding::{Coder, SLAB_STEPS, TileChanges};
use crate::detect::Lattice;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::host::Committed;
use crate::values::{Delta, SparseWeights, TILE};

/// How a head changes once the step is committed.
pub(crate) enum Update {
    /// By what their codes count steps of, as in a group.
    Tiles(Vec<TileUpdates>, Option<Lattice>),
    Replace(LayerRow, HeadState),
    Whole(bytes::Bytes),
}

/// A step that has been written, in a transaction that may still fail.
struct Written {
    recorded: Recorded,
    /// Each layer of it and how many of its weights changed; `None` once that has been told.
    members: Option<Arc<[(u32, u64)]>>,
    updates: Vec<(u32, Update)>,
    metadata: String,
}

/// The changed tiles of a layer, ascending.
pub(crate) enum TileUpdates {
    Two(Vec<TileUpdate<u16>>),
    Four(Vec<TileUpdate<u32>>),
}

/// What a step changed in a tile, and the tile's new digest.
pub(crate) struct TileUpdate<E> {
    pub(crate) tile: usize,
    pub(crate) changes: TileChanges<E>,
    pub(crate) digest: Digest,
}

impl Store {
    /// Commits a step: all of it, or with an error nothing. An earlier step that is open is
    /// committed with it.
    pub(crate) fn commit(&self, contents: StepContents) -> Result<Recorded> {
        contents.check()?;
        self.wait_for_sealing()?;
        let recorded = {
            let _turn = self.write_turn()?;
            self.load_heads()?;
            let mut open = self.open_step();
            let (step, closed) = self.closed_by(&open, &contents)?;
            let contents = StepContents {
                step: Some(step),
                ..contents
            };
            match closed {
                None => self.commit_in_turn(contents)?,
                Some(earlier) => {
                    let recorded = self.commit_both(earlier, contents)?;
                    *open = None;
                    recorded
                }
            }
        };
        let _ = self.retain_after_step();
        Ok(recorded)
    }

    /// The same for one step, for whoever has the turn.
    pub(super) fn commit_in_turn(&self, contents: StepContents) -> Result<Recorded> {
        let written = {
            let heads = self.heads()?;
            let heads = heads.as_ref().ok_or(Error::Poisoned)?;
            let durability = self.options().durability;
            self.database().write(durability, |batch| {
                self.write_contents(batch, heads, contents)
            })?
        };
        let mut heads = self.heads_mut()?;
        self.apply(heads.as_mut().ok_or(Error::Poisoned)?, written)
    }

    /// Commits two steps: both, or with an error neither.
    fn commit_both(&self, first: StepContents, second: StepContents) -> Result<Recorded> {
        let mut heads = self.heads_mut()?;
        let both = self.database().write(self.options().durability, |batch| {
            let heads = heads.as_mut().ok_or(Error::Poisoned)?;
            let first = self.write_contents(batch, heads, first)?;
            let members = first.members.clone();
            let first = self.apply(
                heads,
                Written {
                    members: None,
                    ..first
                },
            )?;
            let second = self.write_contents(batch, heads, second)?;
            Ok((first, members, second))
        });
        let (first, members, second) = match both {
            Ok(both) => both,
            Err(error) => {
                // They know of the first step, which is not there.
                *heads = None;
                return Err(error);
            }
        };
        self.tell(first.step, members);
        self.apply(heads.as_mut().ok_or(Error::Poisoned)?, second)
    }

    /// Makes `weights` the base of a layer that has no changes yet.
    pub(crate) fn store_base(&self, id: u32, weights: &SparseWeights) -> Result<()> {
        let _turn = self.write_turn()?;
        self.load_heads()?;
        let written = {
            let heads = self.heads()?;
            let head = heads.as_ref().ok_or(Error::Poisoned)?.layer(id)?;
            check_shape(&head.row, weights.shape())?;
            let open = self.open_step();
            let open = open.as_ref().filter(|open| open.has(id));
            let latest = open.map_or(head.latest as usize, |open| open.step);
            if latest > 0 {
                return Err(Error::BaseFixed { latest });
            }
            let row = LayerRow {
                base: true,
                ..head.row.clone()
            };
            let entry = Entry {
                id,
                source: Source::Base(row, BaseState::Sparse(weights.clone())),
            };
            let heads = heads.as_ref().ok_or(Error::Poisoned)?;
            self.database().write(self.options().durability, |batch| {
                let texts = ("{}".to_owned(), String::new());
                self.write_step(batch, heads, 0, vec![entry], texts)
            })?
        };
        let mut heads = self.heads_mut()?;
        self.apply(heads.as_mut().ok_or(Error::Poisoned)?, written)?;
        Ok(())
    }

    /// Stores the changes of step `t` of one layer.
    pub(crate) fn store_changes(&self, id: u32, t: usize, delta: Delta) -> Result<()> {
        let name = self.describe(id)?.0;
        let changes = vec![Contribution::Changes(name, delta)];
        self.commit(StepContents::of(Some(t), changes)).map(|_| ())
    }

    /// Writes a step, whose changes are against the heads.
    fn write_contents(
        &self,
        batch: &Batch,
        heads: &Heads,
        contents: StepContents,
    ) -> Result<Written> {
        let (step, entries) = self.resolve(heads, &contents)?;
        let metadata = if contents.complete {
            metadata_to_json(&contents.metadata)
        } else {
            String::new()
        };
        let texts = (notes_to_json(&contents.notes), metadata);
        drop(contents);
        self.write_step(batch, heads, step, entries, texts)
    }

    fn write_step(
        &self,
        batch: &Batch,
        heads: &Heads,
        step: i32,
        entries: Vec<Entry>,
        (notes, metadata): (String, String),
    ) -> Result<Written> {
        let layers = entries.len();
        let mut states = Vec::with_capacity(layers);
        let mut updates = Vec::with_capacity(layers);
        let mut pending = Vec::new();
        for entry in entries {
            match entry.source {
                Source::Base(row, state) => {
                    let (update, state) = self.write_base(batch, row, state)?;
                    states.push((entry.id, state));
                    updates.push((entry.id, update));
                }
                Source::Whole(tensor) => {
                    let head = heads.layer(entry.id)?;
                    states.push((entry.id, self.write_whole(batch, head, step, &tensor)?));
                    updates.push((entry.id, Update::Whole(copied(&tensor))));
                }
                source => pending.push(Entry {
                    id: entry.id,
                    source,
                }),
            }
        }
        for (id, update, state) in self.write_groups(batch, heads, step, &pending)? {
            states.push((id, state));
            updates.push((id, update));
        }
        states.sort_unstable_by_key(|(id, _)| *id);
        let members = states
            .iter()
            .map(|(id, state)| (*id, state.changes))
            .collect();
        let commit = CommitRow {
            seq: 0,
            step,
            time: now(),
            notes,
            metadata: metadata.clone(),
            members: Members::new(states.iter().map(|(id, _)| *id).collect()),
            digest: [0; 16],
            before: None,
            chain: [0; 16],
        };
        let states: Vec<StateRow> = states.into_iter().map(|(_, state)| state).collect();
        batch.put_commit(commit, &states)?;
        Ok(Written {
            recorded: Recorded {
                step: step as usize,
                layers,
                changes: states.iter().map(|state| state.changes).sum(),
            },
            members: Some(members),
            updates,
            metadata,
        })
    }

    /// Brings the heads to a step that has been written, and tells of it.
    fn apply(&self, heads: &mut Heads, written: Written) -> Result<Recorded> {
        let Written {
            recorded,
            members,
            updates,
            metadata,
        } = written;
        let step = recorded.step as i32;
        let mut seal = false;
        heads.latest = heads.latest.max(Some(step));
        if !metadata.is_empty() {
            heads.metadata = metadata; // of a step of all layers, so the newest
        }
        for (id, update) in updates {
            let known = heads.layers.get_mut(id as usize);
            match (update, known) {
                (Update::Tiles(tiles, lattice), Some(head)) => {
                    head.latest = step;
                    head.steps.push(step);
                    head.unsealed += 1;
                    head.lattice = lattice.or(head.lattice);
                    seal |= head.unsealed >= SLAB_STEPS;
                    let coder = Coder {
                        dtype: head.row.dtype,
                        lattice,
                    };
                    for tiles in tiles {
                        apply_tiles(head, coder, tiles);
                    }
                }
                (Update::Whole(bytes), Some(head)) => {
                    head.latest = step;
                    head.steps.push(step);
                    head.state = HeadState::Whole(bytes);
                }
                (Update::Replace(row, state), Some(head)) => {
                    head.latest = step;
                    head.row = row;
                    head.state = state;
                }
                (Update::Replace(row, state), None) => {
                    heads.layers.push(LayerHead {
                        row,
                        latest: step,
                        steps: vec![step],
                        unsealed: 0,
                        lattice: None,
                        state,
                    });
                }
                _ => return Err(Error::Poisoned),
            }
        }
        if seal {
            self.wake_maintenance();
        }
        self.tell(recorded.step, members);
        Ok(recorded)
    }

    /// Tells those who watch, in the order of the steps: called with the turn.
    fn tell(&self, step: usize, members: Option<Arc<[(u32, u64)]>>) {
        if let Some(layers) = members {
            self.watch().tell(Committed { step, layers });
        }
    }
}

fn apply_tiles(head: &mut LayerHead, coder: Coder, tiles: TileUpdates) {
    let LayerHead { row, state, .. } = head;
    match (state, tiles) {
        (HeadState::Two(matrix), TileUpdates::Two(tiles)) => apply(row, coder, matrix, tiles),
        (HeadState::Four(matrix), TileUpdates::Four(tiles)) => apply(row, coder, matrix, tiles),
        _ => {}
    }
}

fn apply<E: HeadElement>(
    row: &LayerRow,
    coder: Coder,
    matrix: &mut Matrix<E>,
    tiles: Vec<TileUpdate<E>>,
) {
    let tiling = row.tiling();
    let cols = tiling.shape().1 as usize;
    let bits = Arc::make_mut(&mut matrix.bits);
    for TileUpdate {
        tile,
        changes,
        digest,
    } in tiles
    {
        let rect = tiling.rect(tile);
        let bits = &mut bits[rect.row * cols + rect.col..];
        let mut raws = changes.raws.iter();
        for (&place, &code) in changes.positions.iter().zip(&changes.codes) {
            let place = usize::from(place);
            let at = if rect.width == TILE {
                place / TILE * cols + place % TILE // a shift, where the other is a division
            } else {
                place / rect.width * cols + place % rect.width
            };
            let weight = &mut bits[at];
            // Encoding has made sure that there is a result.
            let after = if code != E::default() {
                coder.step(weight.to_ordered(), code).map(E::to_plain)
            } else if let Some(raw) = raws.next() {
                coder.after(*weight, raw)
            } else {
                continue;
            };
            *weight = after.unwrap_or(*weight);
        }
        matrix.digests[tile] = digest;
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}

impl Store {
    /// Adds a layer of zeros.
    pub(crate) fn create_layer(
        &self,
        name: &str,
        dtype: Dtype,
        rows: i32,
        cols: i32,
    ) -> Result<u32> {
        crate::values::check_shape(rows, cols)?;
        if !dtype.is_weights() {
            return Err(Error::NotAMatrix {
                name: name.to_owned(),
                dtype,
            });
        }
        let _turn = self.write_turn()?;
        self.load_heads()?;
        let mut heads = self.heads_mut()?;
        let heads = heads.as_mut().ok_or(Error::Poisoned)?;
        if heads.layers.iter().any(|head| head.row.name == name) {
            return Err(Error::LayerExists {
                name: name.to_owned(),
            });
        }
        let row = LayerRow {
            id: heads.layers.len() as u32,
            name: name.to_owned(),
            dtype,
            shape: vec![rows as usize, cols as usize],
            matrix: Some((rows, cols)),
            created: 0,
            oldest: 0,
            base: false,
        };
        let state = zeros(&row)?;
        let id = row.id;
        self.database()
            .write(self.options().durability, |batch| batch.put_layer(&row))?;
        heads.layers.push(LayerHead {
            row,
            latest: 0,
            steps: vec![0],
            unsealed: 0,
            lattice: None,
            state,
        });
        Ok(id)
    }
}
