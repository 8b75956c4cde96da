//! From what a step contributes to what is written: changes against the head, encoded in parallel.

use std::ops::Range;

use rayon::prelude::*;

use super::core::Store;
use super::database::{
    Batch, Blobs, CommitRow, Digest, GroupRow, KeyframeRow, LayerRow, Members, StateRow, digest_of,
};
use super::head::{HeadElement, HeadState, Heads, LayerHead, Matrix, chunks_mut, gather_tile};
use super::note::{metadata_to_json, notes_to_json};
use super::reader::{CHUNK_TILES, WHOLE_PIECE, layer_digest};
use super::step::{Contribution, Recorded, StepContents, Threshold};
use crate::dense_detector::step_to;
use crate::float_mode::ieee;
use crate::history::{Block, Coder, TileChanges, Tiling, encode_bytes, encode_plane};
use crate::sparse_weights::vec_with_room;
use crate::tensor::fold_shape;
use crate::{Change, Delta, Dtype, Error, MAX_STEP, Result, SparseWeights, Tensor};

/// Tiles of a journal's blob, at least.
const JOURNAL_RUN: usize = 16;

/// Blobs of a layer's journal entry, about, at most.
const JOURNAL_BLOBS: usize = 256;

/// Runs of tiles that are encoded before they are written: bounds what is in memory.
const BATCH_RUNS: usize = 16;

/// What a step does to one layer, resolved: nothing can be wrong with names and shapes any more.
struct Entry {
    id: u32,
    source: Source,
}

enum Source {
    /// The new state of a layer that there is.
    State(Tensor, f32),
    Changes(Vec<TileDelta>),
    /// The first state of a new layer, or one that replaces a base.
    Base(LayerRow, BaseState),
    /// The new content of a tensor that is kept whole.
    Whole(Tensor),
}

enum BaseState {
    Tensor(Tensor),
    Sparse(SparseWeights),
}

/// The changes of one tile, by place.
struct TileDelta {
    tile: usize,
    changes: Vec<(u16, Change)>,
}

/// How a head changes once the step is committed.
enum Update {
    /// Tiles in ascending order, with their new digests.
    Tiles(Vec<(usize, TileChanges, Digest)>),
    Replace(LayerRow, HeadState),
    Whole(bytes::Bytes),
}

/// What encoding a run of tiles gave.
struct RunStep {
    /// `None` where nothing changed.
    blob: Option<Vec<u8>>,
    tiles: Vec<(usize, TileChanges, Digest)>,
}

impl Store {
    /// Commits a step: all of it, or with an error nothing.
    pub(crate) fn commit(&self, contents: StepContents) -> Result<Recorded> {
        contents.check()?;
        self.wait_for_sealing()?;
        let _turn = self.write_turn()?;
        self.load_heads()?;
        let (recorded, updates) = {
            let heads = self.heads()?;
            let heads = heads.as_ref().ok_or(Error::Poisoned)?;
            let (step, entries) = self.resolve(heads, &contents)?;
            let texts = (
                notes_to_json(&contents.notes),
                if contents.complete {
                    metadata_to_json(&contents.metadata)
                } else {
                    String::new()
                },
            );
            drop(contents);
            self.write_step(heads, step, entries, texts)?
        };
        self.apply(recorded.step as i32, updates)?;
        Ok(recorded)
    }

    /// Makes `weights` the base of a layer that has no changes yet.
    pub(crate) fn store_base(&self, id: u32, weights: &SparseWeights) -> Result<()> {
        let _turn = self.write_turn()?;
        self.load_heads()?;
        let updates = {
            let heads = self.heads()?;
            let heads = heads.as_ref().ok_or(Error::Poisoned)?;
            let head = &heads.layers[id as usize];
            check_shape(&head.row, weights.shape())?;
            if head.latest > 0 {
                return Err(Error::BaseFixed {
                    latest: head.latest as usize,
                });
            }
            let row = LayerRow {
                base: true,
                ..head.row.clone()
            };
            let entry = Entry {
                id,
                source: Source::Base(row, BaseState::Sparse(weights.clone())),
            };
            self.write_step(heads, 0, vec![entry], ("{}".to_owned(), String::new()))?
                .1
        };
        self.apply(0, updates)
    }

