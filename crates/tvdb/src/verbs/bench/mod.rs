//! `tvdb bench`: what a store costs and saves on a run, against the alternatives.

mod text;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{ArgGroup, Args, ValueEnum};
use temporal_vdb::{Durability, Favor, StoreOptions};
use tvdb_bench::bench::{Bench, CheckpointFormat, MadeUpRun, RunSource, Scratch};

use crate::args::codec_name::CodecName;
use crate::files::checkpoint::{self, EXTENSION};
use crate::screen::failure::with_hint;
use crate::screen::output;
use crate::screen::progress::Progress;

/// Checkpoints as the other verbs read and write them.
const FORMAT: CheckpointFormat = CheckpointFormat {
    extension: EXTENSION,
    parse: checkpoint::parse,
    write: checkpoint::write,
};

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
    generate: Option<MadeUpRun>,

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
}

/// Measures, and prints the report.
///
/// # Errors
///
/// If the run cannot be read, or written where that is tried; if a step that is read back is not
/// its checkpoint, bit for bit.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let bench = Bench::begin()?;
    let folder = options.folder.as_deref().map(in_folder).transpose()?;
    let scratch = Scratch::new(options.scratch.as_deref()).map_err(|error| {
        with_hint(
            error,
            "name a folder that is there and has room with --scratch",
        )
    })?;
    let progress = Progress::new(0);
    let run = match (folder, &options.generate) {
        (Some(run), _) => run,
        (None, Some(run)) => {
            run.check_memory()
                .map_err(|error| with_hint(error, "use fewer rows or columns"))?;
            run.write(&scratch, FORMAT, &progress).await?
        }
        (None, None) => bail!("name a folder of checkpoints, or a run to make up"),
    };
    let report = bench
        .run(&run, &scratch, options.store_options(), &progress)
        .await?;
    drop(progress);
    output::print(&if json {
        format!("{:#}\n", report.to_json())
    } else {
        text::render(&report)
    })
}

/// The checkpoints of a folder, in the order of their names.
fn in_folder(folder: &Path) -> Result<RunSource> {
    let files = checkpoint::list(folder)?;
    let few = match files.len() {
        0 => "are no checkpoints",
        _ => "is only one checkpoint",
    };
    RunSource::new(folder.display().to_string(), files, FORMAT).ok_or_else(|| {
        with_hint(
            anyhow!("there {few} in {}", folder.display()),
            format!(
                "a run is a folder of at least two files named *.{EXTENSION}, one for each step"
            ),
        )
    })
}
