//! What the program can do: a file or a folder for each verb, each with its options and its `run`.

mod activity;
mod bench;
mod checkout;
mod compact;
mod demo;
mod export;
mod history;
mod hot;
mod import;
mod listening;
mod log;
mod plot;
mod policies;
mod prune;
mod record;
mod rollback;
mod stats;
mod tag;
mod together;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Verb {
    Demo(demo::Options),
    Record(record::Options),
    Checkout(checkout::Options),
    Export(export::Options),
    Import(import::Options),
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
    #[command(name = import::READ_VERB, hide = true)]
    ReadVdb(import::ReadOptions),
}

impl Verb {
    /// Does what is done without threads and signals: the work of a process that this program starts
    /// itself.
    pub(crate) fn run_alone(&self) -> Option<ExitCode> {
        match self {
            Verb::ReadVdb(options) => Some(import::read_alone(options)),
            _ => None,
        }
    }

    /// Does it, and prints the result, as JSON where that is asked for.
    pub(crate) async fn run(&self, json: bool) -> Result<()> {
        match self {
            Verb::Demo(options) => demo::run(options, json).await,
            Verb::Record(options) => record::run(options, json).await,
            Verb::Checkout(options) => checkout::run(options, json).await,
            Verb::Export(options) => export::run(options, json).await,
            Verb::Import(options) => import::run(options, json).await,
            Verb::Log(options) => log::run(options, json).await,
            Verb::Stats(options) => stats::run(options, json).await,
            Verb::History(options) => history::run(options, json).await,
            Verb::Hot(options) => hot::run(options, json).await,
            Verb::Together(options) => together::run(options, json).await,
            Verb::Plot(options) => plot::run(options, json).await,
            Verb::Tag(options) => tag::run(options, json).await,
            Verb::Prune(options) => prune::run(options, json).await,
            Verb::Rollback(options) => rollback::run(options, json).await,
            Verb::Verify(options) => verify::run(options, json).await,
            Verb::Compact(options) => compact::run(options, json).await,
            Verb::Bench(options) => bench::run(options, json).await,
            Verb::ReadVdb(_) => Ok(()), // done by `run_alone`
        }
    }
}