    /// Stores the changes of step `t` of one layer.
    pub(crate) fn store_changes(&self, id: u32, t: usize, delta: Delta) -> Result<()> {
        let name = self.describe(id)?.0;
        let contents = StepContents {
            step: Some(t),
            contributions: vec![Contribution::Changes(name, delta)],
            notes: Default::default(),
            metadata: Default::default(),
            complete: false,
            allow_new_layers: false,
        };
        self.commit(contents).map(|_| ())
    }

    /// Checks a step against the layers that there are.
    fn resolve(&self, heads: &Heads, contents: &StepContents) -> Result<(i32, Vec<Entry>)> {
        let step = match (contents.step, heads.latest) {
            (Some(step), _) => step,
            (None, None) => 0,
            (None, Some(latest)) => latest as usize + 1,
        };
        if contents.contributions.is_empty() {
            return Err(Error::EmptyStep { step });
        }
        if step > MAX_STEP {
            return Err(Error::InvalidStep { step });
        }
        let step = step as i32;
        let by_name: std::collections::HashMap<&str, u32> = heads
            .layers
            .iter()
            .map(|head| (head.row.name.as_str(), head.row.id))
            .collect();
        let mut entries = Vec::new();
        let mut next_id = heads.layers.len() as u32;
        for contribution in &contents.contributions {
            let Some(&id) = by_name.get(contribution.name()) else {
                let Contribution::Tensor(tensor, _) = contribution else {
                    self.find_layer(contribution.name())?; // says which names there are
                    continue;
                };
                if !heads.layers.is_empty() && !contents.allow_new_layers {
                    return Err(Error::NewTensor {
                        name: tensor.name.clone(),
                    });
                }
                entries.push(new_layer(next_id, step, tensor)?);
                next_id += 1;
                continue;
            };
            entries.push(self.resolve_known(&heads.layers[id as usize], step, contribution)?);
        }
        if contents.complete {
            let named: std::collections::HashSet<&str> = contents
                .contributions
                .iter()
                .map(Contribution::name)
                .collect();
            if let Some(head) = heads
                .layers
                .iter()
                .find(|head| !named.contains(head.row.name.as_str()))
            {
                return Err(Error::MissingTensor {
                    name: head.row.name.clone(),
                });
            }
        }
        entries.sort_unstable_by_key(|entry| entry.id);
        Ok((step, entries))
    }

    fn resolve_known(
        &self,
        head: &LayerHead,
        step: i32,
        contribution: &Contribution,
    ) -> Result<Entry> {
        let row = &head.row;
        let out_of_order = || Error::StepOutOfOrder {
            step: step as usize,
            latest: head.latest as usize,
        };
        let source = match contribution {
            Contribution::Tensor(tensor, threshold) => {
                if tensor.dtype != row.dtype || tensor.shape != row.shape {
                    return Err(Error::TensorMismatch {
                        name: row.name.clone(),
                        expected: format!("{} {:?}", row.dtype, row.shape),
                        found: format!("{} {:?}", tensor.dtype, tensor.shape),
                    });
                }
                let fresh = !row.base && head.latest == row.oldest && step == row.oldest;
                if step <= head.latest && !fresh {
                    return Err(out_of_order());
                }
                if row.matrix.is_none() {
                    Source::Whole(tensor.clone())
                } else if fresh {
                    Source::Base(
                        LayerRow {
                            base: true,
                            ..row.clone()
                        },
                        BaseState::Tensor(tensor.clone()),
                    )
                } else {
                    Source::State(tensor.clone(), bound(*threshold, tensor))
                }
            }
            Contribution::Changes(_, delta) => {
                let shape = row.matrix.ok_or_else(|| not_a_matrix(row))?;
                check_shape(row, delta.shape())?;
                if step == 0 {
                    return Err(Error::InvalidStep { step: 0 });
                }
                if step <= head.latest {
                    return Err(out_of_order());
                }
                Source::Changes(by_tile(&Tiling::new(shape), row.elements(), delta)?)
            }
        };
        Ok(Entry { id: row.id, source })
    }

