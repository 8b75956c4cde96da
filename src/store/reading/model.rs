//! All layers of a model at one time, and what there is of them.

use std::sync::Arc;

use bytes::Bytes;

use super::chunks::Room;
use super::layer_state::LayerState;
use super::reader::Reader;
use super::sources::Sources;
use super::whole_state::WholeState;
use crate::error::{Error, Result};
use crate::store::database::{LayerRow, Snapshot};
use crate::store::index::{Index, LayerIndex};
use crate::store::note::metadata_from_json;
use crate::store::report::{LayerInfo, ModelWeights};
use crate::values::{Checkpoint, Tensor};

impl Sources {
    pub(crate) fn layers(&self) -> Result<Vec<LayerInfo>> {
        self.read(|snapshot, index| {
            let rows = index.layers.iter();
            rows.map(|row| Ok(layer_info(row, &*index.layer(snapshot, row.id)?)))
                .collect()
        })
    }

    /// All tensors as of time `t`.
    pub(crate) fn weights_at(&self, t: usize) -> Result<ModelWeights> {
        self.read(|snapshot, index| self.model_at(snapshot, index, t))
    }

    /// All tensors after step `t` itself.
    pub(crate) fn weights_at_step(&self, t: usize) -> Result<ModelWeights> {
        self.read(|snapshot, index| {
            index.find_step(snapshot, t)?;
            self.model_at(snapshot, index, t)
        })
    }

    fn model_at(&self, snapshot: &Snapshot, index: &Index, t: usize) -> Result<ModelWeights> {
        let mut layers = Vec::new();
        for row in index.layers.iter().filter(|row| row.created as usize <= t) {
            let layer = index.layer(snapshot, row.id)?;
            let at = layer.as_of(t)?;
            layers.push((layer, at));
        }
        let timestep = layers
            .iter()
            .map(|(layer, at)| layer.steps[*at] as usize)
            .max();
        let mut tensors = Vec::with_capacity(layers.len());
        for ((layer, _), state) in layers.iter().zip(self.states_at(snapshot, index, &layers)?) {
            tensors.push(tensor_of(&layer.row, state.to_bytes(&layer.row)));
        }
        let Some(timestep) = timestep else {
            // Nothing is as old as that.
            let oldest = index
                .layers
                .iter()
                .map(|row| row.created as usize)
                .min()
                .unwrap_or(0);
            return Err(Error::Pruned { step: t, oldest });
        };
        let metadata = index.commits.newest_metadata(timestep);
        let metadata = metadata_from_json(metadata)
            .ok_or_else(|| Error::damaged("a checkpoint's metadata is no JSON object"))?;
        Ok(ModelWeights {
            timestep,
            checkpoint: Checkpoint { tensors, metadata },
        })
    }

    /// The states of some whole layers, each after the step at a place, made side by side.
    pub(crate) fn states_at(
        &self,
        snapshot: &Snapshot,
        index: &Index,
        layers: &[(Arc<LayerIndex>, usize)],
    ) -> Result<Vec<LayerState>> {
        let readers: Vec<Reader> = layers
            .iter()
            .map(|(layer, _)| self.reader(snapshot, index, layer))
            .collect();
        let mut states = Vec::with_capacity(layers.len());
        for (reader, (_, at)) in readers.iter().zip(layers) {
            states.push(WholeState::begin(reader, *at)?);
        }
        let room = Room::new(self.pool());
        self.pool().in_place_scope(|scope| {
            let mut each = readers.iter().zip(&mut states);
            each.try_for_each(|(reader, state)| state.spawn(reader, scope, &room))
        })?;
        readers
            .iter()
            .zip(states)
            .map(|(reader, state)| state.finish(reader))
            .collect()
    }
}

pub(super) fn layer_info(row: &LayerRow, layer: &LayerIndex) -> LayerInfo {
    LayerInfo {
        name: row.name.clone(),
        dtype: row.dtype,
        shape: row.shape.clone(),
        matrix: row.matrix,
        oldest: layer.oldest(),
        latest: layer.latest(),
    }
}

pub(crate) fn tensor_of(row: &LayerRow, data: Bytes) -> Tensor {
    Tensor {
        name: row.name.clone(),
        dtype: row.dtype,
        shape: row.shape.clone(),
        data,
    }
}
