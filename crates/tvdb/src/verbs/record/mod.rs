//! `tvdb record`: checkpoints become steps of a store.

mod plan;
mod summary;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::{ArgAction, ArgGroup, Args};
use globset::Glob;
use temporal_vdb::{
    Checkpoint, Durability, Error, MAX_STEP, Note, RecordOptions, Recorded, StoreOptions,
    TemporalStore, Threshold,
};

use crate::args::selection::Selection;
use crate::background;
use crate::files::checkpoint::{self, EXTENSION};
use crate::screen::failure::with_hint;
use crate::screen::output;
use crate::screen::progress::Progress;
use plan::{Entry, Plan};
use summary::Summary;

/// Add checkpoints to a store, a step each
///
/// The checkpoints are safetensors files, recorded in the
/// order given. The first one makes the store, and is step 0;
/// each further one is the step after the latest. Each is on
/// the disk before the next is begun.
///
/// Without a threshold every checkpoint comes back bit for
/// bit. With one, small changes are left out, and what comes
/// back is within it at every step. With --snap the rest is
/// rounded too, as far as the threshold allows, and takes
/// less space.
#[derive(Args)]
#[command(verbatim_doc_comment)]
#[command(group(ArgGroup::new("bound").args(["threshold", "relative"])))]
pub(crate) struct Options {
    /// The store; it is made if it is missing
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// Safetensors files
    #[arg(value_name = "CKPT", required = true)]
    checkpoints: Vec<PathBuf>,

    /// Leave out changes of at most X
    #[arg(long, value_name = "X", value_parser = bound, allow_negative_numbers = true)]
    threshold: Option<f32>,

    /// The same, X times each tensor's standard deviation
    #[arg(long, value_name = "X", value_parser = bound, allow_negative_numbers = true)]
    relative: Option<f32>,

    /// Round changes to multiples of about twice the threshold
    ///
    /// Similar changes become the same, and those of F32
    /// weights take a quarter of the space. What comes back is
    /// within the threshold as before, but where a weight
    /// changed it is not bit for bit what was recorded.
    #[arg(long, requires = "bound", verbatim_doc_comment)]
    snap: bool,

    /// Only tensors of such names, like 'mlp.*'; repeatable
    #[arg(long, value_name = "GLOB", value_parser = Glob::new)]
    layers: Vec<Glob>,

    /// Keep a note with each step, like lr=3e-4; repeatable
    #[arg(long = "note", value_name = "KEY=VALUE", value_parser = note, action = ArgAction::Append)]
    notes: Vec<(String, Note)>,

    /// The first checkpoint's step; further ones count up
    #[arg(long, value_name = "N", value_parser = step)]
    step: Option<usize>,

    /// The last number in a file's name is its step
    ///
    /// The files are recorded in the order of their steps.
    #[arg(long, conflicts_with = "step", verbatim_doc_comment)]
    step_from_name: bool,

    /// Take tensors that the store does not have yet
    #[arg(long)]
    allow_new_layers: bool,

    /// Do not wait for the disk at each step
    ///
    /// Faster. A power cut may then cost the last steps, but
    /// leaves the store whole; a crash of tvdb costs nothing.
    #[arg(long, verbatim_doc_comment)]
    eventual: bool,
}

fn bound(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(bound) if (0.0..f32::INFINITY).contains(&bound) => Ok(bound),
        _ => Err("give a number of at least 0, such as 0.001".to_owned()),
    }
}

fn note(text: &str) -> Result<(String, Note), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            let number = value.parse().ok().filter(|number: &f64| number.is_finite());
            let value = number.map_or_else(|| Note::Text(value.to_owned()), Note::Number);
            Ok((key.to_owned(), value))
        }
        _ => Err("give a name and a value, such as loss=0.25".to_owned()),
    }
}

fn step(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(step) if step <= MAX_STEP => Ok(step),
        _ => Err(format!("steps are 0 to {MAX_STEP}")),
    }
}

impl Options {
    fn store_options(&self) -> StoreOptions {
        let durability = if self.eventual {
            Durability::Eventual
        } else {
            Durability::Immediate
        };
        StoreOptions {
            durability,
            ..StoreOptions::default()
        }
    }

    fn record_options(&self) -> RecordOptions {
        RecordOptions {
            threshold: match (self.threshold, self.relative) {
                (Some(bound), _) if self.snap => Threshold::SnappedAbsolute(bound),
                (_, Some(bound)) if self.snap => Threshold::SnappedRelative(bound),
                (Some(bound), _) if bound > 0.0 => Threshold::Absolute(bound),
                (_, Some(bound)) if bound > 0.0 => Threshold::Relative(bound),
                _ => Threshold::Lossless,
            },
            allow_new_layers: self.allow_new_layers,
            notes: self.notes.iter().cloned().collect(),
        }
    }
}

