//! How active layers are over time.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use anyhow::{Result, anyhow};
use globset::Glob;
use plotters::coord::Shift;
use plotters::prelude::*;
use temporal_vdb::{LayerEvolution, Progress, TemporalStore};

use super::picture::Drawing;
use super::{axis, legend, over_steps};
use crate::args::axes::Axes;
use crate::args::selection::Selection;
use crate::screen::failure::with_hint;
use crate::screen::numbers::counted;
use crate::verbs::activity::no_weights;

/// The most active layers have a line and a colour of their own; all others share this one.
const OTHERS: RGBColor = RGBColor(150, 150, 150);

/// A layer, or several: by step how many weights changed, and out of how many.
struct Line {
    name: String,
    style: ShapeStyle,
    steps: BTreeMap<usize, (u64, u64)>,
}

pub(super) struct ActivityLines {
    layers: usize,
    lines: Vec<Line>,
}

impl ActivityLines {
    /// Of the layers whose names match, in a range of times.
    pub(super) async fn read(
        store: &TemporalStore,
        globs: &[Glob],
        times: RangeInclusive<usize>,
        progress: &Progress,
    ) -> Result<Self> {
        let selection = Selection::new(globs);
        let infos = store.layers().await?;
        let weights = infos.iter().filter_map(|info| {
            let axes = Axes::of(info)?;
            Some((info.name.as_str(), axes.weights() as u64))
        });
        let weights: BTreeMap<&str, u64> = weights.collect();
        let names: Vec<&str> = infos.iter().map(|info| info.name.as_str()).collect();
        selection.check(&names, "layer")?;
        let taken = weights.keys().filter(|name| selection.takes(name));
        let taken: Vec<String> = taken.map(|name| (*name).to_owned()).collect();
        if taken.is_empty() {
            return Err(no_weights());
        }
        let mut model = store.evolution(Some(&taken), times, 0, progress).await?;
        if model.steps.is_empty() {
            let error = anyhow!("there is no step of changes to draw");
            let hint =
                "the oldest step is the base: others are needed, in the range that was asked for";
            return Err(with_hint(error, hint));
        }
        model
            .layers
            .sort_by(|a, b| a.1.layer.more_active(&b.1.layer));
        let line = |name: &str, style: ShapeStyle, layers: &[(String, LayerEvolution)]| {
            let mut steps = BTreeMap::<usize, (u64, u64)>::new();
            for (name, layer) in layers {
                for (step, own) in &layer.steps {
                    let (changed, all) = steps.entry(*step).or_default();
                    *changed += own.changed;
                    *all += weights[name.as_str()];
                }
            }
            let name = name.to_owned();
            Line { name, style, steps }
        };
        let layers = &model.layers;
        let (own, others) = layers.split_at(layers.len().min(legend::COLOURS.len()));
        let own = own.chunks(1).zip(legend::COLOURS);
        let mut lines: Vec<Line> = own
            .map(|(layer, colour)| line(&layer[0].0, colour.stroke_width(2), layer))
            .collect();
        if !others.is_empty() {
            let name = counted(others.len() as u64, "other");
            lines.push(line(&name, OTHERS.stroke_width(2), others));
        }
        if layers.len() > 1 {
            lines.push(line("all together", BLACK.stroke_width(3), layers));
        }
        Ok(ActivityLines {
            layers: layers.len(),
            lines,
        })
    }

    pub(super) fn layers(&self) -> usize {
        self.layers
    }
}

impl Line {
    /// Steps and shares in percent.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let share = |(changed, all): &(u64, u64)| 100.0 * *changed as f64 / (*all).max(1) as f64;
        self.steps
            .iter()
            .map(move |(step, own)| (*step as f64, share(own)))
    }
}

impl Drawing for ActivityLines {
    fn title(&self) -> String {
        "Weights that each step changed".to_owned()
    }

    fn draw<B>(&self, area: &DrawingArea<B, Shift>) -> Result<()>
    where
        B: DrawingBackend,
        B::ErrorType: 'static,
    {
        let steps = || {
            self.lines
                .iter()
                .flat_map(|line| line.steps.keys().copied())
        };
        let ends = (steps().min().unwrap_or(0), steps().max().unwrap_or(0));
        let points = self.lines.iter().flat_map(Line::points);
        let highest = points.map(|(_, share)| share).fold(0.0, f64::max);
        let highest = if highest == 0.0 { 1.0 } else { highest * 1.05 };
        let names = self.lines.iter();
        let names = names.map(|line| (line.name.as_str(), line.style));
        let description = "changed weights (% of the layer)";
        let mut chart = over_steps::draw(area, ends, 0.0..highest, description, names)?;
        for line in &self.lines {
            chart.draw_series(LineSeries::new(line.points(), line.style))?;
            if line.steps.len() <= axis::FEW {
                let dot = |at| Circle::new(at, 3, line.style.filled());
                chart.draw_series(line.points().map(dot))?;
            }
        }
        Ok(())
    }
}
