use std::sync::Arc;

use super::Tip;
use crate::error::{Error, Result};
use crate::store::database::backend::{Cell, Key, Row};
use crate::store::database::cells::{Cells, cannot_hold};
use crate::store::database::digest::{Digest, Sum, digest_of};

/// One commit: a step of some layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitRow {
    pub(crate) seq: i64,
    pub(crate) step: i32,
    /// Microseconds since 1970, UTC.
    pub(crate) time: i64,
    /// JSON objects.
    pub(crate) notes: String,
    pub(crate) metadata: String,
    pub(crate) members: Members,
    /// Of the states.
    pub(crate) digest: Digest,
    /// The chain before it, where the commits between it and the one before it have gone.
    pub(crate) before: Option<Digest>,
    /// The chain after it, as it is written there.
    pub(crate) chain: Digest,
}

impl CommitRow {
    /// The commit that comes next, with the digest of its states.
    pub(crate) fn after(tip: &Tip, new: NewCommit, digest: Digest) -> Self {
        let mut commit = CommitRow {
            seq: tip.seq + 1,
            step: new.step,
            time: new.time,
            notes: new.notes,
            metadata: new.metadata,
            members: new.members,
            digest,
            before: None,
            chain: tip.chain,
        };
        commit.chain = commit.chain_upon(&tip.chain);
        commit
    }

    pub(crate) fn key(seq: i64) -> Key {
        Key::of(seq as u64)
    }

    /// With the states of its members, as they are encoded.
    pub(crate) fn to_row(&self, states: Vec<u8>) -> Row {
        vec![
            self.step.into(),
            self.time.into(),
            self.notes.as_str().into(),
            self.metadata.as_str().into(),
            self.members.count.into(),
            self.members.bytes().map_or(Cell::Null, Cell::Bytes),
            Cell::bytes(self.digest),
            self.before.map_or(Cell::Null, Cell::bytes),
            Cell::bytes(self.chain),
            Cell::Bytes(states),
        ]
    }

    pub(crate) fn from_row(key: &Key, row: Row) -> Result<Self> {
        let seq = key.ids()[0].try_into().map_err(|_| cannot_hold())?;
        let mut cells = Cells::new(row);
        let (step, time) = (cells.number()?, cells.number()?);
        let (notes, metadata) = (cells.text()?, cells.text()?);
        let count = cells.number()?;
        let members = Members::from_row(count, cells.optional_bytes()?.as_deref());
        Ok(CommitRow {
            seq,
            step,
            time,
            notes,
            metadata,
            members: members
                .ok_or_else(|| Error::damaged(format!("commit {seq} names no layers")))?,
            digest: cells.digest()?,
            before: cells.optional_digest()?,
            chain: cells.digest()?,
        })
    }

    /// The states of its members in a row that was got whole. Errors: `Damaged`, where they are not
    /// what its digest says.
    pub(crate) fn states_of(&self, row: Row) -> Result<Vec<StateRow>> {
        let damaged = || {
            Error::damaged(format!(
                "the states of commit {} do not match its digest",
                self.seq
            ))
        };
        let bytes = CommitRow::encoded_states(row)?;
        let states = StateRow::decode(&bytes);
        if digest_of(&bytes) == self.digest && states.len() == self.members.count as usize {
            Ok(states)
        } else {
            Err(damaged())
        }
    }

    /// The states in a row that was got whole, as they are there.
    pub(crate) fn encoded_states(row: Row) -> Result<Vec<u8>> {
        match row.into_iter().next_back() {
            Some(Cell::Bytes(states)) => Ok(states),
            _ => Err(cannot_hold()),
        }
    }

    /// What the chain after this commit must be.
    pub(crate) fn chain_upon(&self, before: &Digest) -> Digest {
        Sum::of("commits")
            .bytes(before)
            .number(self.seq)
            .number(self.step)
            .number(self.time)
            .text(&self.notes)
            .text(&self.metadata)
            .number(self.members.count)
            .bytes(&self.members.bytes().unwrap_or_default())
            .bytes(&self.digest)
            .digest()
    }
}

/// A commit that has no place in the chain yet.
#[derive(Clone, Debug)]
pub(crate) struct NewCommit {
    pub(crate) step: i32,
    /// Microseconds since 1970, UTC.
    pub(crate) time: i64,
    /// JSON objects.
    pub(crate) notes: String,
    pub(crate) metadata: String,
    pub(crate) members: Members,
}

/// The layers of a commit, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Members {
    count: u32,
    /// `None` for the first `count` layers: all that there were.
    listed: Option<Arc<[u32]>>,
}

impl Members {
    pub(crate) fn new(ids: Vec<u32>) -> Self {
        let count = ids.len() as u32;
        let first = ids.iter().zip(0..).all(|(id, i)| *id == i);
        Members {
            count,
            listed: (!first).then(|| ids.into()),
        }
    }

    fn from_row(count: u32, bytes: Option<&[u8]>) -> Option<Self> {
        let listed = match bytes {
            None => None,
            Some(bytes) => {
                let (ids, rest) = bytes.as_chunks::<4>();
                let ids: Arc<[u32]> = ids.iter().map(|id| u32::from_le_bytes(*id)).collect();
                if ids.len() != count as usize
                    || !rest.is_empty()
                    || !ids.is_sorted_by(|a, b| a < b)
                {
                    return None;
                }
                Some(ids)
            }
        };
        Some(Members { count, listed })
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let listed = self.listed.as_ref()?;
        Some(listed.iter().flat_map(|id| id.to_le_bytes()).collect())
    }

    /// Whether all members are among the first `layers` of the store.
    pub(crate) fn are_within(&self, layers: u32) -> bool {
        match &self.listed {
            None => self.count <= layers,
            Some(ids) => ids.last().is_none_or(|last| *last < layers),
        }
    }

    /// The place of a layer among the members.
    pub(crate) fn position(&self, layer: u32) -> Option<usize> {
        match &self.listed {
            None => (layer < self.count).then_some(layer as usize),
            Some(ids) => ids.binary_search(&layer).ok(),
        }
    }
}

/// What a commit says of one of its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateRow {
    /// How many weights the step changed.
    pub(crate) changes: u64,
    /// Of the state after it.
    pub(crate) digest: Digest,
}

impl StateRow {
    const BYTES: usize = 24;

    pub(crate) fn encode(states: &[StateRow]) -> Vec<u8> {
        let bytes = |state: &StateRow| {
            let mut bytes = state.changes.to_le_bytes().to_vec();
            bytes.extend(state.digest);
            bytes
        };
        states.iter().flat_map(bytes).collect()
    }

    fn decode(bytes: &[u8]) -> Vec<StateRow> {
        let (states, _) = bytes.as_chunks::<{ StateRow::BYTES }>();
        let state = |bytes: &[u8; StateRow::BYTES]| {
            let (changes, digest) = bytes.split_at(8);
            StateRow {
                changes: u64::from_le_bytes(changes.try_into().expect("eight bytes")),
                digest: digest.try_into().expect("sixteen bytes"),
            }
        };
        states.iter().map(state).collect()
    }
}
