//! The rows of a store's tables, and the checksums that cover them.

use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::detect::Lattice;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::values::{Tensor, Tiling, fold_shape};

/// A 128-bit xxh3.
pub(crate) type Digest = [u8; 16];

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    xxh3_128(bytes).to_le_bytes()
}

/// The digest of a layer's state, from those of its tiles.
pub(crate) fn layer_digest(tiles: &[Digest]) -> Digest {
    digest_of(tiles.as_flattened())
}

/// A checksum over fields, each with its length, so that none runs into the next.
pub(super) struct Sum(Xxh3);

impl Sum {
    pub(super) fn of(table: &str) -> Self {
        Sum(Xxh3::new()).text(table)
    }

    pub(super) fn number(mut self, number: impl Into<i64>) -> Self {
        self.0.update(&number.into().to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(super) fn sum(self) -> i64 {
        self.0.digest() as i64
    }

    pub(super) fn digest(self) -> Digest {
        self.0.digest128().to_le_bytes()
    }
}

/// The one row that every transaction rewrites: what a reader may count on being there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    /// Counts transactions: what was read under the same number is the same.
    pub(crate) generation: i64,
    /// The oldest commit that is kept, and the newest one; the newest is one less in an empty store.
    pub(crate) first_seq: i64,
    pub(crate) seq: i64,
    /// The chain before the oldest commit.
    pub(crate) anchor: Digest,
    /// The chain after the newest commit.
    pub(crate) chain: Digest,
    /// How many commits are kept, and how many gaps there are.
    pub(crate) commits: u64,
    pub(crate) gaps: u64,
    pub(crate) layers: u32,
    /// The id of the next blob. Ids are not used again.
    pub(crate) next_blob: i64,
}

impl Tip {
    pub(super) fn sum(&self) -> i64 {
        Sum::of("tip")
            .number(self.generation)
            .number(self.first_seq)
            .number(self.seq)
            .bytes(&self.anchor)
            .bytes(&self.chain)
            .number(self.commits as i64)
            .number(self.gaps as i64)
            .number(self.layers)
            .number(self.next_blob)
            .sum()
    }
}

/// A layer, or a tensor that is kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerRow {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    /// The tensor's true shape.
    pub(crate) shape: Vec<usize>,
    /// Rows and columns of the matrix; `None` for a tensor that is kept whole.
    pub(crate) matrix: Option<(i32, i32)>,
    /// The step at which the layer came into the store.
    pub(crate) created: i32,
    /// The base's label.
    pub(crate) oldest: i32,
    /// Whether the base is a keyframe; without one it is zeros.
    pub(crate) base: bool,
}

impl LayerRow {
    pub(super) fn sum(&self) -> i64 {
        let (rows, cols) = self.matrix.unwrap_or((0, 0));
        Sum::of("layers")
            .number(self.id)
            .text(&self.name)
            .text(self.dtype.name())
            .text(&shape_text(&self.shape))
            .number(rows)
            .number(cols)
            .number(self.created)
            .number(self.oldest)
            .number(self.base)
            .sum()
    }

    /// Whether a store can hold such a layer.
    pub(super) fn is_possible(&self) -> bool {
        let elements = Tensor::elements(&self.shape)
            .and_then(|elements| elements.checked_mul(self.dtype.size()));
        let matrix = if self.dtype.is_weights() {
            fold_shape(&self.shape).ok()
        } else {
            Some(None)
        };
        elements.is_some()
            && matrix == Some(self.matrix)
            && 0 <= self.created
            && self.created <= self.oldest
    }

    /// Rows and columns. Errors: `NotAMatrix` for a tensor that is kept whole.
    pub(crate) fn matrix_shape(&self) -> Result<(i32, i32)> {
        self.matrix.ok_or_else(|| self.not_a_matrix())
    }

    /// What a tensor that is kept whole is asked for in vain.
    pub(crate) fn not_a_matrix(&self) -> Error {
        Error::NotAMatrix {
            name: self.name.clone(),
            dtype: self.dtype,
        }
    }

    /// Whether a shape is the matrix's. Errors: `ShapeMismatch`, `NotAMatrix`.
    pub(crate) fn check_shape(&self, found: (i32, i32)) -> Result<()> {
        let expected = self.matrix_shape()?;
        if expected == found {
            Ok(())
        } else {
            Err(Error::ShapeMismatch { expected, found })
        }
    }

    /// Whether the tensor has a weight of the matrix: the short last row of a vector has none behind
    /// its end. Errors: `OutOfShape`.
    pub(crate) fn check_inside(&self, (row, col): (i32, i32)) -> Result<()> {
        let shape = self.matrix.unwrap_or((1, 1));
        if row as usize * shape.1 as usize + (col as usize) < self.elements() {
            Ok(())
        } else {
            Err(Error::OutOfShape { row, col, shape })
        }
    }

    /// Elements of the tensor.
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of the tensor as a checkpoint holds it.
    pub(crate) fn raw_bytes(&self) -> usize {
        self.elements() * self.dtype.size()
    }

    /// How the matrix is cut into tiles; for one that is kept whole, a single weight.
    pub(crate) fn tiling(&self) -> Tiling {
        Tiling::new(self.matrix.unwrap_or((1, 1)))
    }
}

pub(super) fn shape_text(shape: &[usize]) -> String {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("[{}]", axes.join(","))
}

