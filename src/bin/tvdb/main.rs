//! `tvdb`: every step of a model's weights, from the command line.

mod at;
mod axes;
mod background;
mod bench;
mod checkout;
mod checkpoint_file;
mod codec_name;
mod compact;
mod demo;
mod evolutions;
mod failure;
mod file_kind;
mod history;
mod hot;
mod log;
mod natural_order;
mod notes;
mod numbers;
mod output;
mod plot;
mod policies;
mod progress;
mod prune;
mod ranges;
mod record;
mod replacement;
mod rollback;
mod selection;
mod sparkline;
mod stats;
mod table;
mod tag;
mod target_file;
mod terminal;
mod time;
mod times;
mod together;
mod verify;
mod weight_layer;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use failure::Interrupted;

/// Keeps every step of a model's weights as OpenVDB volumes
/// whose third axis is time.
#[derive(Parser)]
#[command(version, verbatim_doc_comment, disable_help_subcommand = true)]
#[command(after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,

    /// Print the result as JSON
    #[arg(long, global = true, display_order = 100)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    Demo(demo::Options),
    Record(record::Options),
    Checkout(checkout::Options),
    Log(log::Options),
    Stats(stats::Options),
    History(history::Options),
    Hot(hot::Options),
    Together(together::Options),
    Plot(plot::Options),
    Tag(tag::Options),
    Prune(prune::Options),
    Rollback(rollback::Options),
    Verify(verify::Options),
    Compact(compact::Options),
    Bench(bench::Options),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage,
            130 interrupted with Ctrl-C, 143 ended with SIGTERM.";

fn main() -> ExitCode {
    temporal_vdb::freed_memory::return_early();
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

fn run(cli: &Cli) -> Result<()> {
    let runtime = Runtime::new().context("cannot start the async runtime")?;
    // When this returns, the runtime is dropped and waits for the one library call that may still
    // be at work: an export that Ctrl-C came upon is completed, not left half-written.
    runtime.block_on(async {
        tokio::select! {
            result = dispatch(cli) => result,
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

async fn dispatch(cli: &Cli) -> Result<()> {
    match &cli.verb {
        Verb::Demo(options) => demo::run(options, cli.json).await,
        Verb::Record(options) => record::run(options, cli.json).await,
        Verb::Checkout(options) => checkout::run(options, cli.json).await,
        Verb::Log(options) => log::run(options, cli.json).await,
        Verb::Stats(options) => stats::run(options, cli.json).await,
        Verb::History(options) => history::run(options, cli.json).await,
        Verb::Hot(options) => hot::run(options, cli.json).await,
        Verb::Together(options) => together::run(options, cli.json).await,
        Verb::Plot(options) => plot::run(options, cli.json).await,
        Verb::Tag(options) => tag::run(options, cli.json).await,
        Verb::Prune(options) => prune::run(options, cli.json).await,
        Verb::Rollback(options) => rollback::run(options, cli.json).await,
        Verb::Verify(options) => verify::run(options, cli.json).await,
        Verb::Compact(options) => compact::run(options, cli.json).await,
        Verb::Bench(options) => bench::run(options, cli.json).await,
    }
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
