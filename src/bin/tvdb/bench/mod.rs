//! `tvdb bench`: what a store costs and saves on a run, against the alternatives.

mod alternatives;
mod codings;
mod delta_formats;
mod exactness;
mod format_sizes;
mod generate;
mod measure;
mod measured_layer;
mod reading;
mod reconstruction;
mod recording;
mod report;
mod run_source;
mod scratch;
mod text;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, ValueEnum};
use temporal_vdb::{Durability, Favor, StoreOptions};

use crate::codec_name::CodecName;
use crate::output;
use crate::progress::Progress;
use codings::Codings;
use format_sizes::FormatSizes;
use generate::Generate;
use measure::Memory;
use reading::Reading;
use reconstruction::Reconstruction;
use recording::Recording;
use report::Report;
use run_source::RunSource;
use scratch::Scratch;

/// Measure what a store costs and saves on a run
///
/// The checkpoints of a folder, in the order of their names,
/// are recorded into a new store, beside writing each of them
/// as a file; steps are read back, beside reading the files;
/// and the last step is put together from all changes in the
/// ways in which it is done without this program. Every step
/// that is read back is compared with its checkpoint.
///
/// The store and the files are written to a folder of their
/// own, which is removed afterwards. For figures that mean
/// something, have it on the disk that runs are recorded to,
/// and nothing else going on.
#[derive(Args)]
#[command(verbatim_doc_comment)]
#[command(group(ArgGroup::new("run").required(true).args(["folder", "generate"])))]
pub(crate) struct Options {
    /// Folder of safetensors checkpoints, one for each step
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    /// Make up a run instead
    ///
    /// One matrix of normally distributed weights, and STEPS
    /// more steps. SPEC is one of
    ///
    ///   ROWSxCOLSxSTEPS,SHARE
    ///   ROWSxCOLSxSTEPS,adam=LR
    ///
    /// and ,SEED after it for another run of the kind: the same
    /// SEED gives the same run.
    ///
    /// With SHARE the weights are f32, and at each step every
    /// one changes with that probability, such as 0.01 or 1%.
    /// With adam=LR they are bf16, and are trained as in
    /// fine-tuning: by Adam with learning rate LR, such as
    /// 3e-6, on noisy gradients and with f32 master weights.
    #[arg(
        long,
        value_name = "SPEC",
        allow_hyphen_values = true,
        verbatim_doc_comment
    )]
    generate: Option<Generate>,

    /// How changes are coded where they have been merged
    ///
    /// With "dense" the store is compacted before it is
    /// measured, and the run is recorded once more to compare
    /// both codings of the same steps.
    #[arg(long, value_enum, default_value_t = CodecName::Fast, verbatim_doc_comment)]
    codec: CodecName,

    /// Threads of the store [default: one per core]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<NonZeroUsize>,

    /// What the store saves on
    #[arg(long, value_enum, default_value_t = Favored::Size)]
    favor: Favored,

    /// Folder to write to while measuring
    ///
    /// It is the system's for temporary files if not given.
    #[arg(long, value_name = "DIR", verbatim_doc_comment)]
    scratch: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Favored {
    /// Space: old steps are replayed further
    Size,
    /// The time that reading old steps takes
    Reads,
}

fn parse_threads(text: &str) -> Result<NonZeroUsize> {
    let threads: NonZeroUsize = text.parse().context("it is not a number from 1 on")?;
    if threads.get() > 1024 {
        bail!("there can be at most 1024 threads");
    }
    Ok(threads)
}

impl Options {
    fn store_options(&self) -> StoreOptions {
        StoreOptions {
            durability: Durability::Immediate,
            codec: self.codec.into(),
            favor: match self.favor {
                Favored::Size => Favor::Size,
                Favored::Reads => Favor::Reads,
            },
            threads: self.threads,
            ..StoreOptions::default()
        }
    }

    fn threads(&self) -> usize {
        let all = || available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(all, NonZeroUsize::get)
    }
}

/// Measures, and prints the report.
///
/// # Errors
///
/// If the run cannot be read, or written where that is tried; if a step that is read back is not
/// its checkpoint, bit for bit.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let start = Instant::now();
    // Before anything else, so that no memory of ours is taken for the store's.
    let before = Memory::now()?;
    let folder = options
        .folder
        .as_deref()
        .map(RunSource::in_folder)
        .transpose()?;
    let scratch = Scratch::new(options.scratch.as_deref())?;
    let run = match (folder, &options.generate) {
        (Some(run), _) => run,
        (None, Some(generate)) => generated(generate, &scratch).await?,
        (None, None) => bail!("name a folder of checkpoints, or a run to make up"),
    };

    let codings = usize::from(options.codec == CodecName::Dense);
    let passes = 3 * run.files.len() + reading::ROUNDS + 2 + codings;
    let progress = Progress::new(passes as u64);
    progress.doing("recording");
    let (store, recording) =
        Recording::run(&run, &scratch, options.store_options(), before, &progress).await?;
    progress.doing("sealing");
    store.seal().await?;
    if options.codec == CodecName::Dense {
        progress.doing("compacting");
        store.compact().await?;
    }
    store.settle().await?;
    let stats = store.stats().await?;
    progress.doing("comparing every step");
    exactness::check(&store, &run, &progress).await?;
    progress.doing("reading steps");
    let reading = Reading::measure(&store, &run, &progress).await?;
    let peak_bytes = Memory::now()?.peak;
    drop(store);

    progress.doing("adding up changes");
    let reconstruction =
        Reconstruction::measure(&scratch.store(), options.store_options(), &progress).await?;
    progress.advance();
    progress.doing("trying other formats");
    let formats = FormatSizes::measure(&run, &progress).await?;
    let codings = match options.codec {
        CodecName::Fast => None,
        CodecName::Dense => {
            progress.doing("comparing the codings");
            Some(Codings::measure(&run, &scratch, options.store_options(), &progress).await?)
        }
    };
    drop(progress);
    check_counts(formats.changes, recording.changes, stats.changes)?;

    let report = Report {
        run: run.name,
        codec: options.codec.name(),
        favor: match options.favor {
            Favored::Size => "size",
            Favored::Reads => "reads",
        },
        threads: options.threads(),
        recording,
        stats,
        reading,
        reconstruction,
        formats,
        codings,
        peak_bytes,
        peak_bytes_with_alternatives: Memory::now()?.peak,
        seconds: start.elapsed().as_secs_f64(),
    };
    output::print(&if json {
        report.to_json()
    } else {
        text::render(&report)
    })
}

/// Writes a made-up run into the scratch folder.
async fn generated(generate: &Generate, scratch: &Scratch) -> Result<RunSource> {
    let folder = scratch.path().join("checkpoints");
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let progress = Progress::new(generate.steps as u64 + 1);
    progress.doing("making up a run");
    let files = generate.write(&folder, &progress).await?;
    Ok(RunSource {
        name: generate.to_string(),
        files,
    })
}

/// What all figures are divided by is counted three times: while recording, by the store as a
/// whole, and here by comparing the checkpoints.
fn check_counts(compared: u64, recorded: u64, stored: u64) -> Result<()> {
    if compared != recorded || compared != stored {
        bail!(
            "the checkpoints differ in {compared} weights from one to the next, but {recorded} \
             changes were recorded, and the store says it has {stored}"
        );
    }
    Ok(())
}
