use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::commits::Commits;
use super::layer_index::LayerIndex;
use super::layer_key::LayerKey;
use crate::error::{Error, Result};
use crate::host::nearest;
use crate::store::database::{LayerRow, Snapshot, Tip};

/// What a store holds, without its weights: its layers and its commits. Belongs to one generation.
pub(crate) struct Index {
    pub(crate) tip: Tip,
    pub(crate) layers: Arc<[Arc<LayerRow>]>,
    pub(crate) commits: Commits,
    by_name: HashMap<String, u32>,
    /// Of layers that were asked for.
    loaded: Mutex<HashMap<u32, Arc<LayerIndex>>>,
}

impl Index {
    /// Reads the index, or takes what it can from an earlier one.
    pub(crate) fn load(snapshot: &Snapshot, earlier: Option<&Arc<Index>>) -> Result<Arc<Index>> {
        let tip = snapshot.tip()?;
        if let Some(earlier) = earlier.filter(|earlier| earlier.tip.generation == tip.generation) {
            return Ok(Arc::clone(earlier));
        }
        let layers: Vec<Arc<LayerRow>> = snapshot.layers()?.into_iter().map(Arc::new).collect();
        let dense = layers.iter().zip(0..).all(|(layer, id)| layer.id == id);
        if !dense || layers.len() != tip.layers as usize {
            return Err(Error::damaged("a layer is missing"));
        }
        let by_name = layers
            .iter()
            .map(|layer| (layer.name.clone(), layer.id))
            .collect();
        Ok(Arc::new(Index {
            commits: Commits::load(
                snapshot,
                &tip,
                earlier.map(|earlier| (&earlier.tip, &earlier.commits)),
            )?,
            tip,
            layers: layers.into(),
            by_name,
            loaded: Mutex::default(),
        }))
    }

    pub(crate) fn find(&self, name: &str) -> Result<&Arc<LayerRow>> {
        match self.by_name.get(name) {
            Some(&id) => Ok(&self.layers[id as usize]),
            None => Err(Error::NoSuchLayer {
                name: name.to_owned(),
                nearest: nearest(name, self.by_name.keys()),
            }),
        }
    }

    pub(crate) fn row(&self, id: u32) -> Result<&Arc<LayerRow>> {
        let row = self.layers.get(id as usize);
        // Who took its number from the heads, or for a job, did so before a rollback.
        row.ok_or_else(|| Error::NoSuchLayer {
            name: format!("number {id}"),
            nearest: Vec::new(),
        })
    }

    /// Where a layer's history is.
    pub(crate) fn layer(&self, snapshot: &Snapshot, id: u32) -> Result<Arc<LayerIndex>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layer) = loaded.get(&id) {
            return Ok(Arc::clone(layer));
        }
        let layer = Arc::new(LayerIndex::load(
            Arc::clone(self.row(id)?),
            &self.commits,
            snapshot,
        )?);
        loaded.insert(id, Arc::clone(&layer));
        Ok(layer)
    }

    /// The layer that a handle is of. Errors: `NoSuchLayer`, where a rollback has taken it away.
    pub(crate) fn layer_of(&self, snapshot: &Snapshot, key: &LayerKey) -> Result<Arc<LayerIndex>> {
        self.check(Some(key))?;
        self.layer(snapshot, key.id)
    }

    /// Whether the layer that a handle is of is there, where one is asked for. Errors: `NoSuchLayer`.
    pub(crate) fn check(&self, key: Option<&LayerKey>) -> Result<()> {
        let Some(key) = key else { return Ok(()) };
        key.check(self.layers.get(key.id as usize).map(|row| &**row))
    }

    /// Whether any layer has a step, the bases' labels included. Errors: `Pruned`, `NoSuchStep`.
    pub(crate) fn find_step(&self, snapshot: &Snapshot, t: usize) -> Result<()> {
        let (mut before, mut after, mut oldest) = (None, None, usize::MAX);
        for row in self.layers.iter() {
            let layer = self.layer(snapshot, row.id)?;
            let next = layer.steps.partition_point(|step| (*step as usize) < t);
            let step = |place: usize| layer.steps.get(place).map(|step| *step as usize);
            if step(next) == Some(t) {
                return Ok(());
            }
            before = before.max(next.checked_sub(1).and_then(step));
            after = [after, step(next)].into_iter().flatten().min();
            oldest = oldest.min(layer.oldest());
        }
        Err(if t < oldest && oldest < usize::MAX {
            Error::Pruned { step: t, oldest }
        } else {
            Error::NoSuchStep {
                step: t,
                before,
                after,
            }
        })
    }
}
