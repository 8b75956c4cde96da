//! How often the weights of a layer changed, as a map.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};
use temporal_vdb::{Progress, Region, TemporalLayer, TemporalQueries, TemporalStore};

use super::axis;
use super::picture::{Drawing, TEXT, text};
use crate::args::layer::WeightLayer;
use crate::screen::failure::wrong_usage;
use crate::screen::numbers::counted;
use crate::screen::terminal::shortened;
use crate::verbs::activity::no_weights;

/// The most cells of a map, down and across: each is a few pixels.
const CELLS: (usize, usize) = (120, 180);

/// Rows whose weights are read at a time: those of a row of tiles.
const BAND: i32 = 128;

/// Pixels of the column with the colours' meaning.
const BAR: u32 = 190;

pub(super) struct Heat {
    name: String,
    shape: String,
    is_matrix: bool,
    matrix: (usize, usize),
    steps: (usize, usize, usize),
    /// Cells down and across, and of each how often its weights changed, on the mean.
    cells: (usize, usize),
    means: Vec<f64>,
}

impl Heat {
    /// Of a layer, or of the only one, in a range of times.
    pub(super) async fn read(
        store: &TemporalStore,
        path: &Path,
        layer: Option<&str>,
        times: RangeInclusive<usize>,
        progress: &Progress,
    ) -> Result<Self> {
        let name = layer_name(store, layer).await?;
        let layer = WeightLayer::find(store, path, &name).await?;
        let (rows, cols) = layer.stored.shape();
        let matrix = (rows as usize, cols as usize);
        let cells = (matrix.0.min(CELLS.0), matrix.1.min(CELLS.1));
        let (mut sums, mut weights) =
            (vec![0u64; cells.0 * cells.1], vec![0u64; cells.0 * cells.1]);
        let all = layer.axes.weights();
        // Bands are read one after the other, of a run that may go on.
        let times = *times.start()..=layer.stored.latest().await?.min(*times.end());
        for begin in (0..rows).step_by(BAND as usize) {
            let region = Region::new(begin..rows.min(begin + BAND), 0..cols);
            let own = layer
                .stored
                .weight_evolutions(times.clone(), region, progress);
            for (at, own) in own.await?.iter().enumerate() {
                let at = begin as usize * matrix.1 + at;
                if at >= all {
                    break; // behind the end of a vector
                }
                let (row, col) = (at / matrix.1, at % matrix.1);
                let cell = row * cells.0 / matrix.0 * cells.1 + col * cells.1 / matrix.1;
                sums[cell] += own.changes;
                weights[cell] += 1;
            }
        }
        let steps = layer.stored.steps().await?;
        let steps: Vec<usize> = steps
            .into_iter()
            .filter(|step| times.contains(step))
            .collect();
        let ends = (steps.first(), steps.last());
        let mean = |(sum, weights): (&u64, &u64)| *sum as f64 / (*weights).max(1) as f64;
        Ok(Heat {
            name,
            shape: layer.axes.text(),
            is_matrix: layer.info.shape.len() == 2,
            matrix,
            steps: (
                steps.len(),
                ends.0.copied().unwrap_or(0),
                ends.1.copied().unwrap_or(0),
            ),
            cells,
            means: sums.iter().zip(&weights).map(mean).collect(),
        })
    }

    /// `'fc1', 256 x 64`
    pub(super) fn what(&self) -> String {
        format!("'{}', {}", self.name, self.shape)
    }

    fn highest(&self) -> f64 {
        let highest = self.means.iter().copied().fold(0.0, f64::max);
        if highest == 0.0 { 1.0 } else { highest }
    }

    /// Where a cell begins, in rows or columns.
    fn edge(cell: usize, cells: usize, length: usize) -> f64 {
        (cell * length).div_ceil(cells) as f64
    }