    /// Writes a step in one transaction.
    fn write_step(
        &self,
        heads: &Heads,
        step: i32,
        entries: Vec<Entry>,
        (notes, metadata): (String, String),
    ) -> Result<(Recorded, Vec<(u32, Update)>)> {
        self.database().write(self.options().durability, |batch| {
            let members = Members::new(entries.iter().map(|entry| entry.id).collect());
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
                        let head = &heads.layers[entry.id as usize];
                        states.push((entry.id, self.write_whole(batch, head, step, &tensor)?));
                        updates.push((entry.id, Update::Whole(tensor.data)));
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
            let states: Vec<StateRow> = states.into_iter().map(|(_, state)| state).collect();
            let changes = states.iter().map(|state| state.changes).sum();
            let commit = CommitRow {
                seq: 0,
                step,
                time: now(),
                notes,
                metadata,
                members,
                digest: [0; 16],
            };
            batch.put_commit(commit, &states)?;
            Ok((
                Recorded {
                    step: step as usize,
                    layers,
                    changes,
                },
                updates,
            ))
        })
    }

    /// Writes a layer with its base as a keyframe.
    fn write_base(
        &self,
        batch: &Batch,
        row: LayerRow,
        state: BaseState,
    ) -> Result<(Update, StateRow)> {
        batch.put_layer(&row)?;
        for keyframe in batch.keyframes(row.id)? {
            batch.drop_keyframe(&keyframe)?; // the base that this one replaces
        }
        if row.matrix.is_none() {
            let BaseState::Tensor(tensor) = state else {
                return Err(not_a_matrix(&row));
            };
            let state = self.put_whole(batch, row.id, row.oldest, &tensor)?;
            return Ok((Update::Replace(row, HeadState::Whole(tensor.data)), state));
        }
        if row.dtype.size() == 2 {
            self.write_matrix::<u16>(batch, row, &state)
        } else {
            self.write_matrix::<u32>(batch, row, &state)
        }
    }

    fn write_matrix<E: HeadElement>(
        &self,
        batch: &Batch,
        row: LayerRow,
        state: &BaseState,
    ) -> Result<(Update, StateRow)> {
        let tiling = row.tiling();
        let mut bits = vec_with_room(tiling.len())?;
        bits.resize(tiling.len(), E::default());
        match state {
            BaseState::Sparse(weights) => {
                for ((r, c), &value) in weights.iter() {
                    let (tile, place) = tiling.place(r as usize, c as usize);
                    check_inside_tensor(&row, r, c)?;
                    let narrow = row.dtype.narrow(value).ok_or(Error::OffLattice {
                        row: r,
                        col: c,
                        value,
                        dtype: row.dtype,
                    })?;
                    bits[tiling.offset(tile) + usize::from(place)] = E::from_u32(narrow);
                }
            }
            BaseState::Tensor(tensor) => self.pool().install(|| {
                chunks_mut(&tiling, &mut bits)
                    .into_par_iter()
                    .for_each(|(chunk, mut part)| {
                        let mut gathered = Vec::new();
                        for tile in chunk {
                            gather_tile(&tiling, tile, &tensor.data, &mut gathered);
                            let (own, rest) = part.split_at_mut(gathered.len());
                            own.copy_from_slice(&gathered);
                            part = rest;
                        }
                    });
            }),
        }
        let (keyframe, digests) = self.put_keyframe(batch, &row, row.oldest, &bits, None)?;
        batch.put_keyframe(&keyframe)?;
        let state = StateRow {
            changes: 0,
            digest: layer_digest(&digests),
        };
        Ok((
            Update::Replace(row, E::into_state(Matrix { bits, digests })),
            state,
        ))
    }

