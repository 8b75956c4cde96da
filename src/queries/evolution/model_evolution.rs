use super::Evolution;
use super::hottest::Hottest;
use crate::queries::evolution::LayerEvolution;
use crate::values::{By, Unit};

/// How the layers of a model moved in a range of steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelEvolution {
    /// All of them.
    pub model: Evolution,
    /// Each retained step of the range that is one of any of the layers, ascending, and what it
    /// changed: how active the model was over time.
    pub steps: Vec<(usize, Evolution)>,
    /// Names of layers, and how each moved.
    pub layers: Vec<(String, LayerEvolution)>,
}

impl ModelEvolution {
    /// The next layer.
    pub(crate) fn add(&mut self, name: String, layer: LayerEvolution) {
        self.model.add(&layer.layer);
        for (step, own) in &layer.steps {
            match self.steps.binary_search_by_key(step, |(step, _)| *step) {
                Ok(at) => self.steps[at].1.add(own),
                Err(at) => self.steps.insert(at, (*step, *own)),
            }
        }
        self.layers.push((name, layer));
    }

    /// The most active layers, ordered as in [`LayerEvolution::hot`].
    pub fn hot_layers(&self, top: usize) -> Vec<(&str, Evolution)> {
        let mut hot = Hottest::new(top);
        for (name, layer) in &self.layers {
            hot.offer(name.as_str(), layer.layer);
        }
        hot.finish()
    }

    /// The most active rows, columns or weights of all layers, likewise. Of weights no more than were
    /// asked for in each layer.
    pub fn hot(&self, by: By, top: usize) -> Vec<(&str, Unit, Evolution)> {
        let mut hot = Hottest::new(top);
        for (name, layer) in &self.layers {
            for (unit, own) in layer.hot(by, top) {
                hot.offer((name.as_str(), unit), own);
            }
        }
        let hot = hot.finish().into_iter();
        hot.map(|((name, unit), own)| (name, unit, own)).collect()
    }
}
