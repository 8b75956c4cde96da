//! Accuracy along the run: a line for each way of recording.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use tvdb_bench::training::STEPS;

use crate::chart::{colours, text};
use crate::outcome::{Outcome, Point};

/// The first step that is shown: before it the network has hardly learned anything, and its low
/// accuracy would squeeze all the rest.
const FROM: usize = 20;

/// Room for the legend, beside the lines, which it would hide somewhere. All in pixels.
const LEGEND: u32 = 190;
const LEGEND_TOP: i32 = 60;
const LEGEND_LINE: i32 = 24;
/// Length of a line in it.
const SAMPLE: i32 = 28;

/// Pixels of a dash, and between two.
const DASH: u32 = 7;
const GAP: u32 = 5;

/// Draws the lines, and what their colours mean.
pub fn draw<B>(area: &DrawingArea<B, Shift>, outcomes: &[Outcome]) -> Result<()>
where
    B: DrawingBackend,
    B::ErrorType: 'static,
{
    let (width, _) = area.dim_in_pixel();
    let (plot, legend) = area.split_horizontally(width - LEGEND);
    let lowest = outcomes.iter().flat_map(shown).map(|(_, y)| y);
    let lowest = lowest.fold(f64::INFINITY, f64::min).floor();
    let mut chart = ChartBuilder::on(&plot)
        .caption(
            "Accuracy along the run, on test images, as read back from each store",
            text(26),
        )
        .margin(16)
        .margin_right(24) // half of the last label
        .x_label_area_size(50)
        .y_label_area_size(70)
        .build_cartesian_2d(FROM as f64..STEPS as f64, lowest..100.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(text(18))
        .axis_desc_style(text(20))
        .x_desc("training step")
        .x_labels(15)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_desc("test accuracy (%)")
        .y_labels(8)
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for (i, (outcome, colour)) in colours(outcomes).enumerate() {
        let threshold = outcome.variant.share();
        // The lossless line lies under the others, and is seen where they leave it.
        let lossless = threshold == 0.0;
        let style = colour.stroke_width(if lossless { 7 } else { 2 });
        let y = LEGEND_TOP + LEGEND_LINE * i as i32;
        let sample = [(0, y), (SAMPLE, y)];
        // Ways of recording with the same threshold have the same colour.
        let same = |other: &Outcome| other.variant.share() == threshold;
        if outcomes[..i].iter().any(same) {
            chart.draw_series(DashedLineSeries::new(shown(outcome), DASH, GAP, style))?;
            legend.draw(&DashedPathElement::new(sample, DASH, GAP, style))?;
        } else {
            chart.draw_series(LineSeries::new(shown(outcome), style))?;
            legend.draw(&PathElement::new(sample, style))?;
        }
        let beside = text(18).pos(Pos::new(HPos::Left, VPos::Center));
        legend.draw(&Text::new(&*outcome.variant.label, (SAMPLE + 8, y), beside))?;
    }
    Ok(())
}

/// Steps and accuracies in percent.
fn shown(outcome: &Outcome) -> impl Iterator<Item = (f64, f64)> + Clone {
    let points = outcome.points.iter().filter(|point| point.step >= FROM);
    points.map(|point: &Point| (point.step as f64, 100.0 * point.accuracy))
}
