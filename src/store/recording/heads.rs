use std::sync::Arc;

use crate::coding::TileChanges;
use crate::detect::Lattice;
use crate::error::Result;
use crate::store::database::{Digest, LayerRow};
use crate::store::index::{LayerIndex, LayerKey, Settings};
use crate::store::reading::{LayerState, Sources, StateElement};

/// The latest state of every layer, and what a new step has to come after.
pub(crate) struct Heads {
    /// By id of the layer.
    pub(crate) layers: Vec<LayerHead>,
    /// The newest commit's step; `None` in a store without commits.
    pub(crate) latest: Option<i32>,
    /// Metadata of the newest checkpoint, as JSON.
    pub(crate) metadata: String,
    pub(crate) settings: Settings,
}

impl Heads {
    /// What a store ends with.
    pub(super) fn load(sources: &Sources) -> Result<Self> {
        sources.read(|snapshot, index| {
            let mut latest = Vec::with_capacity(index.layers.len());
            for row in index.layers.iter() {
                let layer = index.layer(snapshot, row.id)?;
                let at = layer.steps.len() - 1;
                latest.push((layer, at));
            }
            let states = sources.states_at(snapshot, index, &latest)?;
            let head = |((layer, at), state): (&(Arc<LayerIndex>, usize), LayerState)| LayerHead {
                row: LayerRow::clone(&layer.row),
                latest: layer.steps[*at],
                steps: layer.steps.clone(),
                unsealed: layer.steps.len() - layer.unsealed(),
                lattice: layer
                    .groups
                    .iter()
                    .rev()
                    .find_map(|group| group.row.lattice),
                state,
            };
            let layers = latest.iter().zip(states).map(head).collect();
            // Of a store without commits there is none.
            let committed = latest.iter().filter(|(layer, at)| layer.seq(*at) > 0);
            let newest = committed.map(|(layer, at)| layer.steps[*at]).max();
            Ok(Heads {
                layers,
                latest: newest,
                metadata: index
                    .commits
                    .newest_metadata(newest.unwrap_or(0) as usize)
                    .to_owned(),
                settings: Settings::load(snapshot)?,
            })
        })
    }

    /// The head of the layer that a handle is of. Errors: `NoSuchLayer`, where a rollback has taken it
    /// away.
    pub(crate) fn layer_of(&self, key: &LayerKey) -> Result<&LayerHead> {
        let head = self.layers.get(key.id as usize);
        key.check(head.map(|head| &head.row))?;
        Ok(&self.layers[key.id as usize])
    }
}

/// The latest state of one layer.
pub(crate) struct LayerHead {
    pub(crate) row: LayerRow,
    /// The newest step; the base's label where there is none.
    pub(crate) latest: i32,
    /// The base's label and all steps after it.
    pub(crate) steps: Vec<i32>,
    /// Steps that are not sealed.
    pub(crate) unsealed: usize,
    /// Of the newest group that has one.
    pub(crate) lattice: Option<Lattice>,
    pub(crate) state: LayerState,
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

/// An element of a width that heads have.
pub(crate) trait HeadElement: StateElement {
    fn into_updates(tiles: Vec<TileUpdate<Self>>) -> TileUpdates;
}

impl HeadElement for u16 {
    fn into_updates(tiles: Vec<TileUpdate<Self>>) -> TileUpdates {
        TileUpdates::Two(tiles)
    }
}

impl HeadElement for u32 {
    fn into_updates(tiles: Vec<TileUpdate<Self>>) -> TileUpdates {
        TileUpdates::Four(tiles)
    }
}
