//! Groups of consecutive steps made into one: sealing and compaction.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::blob_writer::BlobWriter;
use super::core::{Store, by_width};
use super::database::{GroupRow, View};
use super::decoder::{Decoder, run_of};
use super::index::{Group, Index, LayerIndex};
use super::maintenance::Job;
use crate::history::{Element, SLAB_STEPS, TileChanges, Tiling, fast};
use crate::{Durability, Result};

/// Changes of a sealed blob, about: enough to compress well, few enough for questions about one
/// weight.
const BLOB_CHANGES: u64 = 32 << 10;

/// Changes that are merged before they are written: bounds what is in memory.
const BATCH_CHANGES: u64 = 1 << 18;

/// A group that is not written yet.
struct Merged {
    row: GroupRow,
    blobs: Vec<Vec<u8>>,
}

/// The groups that become one.
struct Merge {
    sources: Vec<GroupRow>,
    merged: Merged,
}

impl Store {
    /// Makes one group of the steps of each job, all in one transaction. `false` where the store has
    /// moved on meanwhile and nothing was done.
    pub(super) fn merge(&self, jobs: &[Job]) -> Result<bool> {
        let merges = self.read(|view, index| {
            let merge = |job: &Job| {
                let layer = index.layer(view, job.layer)?;
                let sources: Vec<&Group> =
                    layer.groups.iter().filter(|group| group.lies_in(&job.steps)).collect();
                let merged =
                    by_width!(layer.row.dtype, E => self.merged::<E>(view, index, &layer, &sources, &job.steps)?);
                Ok(Merge { sources: sources.iter().map(|group| group.row.clone()).collect(), merged })
            };
            jobs.iter().map(merge).collect::<Result<Vec<_>>>()
        })?;
        // What was committed is safe already, so this need not wait for the disk.
        self.database().write(Durability::Eventual, |batch| {
            let mut still_there = true;
            for merge in &merges {
                let now = batch.groups(merge.merged.row.layer)?;
                still_there &= merge.sources.iter().all(|source| now.contains(source));
            }
            if !still_there {
                return Ok(false);
            }
            for Merge {
                sources,
                merged: Merged { mut row, blobs },
            } in merges
            {
                for source in &sources {
                    batch.drop_group(source)?;
                }
                let mut writer = BlobWriter::new(row.blobs.per_run);
                for blob in &blobs {
                    let sum = |run: usize, data: &[u8]| {
                        GroupRow::blob_sum(row.layer, row.first, row.last, run, data)
                    };
                    writer.put(batch, blob, sum)?;
                }
                row.blobs = writer.finish();
                batch.put_group(&row)?;
            }
            Ok(true)
        })
    }

    fn merged<E: Element>(
        &self,
        view: &View,
        index: &Index,
        layer: &LayerIndex,
        sources: &[&Group],
        steps: &Range<usize>,
    ) -> Result<Merged> {
        let tiling = layer.row.tiling();
        let changes: u64 = sources.iter().map(|group| group.row.changes).sum();
        let per_run = run_length(&tiling, changes);
        let row = GroupRow {
            layer: layer.row.id,
            first: layer.steps[steps.start],
            last: layer.steps[steps.end - 1],
            steps: steps.len(),
            level: level_of(steps.len()),
            changes,
            blobs: BlobWriter::new(per_run).finish(),
        };
        if changes == 0 {
            return Ok(Merged {
                row,
                blobs: Vec::new(),
            });
        }
        let sources: Vec<&Group> = sources
            .iter()
            .copied()
            .filter(|group| group.row.changes > 0)
            .collect();
        // Runs that are unions of whole runs of every source.
        let wide = sources
            .iter()
            .map(|group| group.row.blobs.per_run)
            .max()
            .unwrap_or(1)
            .max(per_run);
        let spans: Vec<Range<usize>> = tiling.runs(wide).collect();
        let in_batch = (BATCH_CHANGES * spans.len() as u64 / changes) as usize;
        let in_batch = in_batch.max(2 * self.pool().current_num_threads());
        let reader = self.file_reader(view, index, layer);
        let merging = Merging {
            decoder: Decoder { layer },
            per_run,
            steps: steps.clone(),
        };
        let mut blobs = Vec::new();
        for batch in spans.chunks(in_batch) {
            let mut fetched = Vec::with_capacity(batch.len());
            for tiles in batch {
                let mut runs = Vec::new();
                for group in &sources {
                    let length = group.row.blobs.per_run;
                    for run in tiles.start / length..tiles.end.div_ceil(length) {
                        runs.push((*group, run, reader.block_blob(&group.row, run)?));
                    }
                }
                fetched.push(Span {
                    tiles: tiles.clone(),
                    runs,
                });
            }
            let done: Vec<Vec<Vec<u8>>> = self.pool().install(|| {
                let encode = |span: &Span| merging.encode::<E>(span);
                fetched.par_iter().map(encode).collect::<Result<_>>()
            })?;
            blobs.extend(done.into_iter().flatten());
        }
        Ok(Merged { row, blobs })
    }
}

