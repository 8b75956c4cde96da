//! States between the base and the latest one, which shorten the way to others.

use super::upkeep::Upkeep;
use crate::coding::{TileSet, by_width};
use crate::error::Result;
use crate::store::database::KeyframeRow;
use crate::store::index::{Group, LayerIndex};
use crate::store::options::{Codec, Durability, Favor};
use crate::store::recording::EncodedKeyframe;

impl Upkeep {
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
        let made = self.sources.read(|snapshot, index| {
            let layer = index.layer(snapshot, id)?;
            let Some(at) = place(&layer) else {
                return Ok(None);
            };
            if !self.keyframe_is_due(&layer, at)? {
                return Ok(None);
            }
            let reader = self.sources.file_reader(snapshot, index, &layer);
            by_width!(layer.row.dtype, E => {
                let set = TileSet::all(&layer.row.tiling());
                let state = reader.state::<E>(at, &set)?;
                let full = full_before(&layer, at);
                let anchor = match full.and_then(|full| layer.steps.binary_search(&full.step).ok()) {
                    Some(anchor) => Some((layer.steps[anchor], reader.state::<E>(anchor, &set)?)),
                    None => None,
                };
                let anchor = anchor.as_ref().map(|(step, state)| (*step, &state[..]));
                let step = layer.steps[at];
                let pool = self.sources.pool();
                Ok(Some(EncodedKeyframe::new(pool, &layer.row, step, &state, anchor)))
            })
        })?;
        let Some(keyframe) = made else {
            return Ok(());
        };
        self.sources
            .database()
            .write(Durability::Eventual, |transaction| {
                let now = transaction.keyframes(id)?;
                let has_anchor = |anchor| {
                    now.iter()
                        .any(|other| other.step == anchor && other.anchor.is_none())
                };
                let pruned = transaction.layers()?[id as usize].oldest >= keyframe.step;
                let there = now.iter().any(|other| other.step == keyframe.step);
                if pruned || there || !keyframe.anchor.is_none_or(has_anchor) {
                    return Ok(());
                }
                transaction.put_keyframe(&keyframe.put(transaction)?)
            })
    }

    /// Whether a keyframe at the last step of a sealed group is worth its bytes.
    fn keyframe_is_due(&self, layer: &LayerIndex, at: usize) -> Result<bool> {
        let (frame, from) = layer.keyframe_before(at)?;
        let later = layer.groups.iter().filter(|group| {
            group.row.level > 0 && group.steps.start > from && group.steps.end <= at + 1
        });
        // What they take once they are in the dense coding, about.
        let becomes_dense =
            self.sources.options().codec == Codec::Dense && layer.row.dtype.size() == 2;
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
        let affordable = match self.sources.options().favor {
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
}

/// The newest keyframe before a place that is coded upon no other.
fn full_before(layer: &LayerIndex, at: usize) -> Option<&KeyframeRow> {
    let mut frames = layer.keyframes.iter();
    frames.rfind(|frame| frame.anchor.is_none() && frame.step < layer.steps[at])
}
