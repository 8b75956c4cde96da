//! What the error of a threshold does to a model: a network learns to read digits, every step of it
//! is recorded at several thresholds, and the states that are read back are tested. Shows for each
//! threshold what the file takes, how far the weights are from the trained ones, and how well the
//! network still reads: as a table, and as a picture.
//!
//!     cargo run --release --example threshold_error [-- --out FILE.svg] [--stores FOLDER]
//!
//! The training is that of `tvdb demo`; seeds are fixed, so every run gives the same numbers.

mod bars;
mod chart;
mod lines;
mod outcome;
mod run;
mod table;
mod variant;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use tvdb_bench::training::Digits;

use chart::Chart;
use outcome::Outcome;
use run::Run;
use variant::Variant;

/// Shows what recording with a threshold saves, and what it does to a network's test accuracy
#[derive(Parser)]
struct Options {
    /// The picture: .svg or .png [default: threshold_error.png in the folder for temporary files]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Keep the stores in this folder, which is made if it is missing
    #[arg(long, value_name = "FOLDER")]
    stores: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let default = || std::env::temp_dir().join("threshold_error.png");
    let chart = Chart::new(options.out.unwrap_or_else(default))?;
    let temporary = tempfile::tempdir().context("making a temporary folder")?;
    let stores = options.stores.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(stores).with_context(|| format!("making {}", stores.display()))?;

    let digits = Digits::load()?;
    let run = Run::train(&digits);
    print!("{}", table::heading(&run));
    let mut outcomes = Vec::new();
    for variant in Variant::all() {
        let outcome = Outcome::measure(variant, &run, &digits.test, stores).await?;
        println!("{}", table::row(&outcome, &run));
        outcomes.push(outcome);
    }
    println!("\n{}", table::LEGEND);

    chart.draw(&outcomes)?;
    println!("\npicture: {}", chart.path().display());
    if options.stores.is_some() {
        println!("stores:  {}", stores.display());
    }
    Ok(())
}
