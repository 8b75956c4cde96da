//! Changes against the head, encoded in parallel: the journal's entry of a step.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::blob_writer::BlobWriter;
use super::heads::{HeadElement, Heads, LayerHead, TileUpdate, TileUpdates};
use super::resolve::{Entry, Source};
use super::updates::Update;
use crate::coding::{Coder, TileChanges, copy_tile, fast, gather_tile, same_tile};
use crate::detect::{Lattice, step_to};
use crate::error::{Error, Result};
use crate::store::database::{
    BlobOwner, Digest, GroupRow, StateRow, Transaction, digest_of, layer_digest,
};
use crate::store::reading::{LayerState, Matrix};
use crate::values::{Change, Tiling};

/// Runs of tiles that a step of small layers is cut into, about: enough for all threads.
const STEP_RUNS: usize = 16;

/// Tiles of a run, at most, where that does not make too many.
const LONG_RUN: usize = 16;

/// Blobs of a layer's journal entry, about, at most.
const JOURNAL_BLOBS: usize = 256;

/// Runs of tiles that are encoded before they are written: bounds what is in memory.
const BATCH_RUNS: usize = 16;

/// What encoding a run of tiles gave.
struct RunStep {
    /// `None` where nothing changed.
    blob: Option<Vec<u8>>,
    changes: u64,
    digests: Vec<(usize, Digest)>,
    tiles: TileUpdates,
}

/// Encodes and writes the changes of layers that there are. Runs of tiles of all layers are
/// encoded side by side.
pub(super) fn write_groups(
    pool: &ThreadPool,
    transaction: &Transaction,
    heads: &Heads,
    step: i32,
    entries: &[Entry],
) -> Result<Vec<(u32, Update, StateRow)>> {
    let tiling = |entry: &Entry| heads.layers[entry.id as usize].row.tiling();
    let together = entries.iter().map(|entry| tiling(entry).count()).sum();
    let mut written: Vec<WrittenLayer> = entries
        .iter()
        .map(|entry| WrittenLayer {
            per_run: journal_run(&tiling(entry), together),
            lattice: entry.source.lattice(),
            ..WrittenLayer::default()
        })
        .collect();
    let runs: Vec<(usize, Range<usize>)> = entries
        .iter()
        .zip(&written)
        .enumerate()
        .flat_map(|(at, (entry, own))| tiling(entry).runs(own.per_run).map(move |run| (at, run)))
        .collect();
    for group in runs.chunks(BATCH_RUNS) {
        let encode = |(at, run): &(usize, Range<usize>)| {
            let entry = &entries[*at];
            let head = &heads.layers[entry.id as usize];
            match &head.state {
                LayerState::Two(matrix) => {
                    encode_step_run(head, matrix, &entry.source, run.clone())
                }
                LayerState::Four(matrix) => {
                    encode_step_run(head, matrix, &entry.source, run.clone())
                }
                LayerState::Whole(_) => Err(head.row.not_a_matrix()),
            }
        };
        let encoded: Vec<RunStep> =
            pool.install(|| group.par_iter().map(encode).collect::<Result<_>>())?;
        for ((at, _), run) in group.iter().zip(encoded) {
            written[*at].put(transaction, entries[*at].id, step, run)?;
        }
    }
    let mut finished = Vec::with_capacity(entries.len());
    for (entry, written) in entries.iter().zip(written) {
        let head = &heads.layers[entry.id as usize];
        finished.push(written.finish(transaction, head, step)?);
    }
    Ok(finished)
}

/// What has been written of one layer's step.
#[derive(Default)]
struct WrittenLayer {
    /// Tiles of each run.
    per_run: usize,
    lattice: Option<Lattice>,
    blobs: Option<BlobWriter>,
    /// Runs without changes before the first one with some.
    skipped: usize,
    changes: u64,
    digests: Vec<(usize, Digest)>,
    tiles: Vec<TileUpdates>,
}

impl WrittenLayer {
    fn put(&mut self, transaction: &Transaction, id: u32, step: i32, run: RunStep) -> Result<()> {
        self.changes += run.changes;
        self.digests.extend(run.digests);
        self.tiles.push(run.tiles);
        match (run.blob, &mut self.blobs) {
            (None, None) => {
                self.skipped += 1;
                Ok(())
            }
            (blob, Some(blobs)) => blobs.put(transaction, &blob.unwrap_or_default()),
            (Some(blob), none) => {
                let blobs = none.insert(BlobWriter::new(journal_owner(id, step), self.per_run));
                for _ in 0..self.skipped {
                    blobs.put(transaction, &[])?;
                }
                blobs.put(transaction, &blob)
            }
        }
    }

    fn finish(
        self,
        transaction: &Transaction,
        head: &LayerHead,
        step: i32,
    ) -> Result<(u32, Update, StateRow)> {
        let id = head.row.id;
        let lattice = self.blobs.as_ref().and(self.lattice);
        if let Some(blobs) = self.blobs {
            transaction.put_group(&GroupRow {
                layer: id,
                first: step,
                last: step,
                steps: 1,
                level: 0,
                changes: self.changes,
                codebook: None,
                lattice,
                blobs: blobs.finish(),
            })?;
        }
        let mut digests = match &head.state {
            LayerState::Two(matrix) => matrix.digests.clone(),
            LayerState::Four(matrix) => matrix.digests.clone(),
            LayerState::Whole(_) => return Err(head.row.not_a_matrix()),
        };
        for (tile, digest) in &self.digests {
            digests[*tile] = *digest;
        }
        let state = StateRow {
            changes: self.changes,
            digest: layer_digest(&digests),
        };
        Ok((id, Update::Tiles(self.tiles, lattice), state))
    }
}