/// Some tiles, and the runs of every source that make them up.
struct Span<'a> {
    tiles: Range<usize>,
    runs: Vec<(&'a Group, usize, Arc<[u8]>)>,
}

/// What all spans of one merge have in common.
struct Merging<'a> {
    decoder: Decoder<'a>,
    /// Tiles of a new blob.
    per_run: usize,
    /// Places in [`LayerIndex::steps`].
    steps: Range<usize>,
}

impl Merging<'_> {
    /// The new blobs of a span.
    fn encode<E: Element>(&self, span: &Span) -> Result<Vec<Vec<u8>>> {
        let (tiling, first) = (self.decoder.tiling(), span.tiles.start);
        let mut tiles = vec![vec![TileChanges::<E>::default(); self.steps.len()]; span.tiles.len()];
        for (group, run, blob) in &span.runs {
            let run = run_of(&tiling, group.row.blobs.per_run, *run);
            let Some(block) = self.decoder.decode::<E>(&group.row, run.clone(), blob)? else {
                continue;
            };
            let before = group.steps.start - self.steps.start;
            for tile in run.clone() {
                let by_step = block.by_step(tile - run.start);
                let by_step = by_step.map_err(|damage| self.decoder.damaged(&group.row, damage))?;
                for (step, changes) in by_step.into_iter().enumerate() {
                    tiles[tile - first][before + step] = changes;
                }
            }
        }
        let encode = |begin: usize| {
            let run = begin..span.tiles.end.min(begin + self.per_run);
            let tiles = &tiles[run.start - first..run.end - first];
            if tiles.iter().flatten().all(|changes| changes.len() == 0) {
                return Vec::new();
            }
            fast::encode(&tiling, run, tiles.iter().map(Vec::as_slice))
        };
        Ok(span
            .tiles
            .clone()
            .step_by(self.per_run)
            .map(encode)
            .collect())
    }
}

/// Tiles of a blob, a power of two.
fn run_length(tiling: &Tiling, changes: u64) -> usize {
    let tiles = tiling.count() as u64;
    let wanted = (BLOB_CHANGES * tiles / changes.max(1)).clamp(1, tiles.next_power_of_two());
    // Rounded down.
    1 << wanted.ilog2()
}

/// The level of a group of so many steps: 1 for a slab, one more for every eight times as many.
fn level_of(steps: usize) -> u32 {
    let mut level = 1;
    let mut longest = SLAB_STEPS;
    while longest < steps {
        longest *= SLAB_STEPS;
        level += 1;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_count_eights() {
        assert_eq!(
            [1, 8, 9, 64, 65, 512, 513].map(level_of),
            [1, 1, 2, 2, 3, 3, 4]
        );
    }

    #[test]
    fn runs_are_longer_where_little_changes() {
        let tiling = Tiling::new((1024, 1024));
        assert_eq!(run_length(&tiling, 8 << 20), 1);
        assert_eq!(run_length(&tiling, 840_000), 2);
        assert_eq!(run_length(&tiling, 10), 64);
    }
}