    /// Writes the blobs of a state as a keyframe, whole or as differences from an anchor, and gives
    /// its row and the digests of the tiles.
    pub(crate) fn put_keyframe<E: HeadElement>(
        &self,
        batch: &Batch,
        row: &LayerRow,
        step: i32,
        bits: &[E],
        anchor: Option<(i32, &[E])>,
    ) -> Result<(KeyframeRow, Vec<Digest>)> {
        let tiling = row.tiling();
        let chunks: Vec<Range<usize>> = tiling.runs(CHUNK_TILES).collect();
        let mut blobs = BlobWriter::new(CHUNK_TILES);
        let mut digests = Vec::new();
        for group in chunks.chunks(BATCH_RUNS) {
            let encode = |chunk: &Range<usize>| {
                let span = tiling.span(chunk.clone());
                let anchor = anchor.map(|(_, anchor)| &anchor[span.clone()]);
                let digests: Vec<Digest> = chunk
                    .clone()
                    .map(|tile| digest_of(bytemuck::cast_slice(&bits[tiling.span(tile..tile + 1)])))
                    .collect();
                (encode_plane(&bits[span], anchor), digests)
            };
            let encoded: Vec<_> = self
                .pool()
                .install(|| group.par_iter().map(encode).collect());
            for (blob, own) in encoded {
                blobs.put(batch, &blob, |run, data| {
                    KeyframeRow::blob_sum(row.id, step, run, data)
                })?;
                digests.extend(own);
            }
        }
        let keyframe = KeyframeRow {
            layer: row.id,
            step,
            anchor: anchor.map(|(step, _)| step),
            blobs: blobs.finish(),
        };
        Ok((keyframe, digests))
    }

    fn write_whole(
        &self,
        batch: &Batch,
        head: &LayerHead,
        step: i32,
        tensor: &Tensor,
    ) -> Result<StateRow> {
        let HeadState::Whole(before) = &head.state else {
            return Err(not_a_matrix(&head.row));
        };
        if *before == tensor.data {
            return Ok(StateRow {
                changes: 0,
                digest: digest_of(before),
            });
        }
        self.put_whole(batch, head.row.id, step, tensor)
    }

    fn put_whole(&self, batch: &Batch, id: u32, step: i32, tensor: &Tensor) -> Result<StateRow> {
        let mut blobs = BlobWriter::new(1);
        for piece in tensor.data.chunks(WHOLE_PIECE) {
            blobs.put(batch, &encode_bytes(piece), |run, data| {
                KeyframeRow::blob_sum(id, step, run, data)
            })?;
        }
        batch.put_keyframe(&KeyframeRow {
            layer: id,
            step,
            anchor: None,
            blobs: blobs.finish(),
        })?;
        Ok(StateRow {
            changes: 0,
            digest: digest_of(&tensor.data),
        })
    }

    /// Encodes and writes the changes of layers that there are. Runs of tiles of all layers are
    /// encoded side by side.
    fn write_groups(
        &self,
        batch: &Batch,
        heads: &Heads,
        step: i32,
        entries: &[Entry],
    ) -> Result<Vec<(u32, Update, StateRow)>> {
        let runs: Vec<(usize, Range<usize>)> = entries
            .iter()
            .enumerate()
            .flat_map(|(at, entry)| {
                let tiling = heads.layers[entry.id as usize].row.tiling();
                tiling.runs(journal_run(&tiling)).map(move |run| (at, run))
            })
            .collect();
        let mut written: Vec<Entered> = entries.iter().map(|_| Entered::default()).collect();
        for group in runs.chunks(BATCH_RUNS) {
            let encode = |(at, run): &(usize, Range<usize>)| {
                let entry = &entries[*at];
                let head = &heads.layers[entry.id as usize];
                ieee(|| match &head.state {
                    HeadState::Two(matrix) => encode_run(head, matrix, &entry.source, run.clone()),
                    HeadState::Four(matrix) => encode_run(head, matrix, &entry.source, run.clone()),
                    HeadState::Whole(_) => Err(not_a_matrix(&head.row)),
                })
            };
            let encoded: Vec<RunStep> = self
                .pool()
                .install(|| group.par_iter().map(encode).collect::<Result<_>>())?;
            for ((at, _), run) in group.iter().zip(encoded) {
                written[*at].put(batch, entries[*at].id, step, run)?;
            }
        }
        let mut finished = Vec::with_capacity(entries.len());
        for (entry, written) in entries.iter().zip(written) {
            let head = &heads.layers[entry.id as usize];
            finished.push(written.finish(batch, head, step)?);
        }
        Ok(finished)
    }

