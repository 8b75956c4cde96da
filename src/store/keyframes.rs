//! States between the base and the latest one, which shorten the way to others.

use std::ops::Range;

use rayon::prelude::*;

use super::blob_writer::BlobWriter;
use super::core::{Store, by_width};
use super::database::{Batch, KeyframeRow};
use super::head::HeadElement;
use super::index::{Group, LayerIndex};
use super::options::{Codec, Favor};
use super::reader::CHUNK_TILES;
use crate::coding::{TileSet, encode_plane};
use crate::error::Result;
use crate::store::Durability;

impl Store {
    /// Makes the last sealed step of a layer a keyframe, where that is due.
    pub(super) fn make_keyframe(&self, id: u32) -> Result<()> {
        self.make_keyframe_where(id, |layer| Some(layer.unsealed() - 1))
    }

    /// Makes a step of a layer, the last one of a sealed group, a keyframe where that is due.
    pub(super) fn make_keyframe_at(&self, id: u32, step: i32) -> Result<()> {
        self.make_keyframe_where(id, |layer| layer.steps.binary_search(&step).ok())
    }

    fn make_keyframe_where(
        &self,
        id: u32,
        place: impl FnOnce(&LayerIndex) -> Option<usize>,
    ) -> Result<()> {
        let made = self.read(|view, index| {
            let layer = index.layer(view, id)?;
            let Some(at) = place(&layer) else {
                return Ok(None);
            };
            if !self.keyframe_is_due(&layer, at)? {
                return Ok(None);
            }
            let reader = self.file_reader(view, index, &layer);
            by_width!(layer.row.dtype, E => {
                let set = TileSet::all(&layer.row.tiling());
                let state = reader.state::<E>(at, &set)?;
                let full = full_before(&layer, at);
                let anchor = match full.and_then(|full| layer.steps.binary_search(&full.step).ok()) {
                    Some(anchor) => Some((layer.steps[anchor], reader.state::<E>(anchor, &set)?)),
                    None => None,
                };
                let anchor = anchor.as_ref().map(|(step, state)| (*step, &state[..]));
                Ok(Some(self.encode_keyframe(&layer, at, &state, anchor)))
            })
        })?;
        let Some((keyframe, blobs)) = made else {
            return Ok(());
        };
        self.database().write(Durability::Eventual, |batch| {
            let now = batch.keyframes(id)?;
            let has_anchor = |anchor| {
                now.iter()
                    .any(|other| other.step == anchor && other.anchor.is_none())
            };
            let pruned = batch.layers()?[id as usize].oldest >= keyframe.step;
            let there = now.iter().any(|other| other.step == keyframe.step);
            if pruned || there || !keyframe.anchor.is_none_or(has_anchor) {
                return Ok(());
            }
            batch.put_keyframe(&put_blobs(batch, (keyframe, blobs))?)
        })
    }

    /// Whether a keyframe at the last step of a sealed group is worth its bytes.
    fn keyframe_is_due(&self, layer: &LayerIndex, at: usize) -> Result<bool> {
        let (frame, from) = layer.keyframe_before(at)?;
        let later = layer.groups.iter().filter(|group| {
            group.row.level > 0 && group.steps.start > from && group.steps.end <= at + 1
        });
        // What they take once they are in the dense coding, about.
        let becomes_dense = self.options().codec == Codec::Dense && layer.row.dtype.size() == 2;
        let cost = |group: &Group| match group.row.codebook {
            None if becomes_dense => group.row.blobs.cost() * 3 / 4,
            _ => group.row.blobs.cost(),
        };
        let since: u64 = later.map(cost).sum();
        let raw = layer.row.raw_bytes() as u64;
        let full = full_before(layer, at);
        let full = full.map_or(raw, |full| full.blobs.cost());
        let expected = match frame {
            // The next one lies farther from the anchor.
            Some(frame) if frame.anchor.is_some() => (frame.blobs.cost() * 5 / 4).min(full),
            // Weights of few bits are mostly a few units away from what they were.
            _ if layer.row.dtype.size() == 2 => full / 2,
            _ => full * 4 / 5,
        };
        // A full one then takes at most a quarter of what the changes since take, or as much.
        let affordable = match self.options().favor {
            Favor::Size => since / 5,
            Favor::Reads => since * 4 / 5,
        };
        // A store is never much larger than the checkpoints that went into it.
        let groups: u64 = layer
            .groups
            .iter()
            .map(|group| group.row.blobs.cost())
            .sum();
        let frames: u64 = layer
            .keyframes
            .iter()
            .map(|keyframe| keyframe.blobs.cost())
            .sum();
        let states = layer.unsealed() as u64;
        let within = (groups + frames + expected) * 1000 <= raw * states * 1012;
        Ok(at > from && expected <= affordable && within)
    }

    /// A keyframe whole, or as differences from the anchor where that is much smaller.
    pub(super) fn encode_keyframe<E: HeadElement>(
        &self,
        layer: &LayerIndex,
        at: usize,
        state: &[E],
        anchor: Option<(i32, &[E])>,
    ) -> (KeyframeRow, Vec<Vec<u8>>) {
        let tiling = layer.row.tiling();
        let encode = |anchor: Option<&[E]>| -> Vec<Vec<u8>> {
            let chunks: Vec<Range<usize>> = tiling.runs(CHUNK_TILES).collect();
            let one = |chunk: &Range<usize>| {
                let span = tiling.span(chunk.clone());
                encode_plane(&state[span.clone()], anchor.map(|anchor| &anchor[span]))
            };
            self.pool().install(|| chunks.par_iter().map(one).collect())
        };
        let size = |blobs: &[Vec<u8>]| blobs.iter().map(Vec::len).sum::<usize>();
        let row = |anchor| KeyframeRow {
            layer: layer.row.id,
            step: layer.steps[at],
            anchor,
            blobs: BlobWriter::new(CHUNK_TILES).finish(),
        };
        let full = encode(None);
        if let Some((step, anchor)) = anchor {
            let differences = encode(Some(anchor));
            if size(&differences) * 4 < size(&full) * 3 {
                return (row(Some(step)), differences);
            }
        }
        (row(None), full)
    }
}

/// The newest keyframe before a place that is coded upon no other.
fn full_before(layer: &LayerIndex, at: usize) -> Option<&KeyframeRow> {
    let mut frames = layer.keyframes.iter();
    frames.rfind(|frame| frame.anchor.is_none() && frame.step < layer.steps[at])
}

/// Writes the blobs of a keyframe, and gives the row that names them.
pub(super) fn put_blobs(
    batch: &Batch,
    (keyframe, blobs): (KeyframeRow, Vec<Vec<u8>>),
) -> Result<KeyframeRow> {
    let mut writer = BlobWriter::new(CHUNK_TILES);
    for blob in &blobs {
        writer.put(batch, blob, |run, data| {
            KeyframeRow::blob_sum(keyframe.layer, keyframe.step, run, data)
        })?;
    }
    Ok(KeyframeRow {
        blobs: writer.finish(),
        ..keyframe
    })
}