/// Records the checkpoints, one commit each, and says what it came to.
///
/// # Errors
///
/// If a checkpoint cannot be read or does not fit; those before it stay recorded.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    if options.snap && options.threshold.or(options.relative) == Some(0.0) {
        return Err(Error::NothingToSnap.into());
    }
    let plan = Plan::new(&options.checkpoints, options.step, options.step_from_name)?;
    let selection = Selection::new(&options.layers);
    let progress = Progress::new(plan.entries.len() as u64);

    // The first one is read before there is a store, so that a slip leaves no empty store behind.
    let first = plan.entries.first().context("there is no checkpoint")?;
    let mut next = Some(read(first, &selection).await?);
    check_name(&options.store)?;
    let store = TemporalStore::open_or_create(&options.store, options.store_options()).await?;

    let mut summary = Summary::begin(store.layers().await?.is_empty());
    let mut outcome = Ok(());
    for entry in &plan.entries {
        progress.doing(entry.name());
        let recorded = record(&store, entry, next.take(), &selection, options).await;
        match recorded {
            Ok(recorded) => {
                let line = summary.add(entry, recorded);
                if !json {
                    progress.aside(|| output::print(&line))?;
                }
                progress.advance();
            }
            Err(error) => {
                outcome = Err(error.context(summary.interruption()));
                break;
            }
        }
    }
    progress.doing("finishing the store");
    let settled = store.settle().await;
    drop(progress);
    outcome?;
    settled?;
    let bytes = store.stats().await?.file_bytes();
    output::print(&if json {
        summary.json(bytes)
    } else {
        summary.text(&options.store, bytes)
    })
}

async fn record(
    store: &TemporalStore,
    entry: &Entry,
    checkpoint: Option<Checkpoint>,
    selection: &Selection,
    options: &Options,
) -> Result<Recorded> {
    let checkpoint = match checkpoint {
        Some(checkpoint) => checkpoint,
        None => read(entry, selection).await?,
    };
    store
        .record(entry.step, checkpoint, options.record_options())
        .await
        .map_err(|error| explain(error, options))
        .with_context(|| format!("cannot record {}", entry.path.display()))
}

async fn read(entry: &Entry, selection: &Selection) -> Result<Checkpoint> {
    let path = entry.path.clone();
    let checkpoint = background::run(move || checkpoint::read(&path)).await?;
    selected(checkpoint, selection)
        .with_context(|| format!("cannot record {}", entry.path.display()))
}

/// What there is to record of a checkpoint.
fn selected(mut checkpoint: Checkpoint, selection: &Selection) -> Result<Checkpoint> {
    let tensors = &mut checkpoint.tensors;
    ensure!(!tensors.is_empty(), "there are no tensors in it");
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    selection.check(&names, "tensor")?;
    tensors.retain(|tensor| selection.takes(&tensor.name));
    Ok(checkpoint)
}

/// Refuses to make a store under a checkpoint's name: the store's own has been forgotten.
fn check_name(store: &Path) -> Result<()> {
    if !store.exists()
        && store
            .extension()
            .is_some_and(|extension| extension == EXTENSION)
    {
        let error = anyhow!(
            "{} has a checkpoint's name, and there is no such store",
            store.display()
        );
        return Err(with_hint(
            error,
            "the store is named first: tvdb record RUN.tvdb CKPT...",
        ));
    }
    Ok(())
}

/// Adds what this verb can do about an error of the library.
fn explain(error: Error, options: &Options) -> anyhow::Error {
    let hint = match &error {
        Error::MissingTensor { .. } if !options.layers.is_empty() => {
            "--layers must take all layers that the store has: `tvdb stats` lists them"
        }
        Error::MissingTensor { .. } => {
            "record another model into a store of its own; to follow only some tensors, begin a store with --layers"
        }
        Error::NewTensor { .. } => {
            "--allow-new-layers takes it from this step on; --layers leaves tensors out"
        }
        Error::TensorMismatch { .. } => {
            "a layer keeps its type and shape: record the changed model into another store"
        }
        Error::StepOutOfOrder { .. } if options.step_from_name => {
            "time moves forward: leave out the files that are recorded already"
        }
        Error::StepOutOfOrder { .. } => {
            "without --step, checkpoints become the steps after the latest"
        }
        _ => return error.into(),
    };
    with_hint(error, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_finite_and_not_negative() {
        assert_eq!(bound("0.5"), Ok(0.5));
        assert_eq!(bound("0"), Ok(0.0));
        for text in ["-1", "nan", "inf", "1e39", "x", ""] {
            assert!(bound(text).is_err(), "{text}");
        }
    }

    #[test]
    fn notes_are_numbers_where_they_can_be() {
        let parsed = |text| note(text).map(|(_, note)| note);
        assert_eq!(parsed("loss=2.5e-1"), Ok(Note::Number(0.25)));
        assert_eq!(parsed("loss=inf"), Ok(Note::Text("inf".into())));
        assert_eq!(parsed("loss=1e999"), Ok(Note::Text("1e999".into())));
        assert_eq!(note("a=b=c"), Ok(("a".into(), Note::Text("b=c".into()))));
        assert_eq!(parsed("a="), Ok(Note::Text(String::new())));
        assert!(note("=1").is_err());
        assert!(note("loss").is_err());
    }
}
