//! What the lines of a picture are, beside it.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::picture::{TEXT, text};
use crate::screen::terminal::shortened;

/// Letters of a name that fit beside its line.
const LETTERS: usize = 30;

/// Pixels from one name to the next.
const PITCH: i32 = 28;

/// Okabe and Ito's colours, which the colour-blind can tell apart, without the yellow, which is
/// faint on white.
pub(super) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// Pixels that a legend of some names needs beside the picture.
pub(super) fn width<'n>(names: impl Iterator<Item = &'n str>) -> u32 {
    let letters = names.map(|name| name.chars().count()).max().unwrap_or(0);
    56 + 10 * letters.clamp(6, LETTERS) as u32
}

/// Names with their lines, one below the other.
pub(super) fn draw<'n, B>(
    area: &DrawingArea<B, Shift>,
    lines: impl Iterator<Item = (&'n str, ShapeStyle)>,
) -> Result<()>
where
    B: DrawingBackend,
    B::ErrorType: 'static,
{
    let beside = Pos::new(HPos::Left, VPos::Center);
    for (place, (name, style)) in lines.enumerate() {
        let y = 24 + place as i32 * PITCH;
        area.draw(&PathElement::new([(8, y), (38, y)], style.stroke_width(3)))?;
        let name = shortened(name, LETTERS);
        area.draw(&Text::new(name, (48, y), text(TEXT).pos(beside)))?;
    }
    Ok(())
}