    /// Brings the heads to a step that has been committed.
    fn apply(&self, step: i32, updates: Vec<(u32, Update)>) -> Result<()> {
        let mut seal = false;
        {
            let mut heads = self.heads_mut()?;
            let heads = heads.as_mut().ok_or(Error::Poisoned)?;
            heads.latest = heads.latest.max(Some(step));
            for (id, update) in updates {
                let known = heads.layers.get_mut(id as usize);
                match (update, known) {
                    (Update::Tiles(tiles), Some(head)) => {
                        head.latest = step;
                        head.unsealed += 1;
                        seal |= head.unsealed >= crate::history::SLAB_STEPS;
                        ieee(|| apply_tiles(head, tiles));
                    }
                    (Update::Whole(bytes), Some(head)) => {
                        head.latest = step;
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
                            unsealed: 0,
                            state,
                        });
                    }
                    _ => return Err(Error::Poisoned),
                }
            }
        }
        if seal {
            self.wake_maintenance();
        }
        Ok(())
    }
}

fn apply_tiles(head: &mut LayerHead, tiles: Vec<(usize, TileChanges, Digest)>) {
    fn apply<E: HeadElement>(
        row: &LayerRow,
        matrix: &mut Matrix<E>,
        tiles: Vec<(usize, TileChanges, Digest)>,
    ) {
        let (tiling, coder) = (row.tiling(), Coder { dtype: row.dtype });
        for (tile, changes, digest) in tiles {
            let bits = &mut matrix.bits[tiling.span(tile..tile + 1)];
            let mut raws = changes.raws.iter();
            for (&place, &code) in changes.positions.iter().zip(&changes.codes) {
                let weight = &mut bits[usize::from(place)];
                *weight = match code {
                    // Encoding has made sure that there is a result.
                    0 => raws
                        .next()
                        .and_then(|raw| coder.after(*weight, raw))
                        .unwrap_or(*weight),
                    code => weight.to_ordered().step_by(code).from_ordered(),
                };
            }
            matrix.digests[tile] = digest;
        }
    }
    let LayerHead { row, state, .. } = head;
    match state {
        HeadState::Two(matrix) => apply(row, matrix, tiles),
        HeadState::Four(matrix) => apply(row, matrix, tiles),
        HeadState::Whole(_) => {}
    }
}

/// What has been written of one layer's step.
#[derive(Default)]
struct Entered {
    blobs: Option<BlobWriter>,
    /// Runs without changes before the first one with some.
    skipped: usize,
    tiles: Vec<(usize, TileChanges, Digest)>,
}

impl Entered {
    fn put(&mut self, batch: &Batch, id: u32, step: i32, run: RunStep) -> Result<()> {
        self.tiles.extend(run.tiles);
        let sum = |run: usize, data: &[u8]| GroupRow::blob_sum(id, step, step, run, data);
        match (run.blob, &mut self.blobs) {
            (None, None) => {
                self.skipped += 1;
                Ok(())
            }
            (blob, Some(blobs)) => blobs.put(batch, &blob.unwrap_or_default(), sum),
            (Some(blob), none) => {
                let blobs = none.insert(BlobWriter::new(0));
                for _ in 0..self.skipped {
                    blobs.put(batch, &[], sum)?;
                }
                blobs.put(batch, &blob, sum)
            }
        }
    }

    fn finish(self, batch: &Batch, head: &LayerHead, step: i32) -> Result<(u32, Update, StateRow)> {
        let (id, tiling) = (head.row.id, head.row.tiling());
        let changes: usize = self.tiles.iter().map(|(_, changes, _)| changes.len()).sum();
        if let Some(blobs) = self.blobs {
            batch.put_group(&GroupRow {
                layer: id,
                first: step,
                last: step,
                steps: 1,
                level: 0,
                changes: changes as u64,
                blobs: Blobs {
                    per_run: journal_run(&tiling),
                    ..blobs.finish()
                },
            })?;
        }
        let mut digests = match &head.state {
            HeadState::Two(matrix) => matrix.digests.clone(),
            HeadState::Four(matrix) => matrix.digests.clone(),
            HeadState::Whole(_) => return Err(not_a_matrix(&head.row)),
        };
        for (tile, _, digest) in &self.tiles {
            digests[*tile] = *digest;
        }
        let state = StateRow {
            changes: changes as u64,
            digest: layer_digest(&digests),
        };
        Ok((id, Update::Tiles(self.tiles), state))
    }
}

/// Puts blobs that belong together, one after the other.
pub(crate) struct BlobWriter {
    per_run: usize,
    first: Option<i64>,
    bytes: u64,
    sums: Vec<u64>,
}

