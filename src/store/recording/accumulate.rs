//! Adding to steps that are open. They are in memory, each layer's in a grid of its own, until they are
//! committed like others.

use std::collections::BTreeMap;

use super::open_step::OpenStep;
use super::recorder::Recorder;
use crate::error::{Error, Result};
use crate::grids::{Layer, StorageOptions};
use crate::limits::MAX_STEP;
use crate::store::index::LayerKey;
use crate::values::Delta;

impl Recorder {
    /// Adds to the open step of a layer, or opens it. Says whether an earlier step has been committed
    /// for it.
    pub(crate) fn accumulate(
        &self,
        key: &LayerKey,
        t: usize,
        delta: &Delta,
        scale: f32,
    ) -> Result<bool> {
        let _turn = self.write_turn()?;
        let mut open = self.open_step();
        let latest = {
            let heads = self.heads()?;
            let head = heads.layer_of(key)?;
            head.row.check_shape(delta.shape())?;
            let mut weights = delta.iter();
            weights.try_for_each(|(weight, _)| head.row.check_inside(weight))?;
            head.latest as usize
        };
        if t == 0 || t > MAX_STEP {
            return Err(Error::InvalidStep { step: t });
        }
        let opened = open.as_ref().map(|open| open.step);
        let latest = opened.filter(|step| *step > t).unwrap_or(latest);
        if t <= latest {
            return Err(Error::StepOutOfOrder { step: t, latest });
        }
        if let Some(open) = open.as_mut().filter(|open| open.step == t)
            && let Some(layer) = open.layers.get_mut(&key.id)
        {
            layer.accumulate(t, delta, scale)?;
            return Ok(false);
        }
        let (rows, cols) = delta.shape();
        let options = StorageOptions {
            threads: self.sources.options().threads,
            ..StorageOptions::default()
        };
        let mut layer = Layer::new(&key.name, rows, cols, options)?;
        layer.accumulate(t, delta, scale)?;
        if let Some(open) = open.as_mut().filter(|open| open.step == t) {
            open.layers.insert(key.id, layer);
            return Ok(false);
        }
        let closes = open.is_some();
        if let Some(earlier) = open.as_ref() {
            self.commit_in_turn(earlier.contents()?)?;
        }
        *open = Some(OpenStep {
            step: t,
            layers: BTreeMap::from([(key.id, layer)]),
        });
        Ok(closes)
    }

    /// Commits the open step, if there is one. Asked of a layer, that must be there.
    pub(crate) fn commit_accumulated(&self, key: Option<&LayerKey>) -> Result<Option<usize>> {
        let _turn = self.write_turn()?;
        if let Some(key) = key {
            self.heads()?.layer_of(key)?;
        }
        let mut open = self.open_step();
        let Some(step) = open.as_ref() else {
            return Ok(None);
        };
        let recorded = self.commit_in_turn(step.contents()?)?;
        *open = None;
        Ok(Some(recorded.step))
    }
}
