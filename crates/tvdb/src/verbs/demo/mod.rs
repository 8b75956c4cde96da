//! `tvdb demo`: a network is trained, every step of it recorded, and the record looked at.

mod layout;
mod tables;
mod text;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use tvdb_bench::demo::{self, Folder};

use crate::screen::failure::with_hint;
use crate::screen::output;
use crate::screen::progress::Progress;

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

/// Runs the demo and prints what it measured.
///
/// # Errors
///
/// If `--out` cannot be written to, which is found out first; if a state that is read back is not
/// what it should be, which is reported nevertheless.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let folder = Folder::prepare(&options.out)
        .map_err(|error| with_hint(error, "name a folder you may write to: --out DIR"))?;
    let progress = Progress::new(0);
    let report = demo::run(&folder, &progress).await?;
    drop(progress);
    output::print(&if json {
        format!("{:#}\n", report.to_json())
    } else {
        text::render(&report)
    })?;
    match report.fault() {
        Some(fault) => bail!(fault),
        None => Ok(()),
    }
}