pub(super) fn parse_shape(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    if inside.is_empty() {
        return Some(Vec::new());
    }
    inside.split(',').map(|axis| axis.parse().ok()).collect()
}

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
    pub(super) fn after(tip: &Tip, new: NewCommit, digest: Digest) -> Self {
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

    pub(super) fn from_row(count: u32, bytes: Option<&[u8]>) -> Option<Self> {
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

    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let listed = self.listed.as_ref()?;
        Some(listed.iter().flat_map(|id| id.to_le_bytes()).collect())
    }

    pub(super) fn count(&self) -> u32 {
        self.count
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

    pub(super) fn decode(bytes: &[u8]) -> Vec<StateRow> {
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

/// Consecutive commits that are no steps of a layer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GapRow {
    pub(crate) layer: u32,
    /// First and last of the commits.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Where what they changed was merged into the layer's next step: how many weights that step
    /// changed with it. `None` where they were rolled back.
    pub(crate) changes: Option<u64>,
}

impl GapRow {
    pub(super) fn sum(&self) -> i64 {
        Sum::of("gaps")
            .number(self.layer)
            .number(self.first)
            .number(self.last)
            .number(self.changes.map_or(-1, |changes| changes as i64))
            .sum()
    }
}

/// What was set for a store: JSON objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettingsRow {
    pub(crate) tags: String,
    pub(crate) retention: String,
}

impl SettingsRow {
    pub(super) fn sum(&self) -> i64 {
        Sum::of("settings")
            .text(&self.tags)
            .text(&self.retention)
            .sum()
    }
}

/// Where the blobs of a group or keyframe are, and what they must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blobs {
    /// Tiles in each blob's run; the last may have fewer.
    pub(crate) per_run: usize,
    /// Id of the first; the others follow.
    pub(crate) first: i64,
    /// Bytes of all of them.
    pub(crate) bytes: u64,
    /// A checksum for each, over its key and content.
    pub(crate) sums: Arc<[u64]>,
}

impl Blobs {
    pub(super) fn manifest(&self) -> Vec<u8> {
        self.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()
    }

    pub(super) fn sums_of(manifest: &[u8]) -> Arc<[u64]> {
        let (sums, _) = manifest.as_chunks::<8>();
        sums.iter().map(|sum| u64::from_le_bytes(*sum)).collect()
    }

    pub(super) fn ids(&self) -> Range<i64> {
        self.first..self.first + self.sums.len() as i64
    }

    /// Bytes of the file that these take, manifest included.
    pub(crate) fn cost(&self) -> u64 {
        self.bytes + 8 * self.sums.len() as u64
    }
}

/// What some consecutive steps changed in a layer. Level 0 is the journal: one step. Sealing makes
/// slabs of eight, level 1; compaction makes longer groups of those.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupRow {
    pub(crate) layer: u32,
    /// First and last of its steps.
    pub(crate) first: i32,
    pub(crate) last: i32,
    /// How many steps it has, those without changes included.
    pub(crate) steps: usize,
    pub(crate) level: u32,
    pub(crate) changes: u64,
    /// The blob of the codebook that its blobs are coded with, densely; `None` for the fast coding.
    pub(crate) codebook: Option<i64>,
    /// What its codes count steps of; `None` for units in the last place.
    pub(crate) lattice: Option<Lattice>,
    pub(crate) blobs: Blobs,
}

impl GroupRow {
    pub(super) fn sum(&self) -> i64 {
        Sum::of("groups")
            .number(self.layer)
            .number(self.first)
            .number(self.last)
            .number(self.steps as i64)
            .number(self.level)
            .number(self.blobs.per_run as i64)
            .number(self.blobs.first)
            .number(self.blobs.bytes as i64)
            .number(self.changes as i64)
            .number(self.codebook.unwrap_or(-1))
            .number(self.lattice.map_or(-1, |lattice| i64::from(lattice.bits())))
            .bytes(&self.blobs.manifest())
            .sum()
    }

    /// The checksum of a blob of the group.
    pub(crate) fn blob_sum(layer: u32, first: i32, last: i32, run: usize, data: &[u8]) -> u64 {
        let key = Sum::of("block")
            .number(layer)
            .number(first)
            .number(last)
            .number(run as i64);
        key.bytes(data).sum() as u64
    }
}

/// A full state of a layer, or a tensor that is kept whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyframeRow {
    pub(crate) layer: u32,
    pub(crate) step: i32,
    /// The keyframe that this one holds differences from.
    pub(crate) anchor: Option<i32>,
    pub(crate) blobs: Blobs,
}

impl KeyframeRow {
    pub(super) fn sum(&self) -> i64 {
        Sum::of("keyframes")
            .number(self.layer)
            .number(self.step)
            .number(self.anchor.unwrap_or(-1))
            .number(self.blobs.per_run as i64)
            .number(self.blobs.first)
            .number(self.blobs.bytes as i64)
            .bytes(&self.blobs.manifest())
            .sum()
    }

    /// The checksum of a blob of the keyframe.
    pub(crate) fn blob_sum(layer: u32, step: i32, run: usize, data: &[u8]) -> u64 {
        let key = Sum::of("keyframe")
            .number(layer)
            .number(step)
            .number(run as i64);
        key.bytes(data).sum() as u64
    }
}

/// The checksum that a codebook begins with.
pub(super) fn codebook_sum(id: i64, data: &[u8]) -> [u8; 8] {
    let sum = Sum::of("codebook").number(id).bytes(data).sum();
    sum.to_le_bytes()
}

/// Refuses a row whose checksum is another.
pub(super) fn check_sum(what: impl FnOnce() -> String, expected: i64, found: i64) -> Result<()> {
    if expected == found {
        Ok(())
    } else {
        Err(Error::damaged(format!(
            "{} does not match its checksum",
            what()
        )))
    }
}