    fn draw_bar<B>(&self, area: &DrawingArea<B, Shift>) -> Result<()>
    where
        B: DrawingBackend,
        B::ErrorType: 'static,
    {
        let highest = self.highest();
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_bottom(66)
            .set_label_area_size(LabelAreaPosition::Right, 96)
            .build_cartesian_2d(0.0..1.0, 0.0..highest)?;
        chart.draw_series((0..256).map(|level| {
            let (low, high) = (f64::from(level) / 256.0, f64::from(level + 1) / 256.0);
            let style = colour(low, 1.0).filled();
            Rectangle::new([(0.0, low * highest), (1.0, high * highest)], style)
        }))?;
        let description = if self.cells == self.matrix {
            "changes of a weight"
        } else {
            "changes of a weight (mean of a cell)"
        };
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_x_axis()
            .y_desc(description)
            .y_labels(8)
            .y_label_formatter(&|changes| axis::number(*changes, highest))
            .label_style(text(TEXT))
            .axis_desc_style(text(TEXT))
            .draw()?;
        Ok(())
    }
}

/// The layer that was named, or the only one.
pub(super) async fn layer_name(store: &TemporalStore, layer: Option<&str>) -> Result<String> {
    if let Some(name) = layer {
        return Ok(name.to_owned());
    }
    let infos = store.layers().await?;
    let mut matrices = infos.iter().filter(|info| info.matrix.is_some());
    match (matrices.next(), matrices.count()) {
        (Some(only), 0) => Ok(only.name.clone()),
        (None, _) => Err(no_weights()),
        (_, others) => {
            let count = counted(others as u64 + 1, "layer");
            let error = anyhow!("--layer is missing: the store has {count}");
            Err(wrong_usage(
                error,
                "name one: `tvdb stats RUN.tvdb` lists them",
            ))
        }
    }
}

fn colour(value: f64, highest: f64) -> RGBColor {
    ViridisRGB.get_color_normalized(value as f32, 0.0, highest as f32)
}

impl Drawing for Heat {
    fn title(&self) -> String {
        let (count, first, last) = self.steps;
        let steps = match count {
            0 => "no step".to_owned(),
            1 => format!("step {first}"),
            _ => format!("{count} steps, {first} to {last}"),
        };
        let name = shortened(&self.name, 36);
        format!("How often the weights of {name} changed ({steps})")
    }

    fn draw<B>(&self, area: &DrawingArea<B, Shift>) -> Result<()>
    where
        B: DrawingBackend,
        B::ErrorType: 'static,
    {
        let (width, _) = area.dim_in_pixel();
        let (left, right) = area.split_horizontally(width - BAR);
        let (rows, cols) = (self.matrix.0 as f64, self.matrix.1 as f64);
        let of = if self.is_matrix {
            String::new()
        } else {
            format!(" of the matrix that {} is kept as", self.shape)
        };
        let mut chart = ChartBuilder::on(&left)
            .margin(10)
            .set_label_area_size(LabelAreaPosition::Left, 84)
            .set_label_area_size(LabelAreaPosition::Bottom, 56)
            // Row 0 is above, as matrices are written.
            .build_cartesian_2d(0.0..cols, rows..0.0)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc(format!("column{of}"))
            .y_desc("row")
            .x_labels(axis::ticks(&(0.0..cols)))
            .y_labels(axis::ticks(&(0.0..rows)))
            .x_label_formatter(&axis::step)
            .y_label_formatter(&axis::step)
            .label_style(text(TEXT))
            .axis_desc_style(text(TEXT))
            .draw()?;
        let highest = self.highest();
        let below = colour(0.0, highest).filled();
        chart.draw_series([Rectangle::new([(0.0, 0.0), (cols, rows)], below)])?;
        let cells = (0..self.cells.0).flat_map(|row| (0..self.cells.1).map(move |col| (row, col)));
        let changed = cells.filter(|(row, col)| self.means[row * self.cells.1 + col] > 0.0);
        chart.draw_series(changed.map(|(row, col)| {
            let mean = self.means[row * self.cells.1 + col];
            let corner = |row, col| {
                let x = Heat::edge(col, self.cells.1, self.matrix.1);
                (x, Heat::edge(row, self.cells.0, self.matrix.0))
            };
            let style = colour(mean, highest).filled();
            Rectangle::new([corner(row, col), corner(row + 1, col + 1)], style)
        }))?;
        self.draw_bar(&right)
    }
}