impl BlobWriter {
    pub(crate) fn new(per_run: usize) -> Self {
        BlobWriter {
            per_run,
            first: None,
            bytes: 0,
            sums: Vec::new(),
        }
    }

    pub(crate) fn put(
        &mut self,
        batch: &Batch,
        data: &[u8],
        sum: impl Fn(usize, &[u8]) -> u64,
    ) -> Result<()> {
        let id = batch.put_blob(data)?;
        let first = *self.first.get_or_insert(id);
        let run = self.sums.len();
        if id != first + run as i64 {
            return Err(Error::Unexpected {
                message: "blobs of two owners were mixed".to_owned(),
            });
        }
        self.bytes += data.len() as u64;
        self.sums.push(sum(run, data));
        Ok(())
    }

    pub(crate) fn finish(self) -> Blobs {
        Blobs {
            per_run: self.per_run,
            first: self.first.unwrap_or(0),
            bytes: self.bytes,
            sums: self.sums.into(),
        }
    }
}

fn journal_run(tiling: &Tiling) -> usize {
    JOURNAL_RUN.max(tiling.count().div_ceil(JOURNAL_BLOBS).next_power_of_two())
}

/// What a step changes in a run of tiles.
fn encode_run<E: HeadElement>(
    head: &LayerHead,
    matrix: &Matrix<E>,
    source: &Source,
    run: Range<usize>,
) -> Result<RunStep> {
    let (tiling, coder) = (
        head.row.tiling(),
        Coder {
            dtype: head.row.dtype,
        },
    );
    let mut scratch: Vec<E> = Vec::new();
    let mut steps = Vec::with_capacity(run.len());
    let mut tiles = Vec::new();
    for tile in run.clone() {
        let before = &matrix.bits[tiling.span(tile..tile + 1)];
        let changes = match source {
            Source::State(tensor, bound) => {
                gather_tile(&tiling, tile, &tensor.data, &mut scratch);
                detect(coder, *bound, before, &mut scratch)
            }
            Source::Changes(deltas) => {
                let Ok(at) = deltas.binary_search_by_key(&tile, |delta| delta.tile) else {
                    steps.push(vec![TileChanges::default()]);
                    continue;
                };
                scratch.clear();
                scratch.extend_from_slice(before);
                add(coder, &tiling, tile, &deltas[at].changes, &mut scratch)?
            }
            Source::Base(..) | Source::Whole(_) => TileChanges::default(),
        };
        if changes.len() > 0 {
            tiles.push((
                tile,
                changes.clone(),
                digest_of(bytemuck::cast_slice(&scratch)),
            ));
        }
        steps.push(vec![changes]);
    }
    let blob = (!tiles.is_empty()).then(|| Block::encode::<E>(&tiling, run, &steps));
    Ok(RunStep { blob, tiles })
}

