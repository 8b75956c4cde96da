//! `tvdb`: every step of a model's weights, from the command line.

mod args;
mod background;
mod ending;
mod files;
mod screen;
mod verbs;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use ending::Interrupted;
use verbs::Verb;

/// Keeps every step of a model's weights as OpenVDB volumes
/// whose third axis is time.
#[derive(Parser)]
#[command(
    name = "temporal-vdb",
    version,
    verbatim_doc_comment,
    disable_help_subcommand = true
)]
#[command(after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,

    /// Print the result as JSON
    #[arg(long, global = true, display_order = 100)]
    json: bool,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage,
            130 interrupted with Ctrl-C, 143 ended with SIGTERM.";

fn main() -> ExitCode {
    temporal_vdb::freed_memory::return_early();
    let cli = Cli::parse();
    if let Some(ended) = cli.verb.run_alone() {
        return ended;
    }
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ending::report(&error),
    }
}

fn run(cli: &Cli) -> Result<()> {
    let runtime = Runtime::new().context("cannot start the async runtime")?;
    // When this returns, the runtime is dropped and waits for the one library call that may still
    // be at work: an export that Ctrl-C came upon is completed, not left half-written.
    runtime.block_on(async {
        tokio::select! {
            result = cli.verb.run(cli.json) => result,
            interrupted = interrupted() => Err(interrupted?.into()),
        }
    })
}

/// Waits for a signal that asks the program to end. As the first process of a container it would
/// otherwise not be ended by one at all.
async fn interrupted() -> Result<Interrupted> {
    let mut ctrl_c = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(tokio::select! {
        _ = ctrl_c.recv() => Interrupted::CtrlC,
        _ = terminate.recv() => Interrupted::Terminated,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
