//! What the program can do: a file or a folder for each verb, each with its options and its `run`.

mod activity;
mod bench;
mod checkout;
mod compact;
mod demo;
mod export;
mod history;
mod hot;
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

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Verb {
    Demo(demo::Options),
    Record(record::Options),
    Checkout(checkout::Options),
    Log(log::Options),
    Stats(stats::Options),
    History(history::Options),
    Hot(hot::Options),
    Together(together::Options),
    Plot(plot::Options),
    Export(export::Options),
    Tag(tag::Options),
    Prune(prune::Options),
    Rollback(rollback::Options),
    Verify(verify::Options),
    Compact(compact::Options),
    Bench(bench::Options),
}

impl Verb {
    /// Does it, and prints the result, as JSON where that is asked for.
    pub(crate) async fn run(&self, json: bool) -> Result<()> {
        match self {
            Verb::Demo(options) => demo::run(options, json).await,
            Verb::Record(options) => record::run(options, json).await,
            Verb::Checkout(options) => checkout::run(options, json).await,
            Verb::Log(options) => log::run(options, json).await,
            Verb::Stats(options) => stats::run(options, json).await,
            Verb::History(options) => history::run(options, json).await,
            Verb::Hot(options) => hot::run(options, json).await,
            Verb::Together(options) => together::run(options, json).await,
            Verb::Plot(options) => plot::run(options, json).await,
            Verb::Export(options) => export::run(options, json).await,
            Verb::Tag(options) => tag::run(options, json).await,
            Verb::Prune(options) => prune::run(options, json).await,
            Verb::Rollback(options) => rollback::run(options, json).await,
            Verb::Verify(options) => verify::run(options, json).await,
            Verb::Compact(options) => compact::run(options, json).await,
            Verb::Bench(options) => bench::run(options, json).await,
        }
    }
}
