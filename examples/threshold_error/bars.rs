//! Bars that lie below each other, each with its name on the left and its figures on the right.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::chart::text;

/// Room for the figures, as a multiple of the longest bar.
const ROOM: f64 = 1.9;

/// Space between a bar and its text, in pixels.
const GAP: i32 = 8;

/// A bar.
pub struct Bar<'a> {
    pub label: &'a str,
    pub colour: RGBColor,
    pub length: f64,
    /// Up to here it goes on paler; at least its length.
    pub reach: f64,
    pub text: String,
}

/// Draws the bars from top to bottom.
pub fn draw<B>(
    area: &DrawingArea<B, Shift>,
    title: &str,
    axis: &str,
    bars: &[Bar<'_>],
) -> Result<()>
where
    B: DrawingBackend,
    B::ErrorType: 'static,
{
    let longest = bars.iter().map(|bar| bar.reach).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(22))
        .margin(16)
        .x_label_area_size(50)
        .y_label_area_size(140)
        .build_cartesian_2d(0.0..ROOM * longest, bars.len() as f64..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(text(18))
        .axis_desc_style(text(20))
        .x_desc(axis)
        .x_labels(8)
        .x_label_formatter(&|x| x.to_string())
        .draw()?;
    let beside = |side| text(18).pos(Pos::new(side, VPos::Center));
    for (i, bar) in bars.iter().enumerate() {
        let (top, middle, bottom) = (i as f64 + 0.15, i as f64 + 0.5, i as f64 + 0.85);
        let strip = |to: f64, style: ShapeStyle| Rectangle::new([(0.0, top), (to, bottom)], style);
        let label = Text::new(bar.label.to_owned(), (-GAP, 0), beside(HPos::Right));
        let figures = Text::new(bar.text.clone(), (GAP, 0), beside(HPos::Left));
        let area = chart.plotting_area();
        // White beneath the pale part hides the grid.
        area.draw(&strip(bar.reach, WHITE.filled()))?;
        area.draw(&strip(bar.reach, bar.colour.mix(0.35).filled()))?;
        area.draw(&strip(bar.length, bar.colour.filled()))?;
        area.draw(&(EmptyElement::at((0.0, middle)) + label))?;
        area.draw(&(EmptyElement::at((bar.reach, middle)) + figures))?;
    }
    Ok(())
}
