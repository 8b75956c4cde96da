//! `tvdb rollback`: the newest steps go.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use serde_json::json;
use temporal_vdb::{Error, StoreOptions, TemporalStore};
use tokio::sync::oneshot;

use crate::args::at::{At, no_step_yet};
use crate::screen::failure::wrong_usage;
use crate::screen::numbers::counted;
use crate::screen::output;
use crate::screen::progress::Progress;

/// Drop the newest steps
///
/// All steps after T go, for good, and layers that began
/// after it. What is recorded next follows the state at T.
/// Steps with tags stay: while there is one after T, nothing
/// is dropped.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// The last step to keep: a number, or a tag
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    to: At,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Drops the steps, once that is confirmed.
///
/// # Errors
///
/// If it is not confirmed, or nobody can be asked; if a step that would go has a tag; if the store
/// cannot be read or written.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !options.yes && !can_ask {
        let error = anyhow!("rollback drops steps for good, and there is no terminal to ask on");
        return Err(wrong_usage(
            error,
            "give --yes to drop them without being asked",
        ));
    }
    let path = &options.store;
    let store = TemporalStore::open(path, StoreOptions::default()).await?;
    let to = options.to.find(&store, path).await?;
    let later = later_steps(&store, path, to).await?;
    if !options.yes && !later.is_empty() {
        let question = format!("{}: drop {} for good?", path.display(), named(&later));
        ensure!(
            confirmed(question).await?,
            "not confirmed: nothing is dropped"
        );
    }
    let progress = Progress::endless("rolling back");
    let dropped = store.rollback(to).await?;
    let latest = store.steps().await?.last().map(|step| step.step);
    drop(progress);

    if json {
        let value = json!({
            "path": path.to_string_lossy(),
            "to": options.to.to_json(),
            "dropped": dropped,
            "latest": latest,
        });
        return output::print(&format!("{value:#}\n"));
    }
    let what = if later.is_empty() {
        "there is no later step to drop".to_owned()
    } else {
        format!("dropped {}", named(&later))
    };
    let latest = latest.map_or_else(String::new, |latest| {
        format!("; the latest is step {latest}")
    });
    output::print(&format!("{}: {what}{latest}\n", path.display()))
}

/// The steps that would go. What the library would refuse is refused before anybody is asked.
async fn later_steps(store: &TemporalStore, path: &Path, to: usize) -> Result<Vec<usize>> {
    let steps = store.steps().await?;
    let Some(oldest) = steps.first().map(|step| step.step) else {
        return Err(no_step_yet(path));
    };
    if to < oldest {
        return Err(Error::Pruned { step: to, oldest }.into());
    }
    let pinned = store
        .tags()
        .await?
        .into_iter()
        .filter(|(_, step)| *step > to);
    if let Some((tag, step)) = pinned.min_by_key(|(_, step)| *step) {
        return Err(Error::Pinned { step, tag }.into());
    }
    let later = steps.iter().map(|step| step.step).filter(|step| *step > to);
    Ok(later.collect())
}

/// `12 steps (29 to 40)`
fn named(steps: &[usize]) -> String {
    let count = counted(steps.len() as u64, "step");
    match steps {
        [first, .., last] => format!("{count} ({first} to {last})"),
        [step] => format!("{count} ({step})"),
        [] => count,
    }
}

/// Whether the answer is yes. Asked on a thread of its own, which Ctrl-C need not wait for.
async fn confirmed(question: String) -> Result<bool> {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        let ask = || {
            // Not locked meanwhile: on Ctrl-C an error is written there.
            write!(io::stderr(), "{question} [y/N] ")?;
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer)?;
            let answer = answer.trim().to_lowercase();
            io::Result::Ok(answer == "y" || answer == "yes")
        };
        // Where nobody waits any more, the program is ending.
        let _ = tell.send(ask());
    });
    told.await?.context("cannot read the answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_and_named() {
        assert_eq!(named(&[29, 30, 40]), "3 steps (29 to 40)");
        assert_eq!(named(&[7]), "1 step (7)");
    }
}