/// As whose the blobs of one step are known, until it is sealed.
fn journal_owner(layer: u32, step: i32) -> BlobOwner {
    BlobOwner::Group {
        layer,
        first: step,
        last: step,
    }
}

/// Tiles of each run of a layer, a power of two, in a step that has `together` tiles of all layers.
fn journal_run(tiling: &Tiling, together: usize) -> usize {
    let shared = together
        .div_ceil(STEP_RUNS)
        .next_power_of_two()
        .min(LONG_RUN);
    shared.max(tiling.count().div_ceil(JOURNAL_BLOBS).next_power_of_two())
}

/// What a step changes in a run of tiles.
fn encode_step_run<E: HeadElement>(
    head: &LayerHead,
    matrix: &Matrix<E>,
    source: &Source,
    run: Range<usize>,
) -> Result<RunStep> {
    let (tiling, coder) = (head.row.tiling(), Coder::plain(head.row.dtype));
    let (mut before, mut after): (Vec<E>, Vec<E>) = (Vec::new(), Vec::new());
    let mut tiles = Vec::new();
    for tile in run.clone() {
        let changes = match source {
            Source::State(tensor, bound) => {
                if same_tile(&tiling, tile, &matrix.bits, &tensor.data) {
                    continue;
                }
                copy_tile(&tiling, tile, &matrix.bits, &mut before);
                gather_tile(&tiling, tile, &tensor.data, &mut after);
                match bound.lattice {
                    None => detect(coder, bound.error, &before, &mut after),
                    Some(lattice) => snap(coder, lattice, bound.error, &before, &mut after),
                }
            }
            Source::Changes(deltas) => {
                let Ok(at) = deltas.binary_search_by_key(&tile, |delta| delta.tile) else {
                    continue;
                };
                copy_tile(&tiling, tile, &matrix.bits, &mut after);
                add(coder, &tiling, tile, &deltas[at].changes, &mut after)?
            }
            Source::Base(..) | Source::Whole(_) => continue,
        };
        if changes.len() > 0 {
            let digest = digest_of(bytemuck::cast_slice(&after));
            tiles.push(TileUpdate {
                tile,
                changes,
                digest,
            });
        }
    }
    let none = TileChanges::default();
    let blob = (!tiles.is_empty()).then(|| {
        let mut changed = tiles.iter().peekable();
        let steps = run.clone().map(|tile| {
            let changes = changed
                .next_if(|update| update.tile == tile)
                .map(|update| &update.changes);
            std::slice::from_ref(changes.unwrap_or(&none))
        });
        fast::encode(&tiling, run.clone(), steps)
    });
    Ok(RunStep {
        blob,
        changes: tiles.iter().map(|update| update.changes.len() as u64).sum(),
        digests: tiles
            .iter()
            .map(|update| (update.tile, update.digest))
            .collect(),
        tiles: E::into_updates(tiles),
    })
}

/// Finds what leads from `before` to `weights`, which becomes what the store will give back.
fn detect<E: HeadElement>(
    coder: Coder,
    bound: f32,
    before: &[E],
    weights: &mut [E],
) -> TileChanges<E> {
    if bound > 0.0 {
        let widen = |bits: E| coder.dtype.widen(bits.to_u32());
        for (&state, weight) in before.iter().zip(&mut *weights) {
            if state != *weight && step_to(widen(state), widen(*weight), bound).is_none() {
                *weight = state;
            }
        }
    }
    // Which weights changed cannot be predicted, so all places are written, and those of weights
    // that did not are written over.
    let mut positions = vec![0; weights.len() + 1];
    let mut count = 0;
    for (place, (state, weight)) in before.iter().zip(&*weights).enumerate() {
        positions[count] = place as u16;
        count += usize::from(state != weight);
    }
    positions.truncate(count);
    let code = |&place: &u16| {
        let place = usize::from(place);
        before[place]
            .to_ordered()
            .code_to(weights[place].to_ordered())
    };
    let codes = positions.iter().map(code).collect();
    TileChanges {
        positions,
        codes,
        raws: Vec::new(),
    }
}

/// The same, but for changes that are told by a lattice where they can be.
fn snap<E: HeadElement>(
    coder: Coder,
    lattice: Lattice,
    bound: f32,
    before: &[E],
    weights: &mut [E],
) -> TileChanges<E> {
    let widen = |bits: E| coder.dtype.widen(bits.to_u32());
    let mut changes = TileChanges::default();
    for (place, (&state, weight)) in before.iter().zip(weights).enumerate() {
        if state == *weight {
            continue;
        }
        if step_to(widen(state), widen(*weight), bound).is_none() {
            *weight = state;
            continue;
        }
        let (code, raw, after) = coder.snap(lattice, bound, state, *weight);
        changes.push(place as u16, code, raw);
        *weight = after;
    }
    changes
}

/// Adds deltas upon a tile's weights.
fn add<E: HeadElement>(
    coder: Coder,
    tiling: &Tiling,
    tile: usize,
    deltas: &[(u16, Change)],
    weights: &mut [E],
) -> Result<TileChanges<E>> {
    let mut changes = TileChanges::default();
    for &(place, change) in deltas {
        let weight = &mut weights[usize::from(place)];
        let Some((code, raw, after)) = coder.encode(*weight, change) else {
            let (row, col) = tiling.rect(tile).weight(place);
            let before = coder.dtype.widen(weight.to_u32());
            return Err(Error::OffLattice {
                row,
                col,
                value: change.exact.unwrap_or(before + change.delta),
                dtype: coder.dtype,
            });
        };
        changes.push(place, code, raw);
        *weight = after;
    }
    Ok(changes)
}
