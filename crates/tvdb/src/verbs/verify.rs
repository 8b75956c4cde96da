//! `tvdb verify`: all of a store is read and compared with what was recorded.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::json;
use temporal_vdb::{StoreOptions, TemporalStore, Verified};

use crate::screen::failure::causes;
use crate::screen::numbers::{bytes, counted};
use crate::screen::output;
use crate::screen::progress::Progress;

/// Read all of a store and compare it with its digests
///
/// Everything is read: a changed, missing or added byte or
/// row is found, and each state is computed anew and compared
/// with the digest of what was recorded. Nothing is written.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,
}

/// Verifies the store and says what was read.
///
/// # Errors
///
/// For the first thing that is wrong; with `json` it is also part of the output.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let result = verify(&options.store).await;
    match &result {
        Ok(found) if json => output::print(&render(found))?,
        Ok(found) => output::print(&text(found))?,
        Err(error) if json => {
            let value = json!({ "ok": false, "error": causes(error) });
            output::print(&format!("{value:#}\n"))?;
        }
        Err(_) => {}
    }
    result.map(|_| ())
}

async fn verify(path: &Path) -> Result<Verified> {
    let store = TemporalStore::open_read_only(path, StoreOptions::default()).await?;
    let progress = Progress::new(0);
    progress.doing("verifying");
    Ok(store
        .verify(move |done, total| progress.at(done, total))
        .await?)
}

fn text(found: &Verified) -> String {
    format!(
        "ok: {}, {}, {}, {} ({})\n",
        counted(found.commits, "commit"),
        counted(found.layers, "layer"),
        counted(found.states, "state"),
        counted(found.blobs, "blob"),
        bytes(found.bytes),
    )
}

fn render(found: &Verified) -> String {
    let value = json!({
        "ok": true,
        "commits": found.commits,
        "layers": found.layers,
        "states": found.states,
        "blobs": found.blobs,
        "bytes": found.bytes,
    });
    format!("{value:#}\n")
}
