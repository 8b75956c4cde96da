//! `tvdb checkout`: a step's weights become a checkpoint again.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::{Value, json};
use temporal_vdb::{StoreOptions, TemporalStore};

use crate::failure::with_hint;
use crate::file_kind::FileKind;
use crate::numbers::{bytes, counted};
use crate::{background, checkpoint_file, output};

/// Write the weights at a step as a safetensors file
///
/// They are checked against the digests of what was recorded.
/// Between two steps it is the earlier one's weights that are
/// written, and the output says which step it is.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// The step: a number, or 'latest'
    #[arg(
        long,
        value_name = "T",
        default_value = "latest",
        allow_negative_numbers = true
    )]
    at: Time,

    /// The file to write; an older one is replaced
    #[arg(short, long = "out", value_name = "FILE")]
    out: PathBuf,
}

/// What was asked for.
#[derive(Clone, Copy)]
enum Time {
    Latest,
    Step(usize),
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Time::Latest);
        }
        text.parse()
            .map(Time::Step)
            .map_err(|_| "give a step's number, or latest".to_owned())
    }
}

impl Time {
    fn to_json(self) -> Value {
        match self {
            Time::Latest => json!("latest"),
            Time::Step(step) => json!(step),
        }
    }
}

/// Reads the weights and writes the file.
///
/// # Errors
///
/// If the step is pruned or damaged, or if the file cannot be written or is a store.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    refuse_store(&options.store, &options.out)?;
    let store = TemporalStore::open_read_only(&options.store, StoreOptions::default()).await?;
    if store.layers().await?.is_empty() {
        let error = anyhow!(
            "{}: there is no step in the store yet",
            options.store.display()
        );
        return Err(with_hint(error, "tvdb record adds checkpoints to it"));
    }
    let weights = match options.at {
        Time::Latest => store.latest().await?,
        Time::Step(step) => store.weights_at(step).await?,
    };
    drop(store);

    let (step, checkpoint) = (weights.timestep, weights.checkpoint);
    let tensors = checkpoint.tensors.len();
    let size = checkpoint_file::size(&checkpoint)?;
    let out = options.out.clone();
    background::run(move || checkpoint_file::write(&out, &checkpoint)).await?;

    let file = options.out.display();
    if json {
        let value = json!({
            "asked": options.at.to_json(),
            "step": step,
            "file": file.to_string(),
            "tensors": tensors,
            "bytes": size,
        });
        return output::print(&format!("{value:#}\n"));
    }
    let which = match options.at {
        Time::Step(asked) if asked != step => format!("step {step} (newest up to {asked})"),
        _ => format!("step {step}"),
    };
    let count = counted(tensors as u64, "tensor");
    output::print(&format!("{which} -> {file} ({count}, {})\n", bytes(size)))
}

/// Refuses to write over the store that is read, what belongs to it, and any other store.
fn refuse_store(store: &Path, out: &Path) -> Result<()> {
    let hint = "name the file to write: -o weights.safetensors";
    let (own, target) = (resolved(store), resolved(out));
    for ending in ["", "-wal", "-shm", "-journal", ".lock", ".new"] {
        let mut name = OsString::from(&own);
        name.push(ending);
        if target.as_os_str() == name {
            return Err(with_hint(
                anyhow!("{} is part of the store itself", out.display()),
                hint,
            ));
        }
    }
    if FileKind::of_file(out) == Some(FileKind::Database) {
        let error = anyhow!(
            "{} is a database, such as a store: it is not replaced",
            out.display()
        );
        return Err(with_hint(error, hint));
    }
    Ok(())
}

/// The path without links, as far as it leads to something.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match (
        fs::canonicalize(folder.unwrap_or(Path::new("."))),
        path.file_name(),
    ) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_or_latest() {
        assert!(matches!("latest".parse(), Ok(Time::Latest)));
        assert!(matches!("12".parse(), Ok(Time::Step(12))));
        for text in ["", "-1", "Latest", "1.5", "99999999999999999999"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn paths_are_resolved_without_their_files() {
        let here = fs::canonicalize(".").unwrap();
        assert_eq!(resolved(Path::new("./none.tvdb")), here.join("none.tvdb"));
        assert_eq!(resolved(Path::new("none.tvdb")), here.join("none.tvdb"));
        assert_eq!(resolved(Path::new("no/where")), Path::new("no/where"));
    }
}
