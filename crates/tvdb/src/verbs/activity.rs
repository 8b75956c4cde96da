//! How active a model was.

use std::path::Path;

use anyhow::{Error, Result, anyhow};
use globset::Glob;
use temporal_vdb::{Evolution, ModelEvolution, TemporalStore, Unit};

use crate::args::at::no_step_yet;
use crate::args::axes::Axes;
use crate::args::selection::Selection;
use crate::args::times::Times;
use crate::args::unit::PartName;
use crate::screen::failure::with_hint;
use crate::screen::progress::Progress;

/// How some layers moved in a range of steps.
pub(crate) struct Activity {
    pub(crate) evolution: ModelEvolution,
    /// Those of each layer of the evolution.
    pub(crate) axes: Vec<Axes>,
}

/// One of those that moved most.
pub(super) struct Hot<'a> {
    pub(super) layer: &'a str,
    /// `None` for all of the layer.
    pub(super) unit: Option<(&'a Axes, Unit)>,
    /// How many weights it has.
    pub(super) weights: u64,
    pub(super) own: Evolution,
}

/// None of the layers that are meant is a matrix over time.
pub(crate) fn no_weights() -> Error {
    let error = anyhow!("the layers are tensors that are kept whole: no weights over time");
    with_hint(error, "`tvdb stats` lists all layers")
}

impl Activity {
    /// Of the layers that are matrices over time and are meant; with the `top` most active weights
    /// of each.
    pub(crate) async fn find(
        store: &TemporalStore,
        path: &Path,
        globs: &[Glob],
        times: &Times,
        top: usize,
    ) -> Result<Self> {
        let layers = store.layers().await?;
        if layers.is_empty() {
            return Err(no_step_yet(path));
        }
        let selection = Selection::new(globs);
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        selection.check(&names, "layer")?;
        let meant = layers.iter().filter(|layer| selection.takes(&layer.name));
        let (names, axes): (Vec<String>, Vec<Axes>) = meant
            .filter_map(|layer| Some((layer.name.clone(), Axes::of(layer)?)))
            .unzip();
        if names.is_empty() {
            return Err(no_weights());
        }
        let times = times.find(store, path).await?;
        let bar = Progress::new(0);
        bar.doing("following the weights");
        let progress = bar.of_library();
        let evolution = store.evolution(Some(&names), times, top, &progress).await?;
        Ok(Activity { evolution, axes })
    }

    /// How many weights there are.
    pub(super) fn weights(&self) -> u64 {
        self.axes.iter().map(|axes| axes.weights() as u64).sum()
    }

    /// Steps that count, ascending.
    pub(super) fn steps(&self) -> Vec<usize> {
        self.evolution.steps.iter().map(|(step, _)| *step).collect()
    }

    /// How many changes there were at each of them.
    pub(super) fn amounts(&self) -> Vec<f64> {
        let steps = self.evolution.steps.iter();
        steps.map(|(_, own)| own.changes as f64).collect()
    }

    /// The most active first.
    pub(super) fn hot(&self, by: PartName, top: usize) -> Vec<Hot<'_>> {
        let axes = |name: &str| {
            let layers = self.evolution.layers.iter();
            let mut layers = layers.zip(&self.axes);
            layers.find_map(|((other, _), axes)| (other == name).then_some(axes))
        };
        let hot = match by.unit() {
            None => {
                let layers = self.evolution.hot_layers(top).into_iter();
                let of = |(layer, own)| (layer, None, own);
                layers.map(of).collect::<Vec<_>>()
            }
            Some(by) => {
                let units = self.evolution.hot(by, top).into_iter();
                units
                    .map(|(layer, unit, own)| (layer, Some(unit), own))
                    .collect()
            }
        };
        let found = hot.into_iter().filter_map(|(layer, unit, own)| {
            let axes = axes(layer)?;
            Some(Hot {
                layer,
                unit: unit.map(|unit| (axes, unit)),
                weights: axes.weights_of(unit),
                own,
            })
        });
        found.collect()
    }
}
