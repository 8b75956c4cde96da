//! Groups of consecutive steps made into one: sealing and compaction.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::group_work::{GroupWork, TileSteps};
use super::job::Job;
use super::upkeep::Upkeep;
use crate::coding::dense::{Census, DenseTile};
use crate::coding::{Element, fast};
use crate::error::Result;
use crate::store::database::{GroupRow, Snapshot, Transaction};
use crate::store::index::{Index, LayerIndex};
use crate::store::options::{Codec, Durability};
use crate::store::reading::Sources;
use crate::store::recording::BlobWriter;

/// Changes that are merged side by side, and weights whose states are read for it: bounds what is
/// in memory.
const BATCH_CHANGES: u64 = 1 << 18;
const BATCH_WEIGHTS: u64 = 4 << 20;

/// Changes that are kept from when they are counted until they are coded. More are read twice.
const KEPT_CHANGES: u64 = 4 << 20;

/// Groups that are not written yet, of layers whose weights are equally wide, all on a lattice or
/// none, and the codebook of those that are dense.
pub(super) struct Merged {
    groups: Vec<MergedGroup>,
    codebook: Option<Vec<u8>>,
}

/// A group's blobs, in the order of their runs.
type RunBlobs = Vec<Vec<u8>>;

/// How many weights each step of a group changed.
type Counts = Vec<u64>;

type Coded = (RunBlobs, Counts);

struct MergedGroup {
    row: GroupRow,
    /// How many weights each of its steps changed.
    changes: Vec<u64>,
    /// The groups whose place it takes.
    sources: Vec<GroupRow>,
    blobs: RunBlobs,
    dense: bool,
}

impl Merged {
    /// The groups of a layer that there will be: the last step of each, and how many weights its
    /// steps changed.
    pub(super) fn counts(&self, layer: u32) -> impl Iterator<Item = (i32, &[u64])> {
        let own = self
            .groups
            .iter()
            .filter(move |group| group.row.layer == layer);
        own.map(|group| (group.row.last, &group.changes[..]))
    }

