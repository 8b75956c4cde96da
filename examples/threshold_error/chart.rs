//! The picture.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::bars::{self, Bar};
use crate::lines;
use crate::outcome::Outcome;

/// Pixels, wide and high.
const SIZE: (u32, u32) = (1200, 860);

const FONT: &str = "sans-serif";

/// Okabe and Ito's colours, which the colour-blind can tell apart, without the yellow, which is
/// faint on white.
const COLOURS: [RGBColor; 6] = [
    RGBColor(86, 180, 233),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(230, 159, 0),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
];

const LOSSLESS: RGBColor = RGBColor(150, 150, 150);

enum Format {
    Svg,
    Png,
}

/// A picture in a file.
pub struct Chart {
    path: PathBuf,
    format: Format,
}

impl Chart {
    /// Checks what can be checked before there is something to draw.
    ///
    /// # Errors
    ///
    /// If the file's name does not end in `.svg` or `.png`, or its folder is missing.
    pub fn new(path: PathBuf) -> Result<Self> {
        let format = match path.extension().and_then(|end| end.to_str()) {
            Some("svg") => Format::Svg,
            Some("png") => Format::Png,
            _ => bail!("{}: pictures are .svg or .png", path.display()),
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        ensure!(
            folder.as_os_str().is_empty() || folder.is_dir(),
            "{} is no folder",
            folder.display()
        );
        // With a font of our own pictures are the same everywhere, in a container without fonts too.
        register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
            .map_err(|_| anyhow!("the font cannot be read"))?;
        Ok(Chart { path, format })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Draws the picture and writes it, over an older one.
    pub fn draw(&self, outcomes: &[Outcome]) -> Result<()> {
        match self.format {
            Format::Svg => draw(SVGBackend::new(&self.path, SIZE), outcomes),
            Format::Png => draw(BitMapBackend::new(&self.path, SIZE), outcomes),
        }
        .with_context(|| format!("writing {}", self.path.display()))
    }
}

fn draw<B>(backend: B, outcomes: &[Outcome]) -> Result<()>
where
    B: DrawingBackend,
    B::ErrorType: 'static,
{
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    let (above, below) = area.split_vertically(480);
    lines::draw(&above, outcomes)?;
    let (left, right) = below.split_horizontally(SIZE.0 / 2);
    draw_sizes(&left, outcomes)?;
    draw_differences(&right, outcomes)?;
    area.present()?;
    Ok(())
}

fn draw_sizes<B>(area: &DrawingArea<B, Shift>, outcomes: &[Outcome]) -> Result<()>
where
    B: DrawingBackend,
    B::ErrorType: 'static,
{
    let lossless = outcomes.first().context("nothing was recorded")?.file_bytes as f64;
    let bars: Vec<Bar> = colours(outcomes)
        .map(|(outcome, colour)| {
            let bytes = outcome.file_bytes as f64;
            Bar {
                label: &outcome.variant.label,
                colour,
                length: bytes / 1e6,
                reach: bytes / 1e6,
                text: format!("{:.1} MB, {:.1} %", bytes / 1e6, 100.0 * bytes / lossless),
            }
        })
        .collect();
    let title = "Size of the file, and share of the lossless one";
    bars::draw(area, title, "file (MB)", &bars)
}

fn draw_differences<B>(area: &DrawingArea<B, Shift>, outcomes: &[Outcome]) -> Result<()>
where
    B: DrawingBackend,
    B::ErrorType: 'static,
{
    let bars: Vec<Bar> = colours(outcomes)
        .skip(1) // lossless, which the others are measured against
        .map(|(outcome, colour)| {
            let mean = 100.0 * outcome.mean_difference();
            let most = 100.0 * outcome.largest_difference();
            Bar {
                label: &outcome.variant.label,
                colour,
                length: mean,
                reach: most,
                text: format!("mean {mean:.2}, largest {most:.2}"),
            }
        })
        .collect();
    let title = "Distance from the lossless accuracy";
    bars::draw(area, title, "distance (percentage points)", &bars)
}

/// Each outcome with its colour: that of its threshold.
pub fn colours(outcomes: &[Outcome]) -> impl Iterator<Item = (&Outcome, RGBColor)> {
    let mut thresholds = Vec::new();
    outcomes.iter().map(move |outcome| {
        let threshold = outcome.variant.share();
        if threshold == 0.0 {
            return (outcome, LOSSLESS);
        }
        let known = thresholds.iter().position(|&other| other == threshold);
        let place = known.unwrap_or_else(|| {
            thresholds.push(threshold);
            thresholds.len() - 1
        });
        (outcome, COLOURS[place % COLOURS.len()])
    })
}

/// Text of a height in pixels.
pub fn text(height: u32) -> TextStyle<'static> {
    (FONT, height).into_font().color(&BLACK)
}
