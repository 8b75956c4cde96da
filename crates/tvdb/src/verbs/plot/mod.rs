//! `tvdb plot`: pictures of what moves.

mod activity;
mod axis;
mod heat;
mod legend;
mod over_steps;
mod picture;
mod weights;

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use globset::Glob;
use serde_json::json;
use temporal_vdb::{StoreOptions, TemporalStore};

use crate::args::times::Times;
use crate::background;
use crate::files::target::refuse_store;
use crate::screen::failure::wrong_usage;
use crate::screen::numbers::counted;
use crate::screen::output;
use crate::screen::progress::Progress;
use picture::Picture;

/// Draw what moves, as a PNG or SVG picture
///
/// activity: the share of its weights that each step changed,
/// for each layer.
/// heat: how often the weights of a layer changed, by row and
/// column; several weights to a cell where there are many.
/// weights: chosen weights over time.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// What to draw
    #[arg(long, value_enum)]
    kind: Kind,

    /// The picture to write, .png or .svg; an older one is
    /// replaced
    #[arg(short, long = "out", value_name = "FILE")]
    out: PathBuf,

    /// activity: only the layers with matching names
    #[arg(long, value_name = "GLOB")]
    layers: Vec<Glob>,

    /// heat, weights: the layer
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,

    /// weights: a weight's indices, one for each axis of its
    /// layer: 3,17 (and "" for a scalar); several times for
    /// several weights
    #[arg(long, value_name = "I,J", allow_negative_numbers = true)]
    weight: Vec<Indices>,

    #[command(flatten)]
    times: Times,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Activity,
    Heat,
    Weights,
}

/// A weight's indices.
#[derive(Clone, Debug)]
struct Indices(Vec<i64>);

impl FromStr for Indices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Indices(Vec::new())); // that of a scalar
        }
        let numbers = text.split(',').map(|number| number.trim().parse());
        let numbers = numbers.collect::<Result<_, _>>().map(Indices);
        numbers.map_err(|_| "give whole numbers with commas between them: 3,17".to_owned())
    }
}

/// Draws a picture.
///
/// # Errors
///
/// If an option is missing, or one of another kind is given; if the store has no such layer, weight or
/// step; or if the picture cannot be written.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    options.check()?;
    let picture = Picture::new(&options.out)?;
    refuse_store(
        &options.store,
        &options.out,
        "name the picture: -o plot.png",
    )?;
    let store = TemporalStore::open_read_only(&options.store, StoreOptions::default()).await?;
    let times = options.times.find(&store, &options.store).await?;
    let progress = Progress::new(0);
    progress.doing("reading");
    let library = progress.of_library();
    let (bytes, what) = match options.kind {
        Kind::Activity => {
            let drawing =
                activity::ActivityLines::read(&store, &options.layers, times, &library).await?;
            let what = counted(drawing.layers() as u64, "layer");
            (background::run(move || picture.draw(&drawing)).await?, what)
        }
        Kind::Heat => {
            let layer = options.layer.as_deref();
            let drawing = heat::Heat::read(&store, &options.store, layer, times, &library).await?;
            let what = drawing.what();
            (background::run(move || picture.draw(&drawing)).await?, what)
        }
        Kind::Weights => {
            let layer = options.layer.as_deref();
            let wanted: Vec<_> = options.weight.iter().map(|own| &own.0[..]).collect();
            let drawing =
                weights::Weights::read(&store, &options.store, layer, &wanted, times).await?;
            let what = counted(wanted.len() as u64, "weight");
            (background::run(move || picture.draw(&drawing)).await?, what)
        }
    };
    drop(progress);
    let out = options.out.clone();
    let size = bytes.len();
    background::run(move || picture::write(&out, &bytes)).await?;
    let file = options.out.display();
    if json {
        let kind = format!("{:?}", options.kind).to_lowercase();
        let value = json!({ "kind": kind, "file": file.to_string(), "bytes": size });
        return output::print(&format!("{value:#}\n"));
    }
    output::print(&format!("{what} -> {file}\n"))
}

impl Options {
    /// Options belong to kinds, which clap cannot say.
    fn check(&self) -> Result<()> {
        let refuse = |option: &str, kind: &str| {
            let error = anyhow!("{option} goes with --kind {kind}");
            Err(wrong_usage(
                error,
                "`tvdb plot --help` says what each kind takes",
            ))
        };
        match self.kind {
            Kind::Activity if self.layer.is_some() => refuse("--layer", "heat and --kind weights"),
            Kind::Heat | Kind::Weights if !self.layers.is_empty() => refuse("--layers", "activity"),
            Kind::Activity | Kind::Heat if !self.weight.is_empty() => refuse("--weight", "weights"),
            Kind::Weights if self.weight.is_empty() => {
                let error = anyhow!("--kind weights needs --weight");
                Err(wrong_usage(
                    error,
                    "name a weight by its indices: --weight 3,17",
                ))
            }
            _ => Ok(()),
        }
    }
}