    /// Whether the groups that it was made of are still there.
    pub(super) fn is_timely(&self, transaction: &Transaction) -> Result<bool> {
        for group in &self.groups {
            let now = transaction.groups(group.row.layer)?;
            if !group.sources.iter().all(|source| now.contains(source)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts the new groups in the place of the old ones.
    pub(super) fn put(merged: &[Merged], transaction: &Transaction) -> Result<()> {
        // All sources first: one may have been cut into several groups, whose places overlap it.
        for group in merged.iter().flat_map(|merged| &merged.groups) {
            for source in &group.sources {
                transaction.drop_group(source)?;
            }
        }
        for Merged { groups, codebook } in merged {
            let codebook = codebook.as_ref();
            let codebook = codebook
                .map(|data| transaction.put_codebook(data))
                .transpose()?;
            for group in groups {
                group.put(transaction, codebook)?;
            }
        }
        Ok(())
    }
}

impl MergedGroup {
    fn put(&self, transaction: &Transaction, codebook: Option<u64>) -> Result<()> {
        let row = &self.row;
        let mut writer = BlobWriter::new(row.owner(), row.blobs.per_run);
        for blob in &self.blobs {
            writer.put(transaction, blob)?;
        }
        transaction.put_group(&GroupRow {
            codebook: codebook.filter(|_| self.dense),
            blobs: writer.finish(),
            ..row.clone()
        })
    }
}

impl Upkeep {
    /// Makes one group of the steps of each job, all in one transaction. `false` where the store has
    /// moved on meanwhile and nothing was done.
    pub(super) fn merge(&self, jobs: &[Job]) -> Result<bool> {
        let merged = self
            .sources
            .read(|snapshot, index| self.merged(snapshot, index, jobs))?;
        // What was committed is safe already, so this need not wait for the disk.
        self.sources
            .database()
            .write(Durability::Eventual, |transaction| {
                for merged in &merged {
                    if !merged.is_timely(transaction)? {
                        return Ok(false);
                    }
                }
                Merged::put(&merged, transaction)?;
                Ok(true)
            })
    }

    /// The groups that jobs lead to, by the width of their weights, and by whether they are on a
    /// lattice: what comes how often differs.
    pub(super) fn merged(
        &self,
        snapshot: &Snapshot,
        index: &Index,
        jobs: &[Job],
    ) -> Result<[Merged; 4]> {
        let layers = jobs.iter().map(|job| index.layer(snapshot, job.layer));
        let layers: Vec<Arc<LayerIndex>> = layers.collect::<Result<_>>()?;
        let mut kinds: [Vec<GroupWork>; 4] = Default::default();
        for (layer, job) in layers.iter().zip(jobs) {
            let work = GroupWork::new(&self.sources.file_reader(snapshot, index, layer), job)?;
            let wide = layer.row.dtype.size() > 2;
            let snapped = work.row.lattice.is_some();
            kinds[2 * usize::from(wide) + usize::from(snapped)].push(work);
        }
        let [narrow, narrow_snapped, wide, wide_snapped] = kinds;
        let merging = Merging {
            sources: &self.sources,
            snapshot,
            index,
        };
        Ok([
            merging.merge::<u16>(narrow)?,
            merging.merge::<u16>(narrow_snapped)?,
            merging.merge::<u32>(wide)?,
            merging.merge::<u32>(wide_snapped)?,
        ])
    }
}

/// What making groups reads from.
struct Merging<'a> {
    sources: &'a Sources,
    snapshot: &'a Snapshot<'a>,
    index: &'a Index,
}

impl Merging<'_> {
    fn merge<E: Element>(&self, works: Vec<GroupWork>) -> Result<Merged> {
        let (dense, mut fast): (Vec<GroupWork>, Vec<GroupWork>) = works
            .into_iter()
            .partition(|work| work.codec == Codec::Dense);
        let mut groups = Vec::new();
        let mut codebook = None;
        if !dense.is_empty() {
            let (data, coded) = self.code_densely::<E>(&dense)?;
            let changes: u64 = dense.iter().map(|work| work.row.changes).sum();
            for (mut work, (blobs, counts)) in dense.into_iter().zip(coded) {
                let size: usize = blobs.iter().map(Vec::len).sum();
                let share = data.len() as u64 * work.row.changes / changes.max(1);
                if work.gains_by(size as u64 + share) {
                    groups.push(MergedGroup::new(work, blobs, counts));
                } else {
                    work.codec = Codec::Fast;
                    fast.push(work);
                }
            }
            codebook = groups.iter().any(|group| group.dense).then_some(data);
        }
        let coded = self.code_fast::<E>(&fast)?;
        let fast = fast.into_iter().zip(coded);
        groups.extend(fast.map(|(work, (blobs, counts))| MergedGroup::new(work, blobs, counts)));
        Ok(Merged { groups, codebook })
    }

    /// The blobs of each work in the fast coding, and how many weights its steps changed.
    fn code_fast<E: Element>(&self, works: &[GroupWork]) -> Result<Vec<Coded>> {
        let encode = |work: &GroupWork, tiles: Vec<TileSteps<E>>| {
            let runs = tiles.chunks(work.per_run());
            runs.map(|run| encode_group_run(work, run))
                .collect::<Vec<_>>()
        };
        let mut blobs = vec![Vec::new(); works.len()];
        let counts = self.each_batch(works, encode, |batch| {
            let parts = batch.into_iter();
            parts.for_each(|(at, made)| blobs[at].extend(made));
        })?;
        Ok(blobs.into_iter().zip(counts).collect())
    }

    /// A codebook, and the blobs of each work in the dense coding with it, and how many weights its
    /// steps changed.
    fn code_densely<E: Element>(&self, works: &[GroupWork]) -> Result<(Vec<u8>, Vec<Coded>)> {
        let changes: u64 = works.iter().map(|work| work.row.changes).sum();
        let keep = changes <= KEPT_CHANGES;
        let mut kept: Vec<(usize, Vec<DenseTile<E>>)> = Vec::new();
        let mut census = Census::new();
        let counts = self.each_batch(works, dense_tiles, |batch| {
            census.add(self.count(&batch));
            if keep {
                kept.extend(batch);
            }
        })?;
        let codebook = census.codebook();
        let tables = codebook.encode_tables();
        let encode = |tiles: &[DenseTile<E>]| {
            let tiles = tiles.iter();
            tiles
                .map(|tile| tile.encode(&codebook, &tables))
                .collect::<Vec<_>>()
        };
        let mut blobs = vec![Vec::new(); works.len()];
        let mut collect = |batch: Vec<(usize, Vec<Vec<u8>>)>| {
            let parts = batch.into_iter();
            parts.for_each(|(at, made)| blobs[at].extend(made));
        };
        if keep {
            let one = |(at, tiles): &(usize, Vec<DenseTile<E>>)| (*at, encode(tiles));
            collect(
                self.sources
                    .pool()
                    .install(|| kept.par_iter().map(one).collect()),
            );
        } else {
            let encode = |work: &GroupWork, tiles| encode(&dense_tiles(work, tiles));
            self.each_batch(works, encode, collect)?;
        }
        let coded = blobs.into_iter().zip(counts).collect();
        Ok((codebook.to_bytes(), coded))
    }

    fn count<E: Element>(&self, batch: &[(usize, Vec<DenseTile<E>>)]) -> Census {
        let count = |tiles: &[(usize, Vec<DenseTile<E>>)]| {
            let mut census = Census::new();
            let tiles = tiles.iter().flat_map(|(_, tiles)| tiles);
            tiles.for_each(|tile| tile.count(&mut census));
            census
        };
        let sum = |mut sum: Census, census| {
            sum.add(census);
            sum
        };
        let pool = self.sources.pool();
        let share = batch.len().div_ceil(pool.current_num_threads()).max(1);
        pool.install(|| {
            let parts = batch.par_chunks(share);
            parts.map(count).reduce(Census::new, sum)
        })
    }

    /// Reads what works are made of, some at a time, and makes something of each span of tiles.
    /// Gives for each work how many weights its steps changed.
    fn each_batch<E: Element, T: Send>(
        &self,
        works: &[GroupWork],
        make: impl Fn(&GroupWork, Vec<TileSteps<E>>) -> T + Sync,
        mut done: impl FnMut(Vec<(usize, T)>),
    ) -> Result<Vec<Counts>> {
        let mut counts: Vec<Counts> = works.iter().map(|work| vec![0; work.row.steps]).collect();
        let pool = self.sources.pool();
        let mut spans = Vec::new();
        for (at, work) in works.iter().enumerate() {
            if work.row.changes > 0 {
                spans.extend(work.spans().map(|tiles| (at, tiles)));
            }
        }
        let mut rest = &spans[..];
        while !rest.is_empty() {
            let (mut changes, mut weights) = (0, 0);
            let within = rest.iter().take_while(|(at, tiles)| {
                let load = works[*at].load(tiles);
                changes += load.0;
                weights += load.1;
                changes <= BATCH_CHANGES && weights <= BATCH_WEIGHTS
            });
            let least = 2 * pool.current_num_threads();
            let count = within.count().max(least).min(rest.len());
            let (batch, later) = rest.split_at(count);
            rest = later;
            let mut fetched = Vec::with_capacity(batch.len());
            for own in batch.chunk_by(|a, b| a.0 == b.0) {
                let at = own[0].0;
                let reader = self
                    .sources
                    .file_reader(self.snapshot, self.index, works[at].layer);
                let tiles: Vec<Range<usize>> = own.iter().map(|(_, tiles)| tiles.clone()).collect();
                let spans = works[at].fetch::<E>(&reader, &tiles)?;
                fetched.extend(spans.into_iter().map(|span| (at, span)));
            }
            let one = |(at, span)| {
                let work: &GroupWork = &works[at];
                let tiles = work.read(span)?;
                let mut own = vec![0; work.row.steps];
                for tile in &tiles {
                    let steps = own.iter_mut().zip(&tile.steps);
                    steps.for_each(|(count, changes)| *count += changes.len() as u64);
                }
                Ok(((at, own), (at, make(work, tiles))))
            };
            let (counted, made): (Vec<_>, Vec<_>) = pool
                .install(|| {
                    let spans = fetched.into_par_iter();
                    spans.map(one).collect::<Result<Vec<_>>>()
                })?
                .into_iter()
                .unzip();
            for (at, own) in counted {
                let steps = counts[at].iter_mut().zip(own);
                steps.for_each(|(count, own)| *count += own);
            }
            done(made);
        }
        Ok(counts)
    }
}

/// The blob of a run of tiles in the fast coding; empty where nothing changed.
fn encode_group_run<E: Element>(work: &GroupWork, tiles: &[TileSteps<E>]) -> Vec<u8> {
    if tiles
        .iter()
        .flat_map(|tile| &tile.steps)
        .all(|changes| changes.len() == 0)
    {
        return Vec::new();
    }
    let run = tiles[0].tile..tiles[0].tile + tiles.len();
    fast::encode(
        &work.tiling(),
        run,
        tiles.iter().map(|tile| &tile.steps[..]),
    )
}

fn dense_tiles<E: Element>(work: &GroupWork, tiles: Vec<TileSteps<E>>) -> Vec<DenseTile<E>> {
    let tiling = work.tiling();
    let dense = |tile: TileSteps<E>| {
        DenseTile::new(
            work.coder(),
            tiling.rect(tile.tile).width,
            tile.before,
            &tile.steps,
        )
    };
    tiles.into_iter().map(dense).collect()
}

impl MergedGroup {
    fn new(work: GroupWork, blobs: RunBlobs, changes: Counts) -> Self {
        let mut row = work.row.clone();
        row.blobs.per_run = work.per_run();
        // Known before but for steps that did not stay.
        row.changes = changes.iter().sum();
        MergedGroup {
            row,
            changes,
            dense: work.codec == Codec::Dense && !blobs.is_empty(),
            sources: work.sources,
            blobs,
        }
    }
}
