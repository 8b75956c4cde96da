//! A network is trained, every step of it recorded, and the record looked at.

mod folder;
mod hash_map;
mod json;
mod matrix;
mod read_back;
mod recorded_training;
mod recording;
mod report;
mod runs;
mod sizes;
mod volume;
mod weight;

use std::time::Instant;

use anyhow::Result;

use crate::Listener;
use crate::training::{Digits, STEPS};
pub use folder::Folder;
pub use matrix::Matrix;
pub use read_back::{ReadBack, State};
use recorded_training::{KEPT, RecordedTraining};
pub use report::{Report, Run};
use runs::RUNS;
pub use sizes::Sizes;
pub use volume::Volume;
pub use weight::{History, MostChanged};

/// Trains the network, records each of its steps in all runs, reads steps back and writes the volumes
/// into `folder`.
///
/// # Errors
///
/// If a volume cannot be written, or something cannot be recorded or read. A state that is not read
/// back as it should be is no error here: [`Report::fault`] says so.
pub async fn run(folder: &Folder, listener: &dyn Listener) -> Result<Report> {
    let start = Instant::now();
    let digits = Digits::load()?;

    let mut training = RecordedTraining::begin(&digits).await?;
    let matrices = training.matrices();
    listener.begin((STEPS + RUNS.len() * (KEPT + matrices.len())) as u64);
    listener.doing("training, recording");
    training.finish(listener).await?;

    let mut runs = Vec::new();
    for recording in &training.recordings {
        listener.doing("reading steps back");
        let read_back = ReadBack::measure(recording, &training.kept, &digits, listener).await?;
        listener.doing("writing volumes");
        let volumes = folder.export(recording, listener).await?;
        runs.push(Run::measure(recording, read_back, volumes).await?);
    }
    Ok(Report {
        matrices,
        test_images: digits.test.labels.len(),
        runs,
        weight: MostChanged::find(&training.recordings).await?,
        folder: folder.path().to_owned(),
        seconds: start.elapsed().as_secs_f64(),
    })
}