/// Finds what leads from `before` to `weights`, which becomes what the store will give back.
fn detect<E: HeadElement>(
    coder: Coder,
    bound: f32,
    before: &[E],
    weights: &mut [E],
) -> TileChanges {
    let mut changes = TileChanges::default();
    for (place, (&state, weight)) in before.iter().zip(weights).enumerate() {
        if state == *weight {
            continue;
        }
        let widen = |bits: E| coder.dtype.widen(bits.to_u32());
        if bound > 0.0 && step_to(widen(state), widen(*weight), bound).is_none() {
            *weight = state;
            continue;
        }
        changes.push(
            place as u16,
            state.to_ordered().code_to(weight.to_ordered()),
            None,
        );
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
) -> Result<TileChanges> {
    let mut changes = TileChanges::default();
    for &(place, change) in deltas {
        let weight = &mut weights[usize::from(place)];
        let Some((code, raw, after)) = coder.encode(*weight, change) else {
            let rect = tiling.rect(tile);
            let before = coder.dtype.widen(weight.to_u32());
            return Err(Error::OffLattice {
                row: (rect.row + usize::from(place) / rect.width) as i32,
                col: (rect.col + usize::from(place) % rect.width) as i32,
                value: change.exact.unwrap_or(before + change.delta),
                dtype: coder.dtype,
            });
        };
        changes.push(place, code, raw);
        *weight = after;
    }
    Ok(changes)
}

/// Changes by tile, and in each by place.
fn by_tile(tiling: &Tiling, elements: usize, delta: &Delta) -> Result<Vec<TileDelta>> {
    let mut placed = Vec::with_capacity(delta.deltas().len());
    let cols = tiling.shape().1 as usize;
    for ((row, col), change) in delta.iter() {
        if row as usize * cols + col as usize >= elements {
            return Err(Error::OutOfShape {
                row,
                col,
                shape: tiling.shape(),
            });
        }
        let (tile, place) = tiling.place(row as usize, col as usize);
        placed.push((tile, place, change));
    }
    placed.sort_unstable_by_key(|(tile, place, _)| (*tile, *place));
    let groups = placed.chunk_by(|a, b| a.0 == b.0);
    Ok(groups
        .map(|group| TileDelta {
            tile: group[0].0,
            changes: group
                .iter()
                .map(|(_, place, change)| (*place, *change))
                .collect(),
        })
        .collect())
}

/// A layer that a tensor begins.
fn new_layer(id: u32, step: i32, tensor: &Tensor) -> Result<Entry> {
    let matrix = if tensor.dtype.is_weights() {
        fold_shape(&tensor.shape)?
    } else {
        None
    };
    let row = LayerRow {
        id,
        name: tensor.name.clone(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        matrix,
        created: step,
        oldest: step,
        base: true,
    };
    Ok(Entry {
        id,
        source: Source::Base(row, BaseState::Tensor(tensor.clone())),
    })
}

/// The largest difference that need not be recorded.
fn bound(threshold: Threshold, tensor: &Tensor) -> f32 {
    match threshold {
        Threshold::Lossless => 0.0,
        Threshold::Absolute(bound) => bound,
        Threshold::Relative(share) => ieee(|| (f64::from(share) * deviation(tensor)) as f32),
    }
}

/// The standard deviation of a tensor's finite elements.
fn deviation(tensor: &Tensor) -> f64 {
    let size = tensor.dtype.size();
    let value = |element: &[u8]| {
        let bits = element
            .iter()
            .rev()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        f64::from(tensor.dtype.widen(bits))
    };
    let values = || {
        tensor
            .data
            .chunks_exact(size)
            .map(value)
            .filter(|value| value.is_finite())
    };
    let (count, sum) = values().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    if count == 0.0 {
        return 0.0;
    }
    let mean = sum / count;
    (values()
        .map(|value| (value - mean) * (value - mean))
        .sum::<f64>()
        / count)
        .sqrt()
}

fn check_shape(row: &LayerRow, found: (i32, i32)) -> Result<()> {
    let expected = row.matrix.ok_or_else(|| not_a_matrix(row))?;
    if expected == found {
        Ok(())
    } else {
        Err(Error::ShapeMismatch { expected, found })
    }
}

/// The short last row of a vector has no weights behind its end.
fn check_inside_tensor(layer: &LayerRow, row: i32, col: i32) -> Result<()> {
    let shape = layer.tiling().shape();
    if row as usize * shape.1 as usize + (col as usize) < layer.elements() {
        Ok(())
    } else {
        Err(Error::OutOfShape { row, col, shape })
    }
}

pub(crate) fn not_a_matrix(row: &LayerRow) -> Error {
    Error::NotAMatrix {
        name: row.name.clone(),
        dtype: row.dtype,
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
        crate::sparse_weights::check_shape(rows, cols)?;
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
            unsealed: 0,
            state,
        });
        Ok(id)
    }
}

fn zeros(row: &LayerRow) -> Result<HeadState> {
    fn of<E: HeadElement>(tiling: &Tiling) -> Result<HeadState> {
        let mut bits = vec_with_room(tiling.len())?;
        bits.resize(tiling.len(), E::default());
        let digest = |tile| digest_of(bytemuck::cast_slice(&bits[tiling.span(tile..tile + 1)]));
        let digests = (0..tiling.count()).map(digest).collect();
        Ok(E::into_state(Matrix { bits, digests }))
    }
    if row.dtype.size() == 2 {
        of::<u16>(&row.tiling())
    } else {
        of::<u32>(&row.tiling())
    }
}
