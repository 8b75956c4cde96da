//! `tvdb demo`: a network is trained, every step of it recorded, and the record looked at.

mod comparison;
mod deviation;
mod digits;
mod folder;
mod json;
mod layout;
mod mlp;
mod read_back;
mod recorded_training;
mod recording;
mod report;
mod sizes;
mod tables;
mod text;
mod training;
mod weight;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::output;
use crate::progress::Progress;
use digits::Digits;
use folder::Folder;
use read_back::ReadBack;
use recorded_training::{KEPT, RecordedTraining};
use report::{Report, Run};
use training::STEPS;
use weight::MostChanged;

/// Train a network, record each step, read steps back
///
/// A network learns to read handwritten digits (they come
/// with the program). Each of its 300 training steps is
/// recorded twice: without loss, and leaving out changes too
/// small to matter. Then steps are read back and compared
/// with copies kept aside, sizes are compared with plain
/// checkpoints and with hash maps, and each weight matrix is
/// written as a volume that OpenVDB tools and Houdini open.
/// Takes a few seconds.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Folder for the volumes
    ///
    /// It is made if it is missing. Volumes of an earlier
    /// demo in it are replaced.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "tvdb-demo",
        verbatim_doc_comment
    )]
    out: PathBuf,
}

/// Each run's name and threshold, the latter as a share of each matrix's standard deviation.
///
/// 1 % was found by trying 0.1 % to 20 % on this very training: a twelfth of the changes remain, and
/// the accuracy of the recorded network is about two of the 360 test images from the trained one's,
/// on average over all steps. At 5 % it is less than a hundredth of the changes, and five images.
const RUNS: [(&str, f64); 2] = [("lossless", 0.0), ("threshold", 0.01)];

/// Runs the demo and prints what it measured.
///
/// # Errors
///
/// If `--out` cannot be written to, which is found out first; if a state that is read back is not
/// what it should be, which is reported nevertheless.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let start = Instant::now();
    let folder = Folder::prepare(&options.out, RUNS.map(|(name, _)| name))?;
    let digits = Digits::load()?;

    let mut training = RecordedTraining::begin(&digits).await?;
    let matrices = training.matrices();
    let work = STEPS + RUNS.len() * (KEPT + matrices.len());
    let progress = Progress::new(work as u64);
    progress.doing("training, recording");
    training.finish(&progress).await?;

    let mut runs = Vec::new();
    for recording in &training.recordings {
        progress.doing("reading steps back");
        let read_back = ReadBack::measure(recording, &training.kept, &digits, &progress).await?;
        progress.doing("writing volumes");
        let files = folder.export(recording, &progress).await?;
        runs.push(Run::measure(recording, read_back, files).await?);
    }
    let weight = MostChanged::find(&training.recordings).await?;
    drop(progress);

    let report = Report {
        matrices,
        test_images: digits.test.labels.len(),
        runs,
        weight,
        folder: folder.path().to_owned(),
        seconds: start.elapsed().as_secs_f64(),
    };
    output::print(&if json {
        json::render(&report)
    } else {
        text::render(&report)
    })?;
    match report.fault() {
        Some(fault) => bail!(fault),
        None => Ok(()),
    }
}
