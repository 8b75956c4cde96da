//! Chosen weights over time.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use temporal_vdb::{TemporalLayer, TemporalQueries, TemporalStore};

use super::picture::Drawing;
use super::{axis, heat, legend, over_steps};
use crate::args::layer::WeightLayer;
use crate::screen::failure::with_hint;
use crate::screen::terminal::shortened;

/// A weight holds its value from one change to the next.
struct Line {
    name: String,
    /// Steps and values after them, ascending; the first is the value that it has at the beginning.
    values: Vec<(usize, f32)>,
}

pub(super) struct Weights {
    layer: String,
    steps: (usize, usize),
    lines: Vec<Line>,
}

impl Weights {
    /// Of a layer, or of the only one, in a range of times; weights by their indices.
    pub(super) async fn read(
        store: &TemporalStore,
        path: &Path,
        layer: Option<&str>,
        wanted: &[&[i64]],
        times: RangeInclusive<usize>,
    ) -> Result<Self> {
        let name = heat::layer_name(store, layer).await?;
        let layer = WeightLayer::find(store, path, &name).await?;
        let places = wanted.iter().map(|indices| layer.axes.find(indices));
        let places: Vec<(i32, i32)> = places.collect::<Result<_>>()?;
        let histories = layer.stored.weight_histories(&places).await?;
        // The first entry of all is the base, as of when they were read: a run may be pruned meanwhile.
        let oldest = histories.first().map_or(0, |history| history[0].0);
        let first = oldest.max(*times.start());
        let last = layer.stored.latest().await?.min(*times.end());
        if last < first {
            let error = anyhow!(
                "'{name}' has no step from {} to {}",
                times.start(),
                times.end()
            );
            return Err(with_hint(error, "`tvdb stats` shows how far its steps go"));
        }
        let lines = histories
            .into_iter()
            .zip(&places)
            .map(|(history, &(row, col))| {
                let begin = history.partition_point(|(step, _)| *step <= first) - 1;
                let end = history.partition_point(|(step, _)| *step <= last);
                let mut values = history[begin..end].to_vec();
                values[0].0 = first;
                let indices = layer.axes.indices(row, col);
                let indices: Vec<_> = indices.iter().map(ToString::to_string).collect();
                Line {
                    name: format!("({})", indices.join(", ")),
                    values,
                }
            });
        Ok(Weights {
            layer: name,
            steps: (first, last),
            lines: lines.collect(),
        })
    }

    /// From the lowest finite value to the highest, and a little further.
    fn values(&self) -> std::ops::Range<f64> {
        let values = self.lines.iter().flat_map(|line| &line.values);
        let finite = values
            .map(|(_, value)| f64::from(*value))
            .filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return -1.0..1.0;
        }
        let room = match (high - low) * 0.05 {
            0.0 if low == 0.0 => 1.0,
            0.0 => low.abs() * 0.1,
            room => room,
        };
        low - room..high + room
    }
}

impl Line {
    /// The corners of its steps, cut where it is not finite.
    fn runs(&self, last: usize) -> Vec<Vec<(f64, f64)>> {
        let mut runs = vec![Vec::new()];
        for (place, &(step, value)) in self.values.iter().enumerate() {
            let until = self.values.get(place + 1).map_or(last, |(next, _)| *next);
            match runs.last_mut() {
                Some(run) if value.is_finite() => {
                    let value = f64::from(value);
                    run.extend([(step as f64, value), (until as f64, value)]);
                }
                _ => runs.push(Vec::new()),
            }
        }
        runs.retain(|run| !run.is_empty());
        runs
    }
}

impl Drawing for Weights {
    fn title(&self) -> String {
        let count = self.lines.len();
        let which = if count == 1 { "A weight" } else { "Weights" };
        format!("{which} of {} over time", shortened(&self.layer, 48))
    }

    fn draw<B>(&self, area: &DrawingArea<B, Shift>) -> Result<()>
    where
        B: DrawingBackend,
        B::ErrorType: 'static,
    {
        let style = |place: usize| {
            let colour = legend::COLOURS[place % legend::COLOURS.len()];
            colour.stroke_width(2)
        };
        let names = self.lines.iter().enumerate();
        let names = names.map(|(place, line)| (line.name.as_str(), style(place)));
        let mut chart = over_steps::draw(area, self.steps, self.values(), "weight", names)?;
        let few = self.lines.iter().all(|line| line.values.len() <= axis::FEW);
        for (place, line) in self.lines.iter().enumerate() {
            for run in line.runs(self.steps.1) {
                chart.draw_series(LineSeries::new(run, style(place)))?;
            }
            if few {
                let finite = line.values.iter().filter(|(_, value)| value.is_finite());
                let at = finite.map(|(step, value)| (*step as f64, f64::from(*value)));
                chart.draw_series(at.map(|at| Circle::new(at, 3, style(place).filled())))?;
            }
        }
        Ok(())
    }
}
