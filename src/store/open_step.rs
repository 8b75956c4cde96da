//! Steps into which gradients are being accumulated. They are in memory, each layer's in a grid of
//! its own, until they are committed like others.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use super::core::Store;
use super::database::LayerRow;
use super::entry::check_shape;
use super::step::{Contribution, StepContents};
use crate::error::{Error, Result};
use crate::grids::{Layer, StorageOptions};
use crate::limits::MAX_STEP;
use crate::values::Delta;

/// The step that is open, of all layers that something has been accumulated for.
pub(crate) struct OpenStep {
    pub(super) step: usize,
    /// By id. Each is zeros and one step.
    layers: BTreeMap<u32, Layer>,
}

impl OpenStep {
    /// Forgets what was accumulated for one layer, or for all, and says whether there was any.
    pub(super) fn drop_layers(&mut self, only: Option<u32>) -> bool {
        let before = self.layers.len();
        self.layers
            .retain(|id, _| only.is_some_and(|only| only != *id));
        self.layers.len() < before
    }

    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Whether something has been accumulated for a layer.
    pub(super) fn has(&self, id: u32) -> bool {
        self.layers.contains_key(&id)
    }

    /// What commits it.
    fn contents(&self) -> Result<StepContents> {
        let changes = self.layers.values().map(|layer| {
            let delta = layer.get_delta_layer(self.step)?;
            Ok(Contribution::Changes(layer.name().to_owned(), delta))
        });
        let changes = changes.collect::<Result<_>>()?;
        Ok(StepContents::of(Some(self.step), changes))
    }
}

impl Store {
    /// The open step. The caller has the turn.
    pub(super) fn open_step(&self) -> MutexGuard<'_, Option<OpenStep>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the open step of a layer, or opens it.
    pub(crate) fn accumulate(&self, id: u32, t: usize, delta: &Delta, scale: f32) -> Result<()> {
        self.wait_for_sealing()?;
        if self.add_to_open_step(id, t, delta, scale)? {
            let _ = self.retain_after_step();
        }
        Ok(())
    }

    /// The same; whether an earlier step has been committed for it.
    fn add_to_open_step(&self, id: u32, t: usize, delta: &Delta, scale: f32) -> Result<bool> {
        let _turn = self.write_turn()?;
        self.load_heads()?;
        let mut open = self.open_step();
        let (name, latest) = {
            let heads = self.heads()?;
            let head = heads.as_ref().ok_or(Error::Poisoned)?.layer(id)?;
            check_shape(&head.row, delta.shape())?;
            check_elements(&head.row, delta)?;
            (head.row.name.clone(), head.latest as usize)
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
            && let Some(layer) = open.layers.get_mut(&id)
        {
            layer.accumulate(t, delta, scale)?;
            return Ok(false);
        }
        let (rows, cols) = delta.shape();
        let options = StorageOptions {
            threads: self.options().threads,
            ..StorageOptions::default()
        };
        let mut layer = Layer::new(&name, rows, cols, options)?;
        layer.accumulate(t, delta, scale)?;
        if let Some(open) = open.as_mut().filter(|open| open.step == t) {
            open.layers.insert(id, layer);
            return Ok(false);
        }
        let closes = open.is_some();
        if let Some(earlier) = open.as_ref() {
            self.commit_in_turn(earlier.contents()?)?;
        }
        *open = Some(OpenStep {
            step: t,
            layers: BTreeMap::from([(id, layer)]),
        });
        Ok(closes)
    }

    /// Commits the open step, if there is one.
    pub(crate) fn commit_accumulated(&self) -> Result<Option<usize>> {
        self.wait_for_sealing()?;
        let recorded = {
            let _turn = self.write_turn()?;
            self.load_heads()?;
            let mut open = self.open_step();
            let Some(step) = open.as_ref() else {
                return Ok(None);
            };
            let recorded = self.commit_in_turn(step.contents()?)?;
            *open = None;
            recorded
        };
        let _ = self.retain_after_step();
        Ok(Some(recorded.step))
    }

    /// The step that contents are for, and the open one if it has to be committed before.
    pub(super) fn closed_by(
        &self,
        open: &Option<OpenStep>,
        contents: &StepContents,
    ) -> Result<(usize, Option<StepContents>)> {
        let heads = self.heads()?;
        let heads = heads.as_ref().ok_or(Error::Poisoned)?;
        let latest = heads.latest.map(|latest| latest as usize);
        let opened = open.as_ref().map(|open| open.step);
        let next = latest.max(opened).map_or(0, |latest| latest + 1);
        let step = contents.step.unwrap_or(next);
        let Some(open) = open else {
            return Ok((step, None));
        };
        if step > open.step {
            return Ok((step, Some(open.contents()?)));
        }
        // Of a layer that is open that step is the newest one.
        let is_open = |contribution: &Contribution| {
            let mut layers = open.layers.values();
            layers.any(|layer| layer.name() == contribution.name())
        };
        if contents.contributions.iter().any(is_open) {
            return Err(Error::StepOutOfOrder {
                step,
                latest: open.step,
            });
        }
        Ok((step, None))
    }
}

/// The short last row of a vector has no weights behind its end.
fn check_elements(row: &LayerRow, delta: &Delta) -> Result<()> {
    let shape = delta.shape();
    let outside = delta
        .iter()
        .find(|&((r, c), _)| r as usize * shape.1 as usize + c as usize >= row.elements());
    match outside {
        None => Ok(()),
        Some(((row, col), _)) => Err(Error::OutOfShape { row, col, shape }),
    }
}
