//! `tvdb prune`: old steps go, by a policy.

mod report;
mod scope;

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgGroup, Args};
use globset::Glob;
use temporal_vdb::{Retention, StoreOptions, TemporalStore};

use crate::args::at::no_step_yet;
use crate::args::selection::Selection;
use crate::screen::{output, terminal};
use report::Report;
use scope::Scope;

/// Drop old steps by a policy
///
/// Which steps stay is said by --keep-last or --tiers, or by
/// the policies that were set. The state before the oldest
/// step that stays becomes the base; what the steps between
/// two others changed becomes part of the later one. States
/// that stay keep every bit, and steps with tags stay.
///
/// What this frees is used for later steps; tvdb compact
/// gives it back to the file system.
#[derive(Args)]
#[command(verbatim_doc_comment)]
#[command(group = ArgGroup::new("policy").args(["keep_last", "tiers", "keep_all"]))]
pub(crate) struct Options {
    /// The store
    #[arg(value_name = "RUN.tvdb")]
    store: PathBuf,

    /// Keep the newest N steps
    ///
    /// And the state before them, as the base.
    #[arg(long, value_name = "N", value_parser = keep_last, allow_negative_numbers = true)]
    #[arg(verbatim_doc_comment)]
    keep_last: Option<Retention>,

    /// Keep ever fewer of older steps, like 10,40@10,50@100
    ///
    /// Here: the newest 10 steps, before them 40 steps, one of
    /// each run of 10, and before them 50, one of each run of
    /// 100. Runs end at multiples of their length, which is a
    /// multiple of the one before; each keeps its last step.
    #[arg(long, value_parser = tiers, verbatim_doc_comment)]
    tiers: Option<Retention>,

    /// Keep all steps: with --set, take a policy away
    #[arg(long, requires = "set")]
    keep_all: bool,

    /// Keep the policy in the store, for later steps too
    ///
    /// It is of all layers, and replaces what was set for some
    /// of them; with --layers it is of those. While recording
    /// it is applied now and then, to many steps at once.
    #[arg(long, requires = "policy", verbatim_doc_comment)]
    set: bool,

    /// Only layers of such names, like 'mlp.*'; repeatable
    ///
    /// Each is then pruned by itself, one after the other. A
    /// step can be checked out while all layers have a state
    /// for it. Tensors that are kept whole are left as they
    /// are: they are pruned with all layers only.
    #[arg(long, value_name = "GLOB", value_parser = Glob::new, verbatim_doc_comment)]
    layers: Vec<Glob>,

    /// Say what would go and change nothing
    #[arg(long)]
    dry_run: bool,
}

fn keep_last(text: &str) -> Result<Retention, String> {
    match text.parse() {
        Ok(steps) if steps > 0 => Ok(Retention::KeepLast(steps)),
        _ => Err("give how many steps to keep, at least 1".to_owned()),
    }
}

fn tiers(text: &str) -> Result<Retention, String> {
    let tiers = text.split(',').map(|tier| tier.trim().parse());
    let tiers = tiers
        .collect::<Result<_, _>>()
        .map_err(|_| "give numbers of steps, and of how many each is one: 10,40@10,50@100")?;
    let retention = Retention::Tiered(tiers);
    retention.check().map_err(|error| error.to_string())?;
    Ok(retention)
}

impl Options {
    /// The policy that was given.
    fn policy(&self) -> Option<Retention> {
        let given = self.keep_last.as_ref().or(self.tiers.as_ref()).cloned();
        given.or(self.keep_all.then_some(Retention::KeepAll))
    }
}

/// Prunes, or finds out what that would do, and says what it came to.
///
/// # Errors
///
/// If there is no policy; if the store cannot be read or written, or if somebody else is writing to
/// it. Of layers pruned one by one, those before it are pruned then.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    let path = &options.store;
    let store = TemporalStore::open(path, StoreOptions::default()).await?;
    let layers = store.layers().await?;
    if layers.is_empty() {
        return Err(no_step_yet(path));
    }
    let selection = Selection::new(&options.layers);
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    selection.check(&names, "layer")?;
    let scope = Scope::new(&store, path, &layers, &selection, options.policy()).await?;

    let steps = store.steps().await?;
    let outcome = scope
        .prune(&store, &layers, &steps, options.dry_run)
        .await?;
    let sets = options.set && !options.dry_run;
    if sets {
        scope.set(&store).await?;
    }
    let report = Report {
        path,
        scope: &scope,
        steps: &steps,
        outcome,
        tags: store.tags().await?,
        was_given: options.policy().is_some(),
        dry_run: options.dry_run,
        sets,
    };
    output::print(&if json {
        report.json()
    } else {
        report.text(terminal::width())
    })
}

#[cfg(test)]
mod tests {
    use temporal_vdb::Tier;

    use super::*;

    #[test]
    fn policies_are_read() {
        assert_eq!(keep_last("7"), Ok(Retention::KeepLast(7)));
        for text in ["0", "-1", "", "ten"] {
            assert!(keep_last(text).is_err(), "{text}");
        }
        let tier = |steps, every| Tier { steps, every };
        assert_eq!(
            tiers("10, 40@10"),
            Ok(Retention::Tiered(vec![tier(10, 1), tier(40, 10)]))
        );
        for text in ["", "10,", "10@", "10@0", "0@1", "10;40", "1@10,1@15"] {
            assert!(tiers(text).is_err(), "{text}");
        }
    }
}
