//! A chart of values over steps.

use std::ops::Range;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::picture::{TEXT, text};
use super::{axis, legend};

/// Steps across, values up.
pub(super) type OverSteps<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The axes, and beside them a legend of lines.
pub(super) fn draw<'a, 'n, B>(
    area: &DrawingArea<B, Shift>,
    (first, last): (usize, usize),
    values: Range<f64>,
    description: &str,
    lines: impl Iterator<Item = (&'n str, ShapeStyle)> + Clone,
) -> Result<OverSteps<'a, B>>
where
    B: DrawingBackend + 'a,
    B::ErrorType: 'static,
{
    let (width, _) = area.dim_in_pixel();
    let names = lines.clone().map(|(name, _)| name);
    let (left, right) = area.split_horizontally(width - legend::width(names));
    legend::draw(&right, lines)?;
    let (steps, span) = (axis::of_steps(first, last), values.end - values.start);
    let ticks = axis::ticks(&steps);
    let mut chart = ChartBuilder::on(&left)
        .margin(10)
        .set_label_area_size(LabelAreaPosition::Left, 124)
        .set_label_area_size(LabelAreaPosition::Bottom, 56)
        .build_cartesian_2d(steps, values)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("step")
        .y_desc(description)
        .x_labels(ticks)
        .y_labels(8)
        .x_label_formatter(&axis::step)
        .y_label_formatter(&|value| axis::number(*value, span))
        .label_style(text(TEXT))
        .axis_desc_style(text(TEXT))
        .draw()?;
    Ok(chart)
}
