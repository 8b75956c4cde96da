//! A picture in a file.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::files::replacement;
use crate::screen::failure::wrong_usage;

/// Pixels, wide and high.
const SIZE: (u32, u32) = (1280, 720);

const FONT: &str = "sans-serif";

/// Pixels of the title.
const TITLE: u32 = 26;

/// Pixels of all other text.
pub(super) const TEXT: u32 = 18;

/// What can be drawn, in pixels or in lines.
pub(super) trait Drawing {
    fn title(&self) -> String;

    fn draw<B>(&self, area: &DrawingArea<B, Shift>) -> Result<()>
    where
        B: DrawingBackend,
        B::ErrorType: 'static;
}

#[derive(Clone, Copy)]
enum Format {
    Png,
    Svg,
}

/// How a picture is written.
#[derive(Clone, Copy)]
pub(super) struct Picture(Format);

impl Picture {
    /// # Errors
    ///
    /// If the file's name does not say which kind of picture it is.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        match ending.map(str::to_lowercase).as_deref() {
            Some("png") => Ok(Picture(Format::Png)),
            Some("svg") => Ok(Picture(Format::Svg)),
            _ => {
                let error = anyhow!("{}: pictures are .png or .svg", path.display());
                Err(wrong_usage(error, "end the file's name in .png or .svg"))
            }
        }
    }

    /// The bytes of the file.
    pub(super) fn draw(self, drawing: &impl Drawing) -> Result<Vec<u8>> {
        // With a font of our own pictures are the same everywhere, in a container without fonts too.
        register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
            .map_err(|_| anyhow!("the font cannot be read"))?;
        match self.0 {
            Format::Svg => {
                let mut text = String::new();
                on_white(SVGBackend::with_string(&mut text, SIZE), drawing)?;
                Ok(text.into_bytes())
            }
            Format::Png => {
                let mut pixels = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
                on_white(BitMapBackend::with_buffer(&mut pixels, SIZE), drawing)?;
                png_of(&pixels)
            }
        }
    }
}

/// Writes the file whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = replacement::replace(path, |file| file.write_all(bytes));
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn on_white<B>(backend: B, drawing: &impl Drawing) -> Result<()>
where
    B: DrawingBackend,
    B::ErrorType: 'static,
{
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    let title = drawing.title();
    let inside = area.margin(14, 10, 16, 16).titled(&title, text(TITLE))?;
    drawing.draw(&inside)?;
    area.present()?;
    Ok(())
}

fn png_of(pixels: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// Text of a height in pixels.
pub(super) fn text(height: u32) -> TextStyle<'static> {
    (FONT, height).into_font().color(&BLACK)
}
