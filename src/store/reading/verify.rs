use std::collections::BTreeSet;

use super::reader::Reader;
use super::sources::Sources;
use super::walk::Seen;
use crate::coding::{Element, TileSet, by_width};
use crate::error::{Error, Result};
use crate::store::database::{Blobs, Digest, Snapshot, digest_of, layer_digest};
use crate::store::index::{Index, LayerIndex, Settings};
use crate::store::note::{metadata_from_json, notes_from_json};
use crate::store::report::Verified;

/// Steps whose tiles' digests are computed in one pass over a layer.
const PASS_STEPS: usize = 64;

impl Sources {
    /// Reads everything and compares it with what was recorded.
    pub(crate) fn verify(&self, mut progress: impl FnMut(u64, u64)) -> Result<Verified> {
        self.database().check()?;
        // Not from what is in memory, but from the file.
        self.read(|snapshot, _| {
            let index = Index::load(snapshot, None)?;
            let mut found = Verified {
                commits: index.commits.in_order().len() as u64,
                layers: index.layers.len() as u64,
                ..Verified::default()
            };
            for commit in index.commits.in_order() {
                index.commits.states(snapshot, commit.seq)?;
                let readable = notes_from_json(&commit.notes).is_some()
                    && (commit.metadata.is_empty()
                        || metadata_from_json(&commit.metadata).is_some());
                if !readable {
                    return Err(Error::damaged(format!(
                        "the notes of commit {} are no JSON object",
                        commit.seq
                    )));
                }
            }
            let mut total = 0;
            for row in index.layers.iter() {
                total += index.layer(snapshot, row.id)?.steps.len() as u64;
            }
            let mut codebooks = BTreeSet::new();
            for row in index.layers.iter() {
                let groups = &index.layer(snapshot, row.id)?.groups;
                codebooks.extend(groups.iter().filter_map(|group| group.row.codebook));
            }
            for &id in &codebooks {
                found.blobs += 1;
                found.bytes += snapshot.codebook(id)?.len() as u64;
            }
            let mut done = 0;
            for row in index.layers.iter() {
                let layer = index.layer(snapshot, row.id)?;
                self.verify_layer(snapshot, &index, &layer, &mut found, |steps| {
                    done += steps;
                    progress(done, total);
                })?;
            }
            if snapshot.gap_count()? != index.tip.gaps {
                return Err(Error::damaged("a gap between steps is missing"));
            }
            Settings::load(snapshot)?;
            if snapshot.blob_count()? != found.blobs {
                return Err(Error::damaged("there are blobs that belong to nothing"));
            }
            Ok(found)
        })
    }

    fn verify_layer(
        &self,
        snapshot: &Snapshot,
        index: &Index,
        layer: &LayerIndex,
        found: &mut Verified,
        mut done: impl FnMut(u64),
    ) -> Result<()> {
        let reader = self.file_reader(snapshot, index, layer);
        let mut count = |blobs: &Blobs, size: u64| {
            found.blobs += blobs.sums.len() as u64;
            found.bytes += size;
            if size == blobs.bytes {
                Ok(())
            } else {
                Err(Error::damaged(format!(
                    "blobs of layer '{}' have another length",
                    layer.row.name
                )))
            }
        };
        for frame in &layer.keyframes {
            let mut size = 0;
            for run in 0..frame.blobs.sums.len() {
                size += reader.keyframe_blob(frame, run)?.len() as u64;
            }
            count(&frame.blobs, size)?;
        }
        for group in &layer.groups {
            let mut size = 0;
            for run in 0..group.row.blobs.sums.len() {
                size += reader.block_blob(&group.row, run)?.len() as u64;
            }
            count(&group.row.blobs, size)?;
        }
        if layer.row.matrix.is_none() {
            for at in 0..layer.steps.len() {
                reader.whole(at)?;
                found.states += 1;
                done(1);
            }
            return Ok(());
        }
        by_width!(layer.row.dtype, E => {
            // Every keyframe, by what leads to it, and every step from one pass to the next.
            for frame in &layer.keyframes {
                let at = layer.as_of(frame.step as usize)?;
                reader.state::<E>(at, &TileSet::all(&layer.row.tiling()))?;
            }
            let mut at = 0;
            while at < layer.steps.len() {
                let end = (at + PASS_STEPS).min(layer.steps.len());
                verify_steps::<E>(&reader, at, end)?;
                found.states += (end - at) as u64;
                done((end - at) as u64);
                at = end;
            }
        });
        Ok(())
    }
}

/// The digests of the states after the steps at places `first..end`.
fn verify_steps<E: Element>(reader: &Reader, first: usize, end: usize) -> Result<()> {
    let tiling = reader.layer.row.tiling();
    let set = TileSet::all(&tiling);
    let (state, mut digests) = reader.state_and_digests::<E>(first, &set)?;
    // Of each step that changes it: (step, tile, place, bits after).
    let mut changes: Vec<(usize, usize, u16, E)> = Vec::new();
    reader.changes::<E, Vec<(usize, usize, u16, E)>>(
        first + 1..end,
        &set,
        |seen,
         Seen {
             at,
             tile,
             place,
             after,
             ..
         }| seen.push((at, tile, place, after)),
        |seen| changes.extend(seen),
    )?;
    changes.sort_unstable_by_key(|(at, tile, place, _)| (*at, *tile, *place));
    let mut state = state;
    let mut rest = &changes[..];
    for at in first + 1..end {
        let (own, later) = rest.split_at(rest.partition_point(|change| change.0 == at));
        rest = later;
        for tile in own.chunk_by(|a, b| a.1 == b.1) {
            let bits = &mut state[tiling.span(tile[0].1..tile[0].1 + 1)];
            for (_, _, place, after) in tile {
                bits[usize::from(*place)] = *after;
            }
            digests[tile[0].1] = digest_of(bytemuck::cast_slice(bits));
        }
        check(reader, at, own.len() as u64, &digests)?;
    }
    Ok(())
}

fn check(reader: &Reader, at: usize, changes: u64, tiles: &[Digest]) -> Result<()> {
    let layer = reader.layer;
    let expected = layer.state(&reader.index.commits, reader.snapshot, at)?;
    if expected.is_some_and(|state| state.digest == layer_digest(tiles) && state.changes == changes)
    {
        return Ok(());
    }
    Err(Error::damaged(format!(
        "layer '{}' at step {} is not what was recorded: its digest differs",
        layer.row.name, layer.steps[at]
    )))
}
