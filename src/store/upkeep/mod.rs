//! The work behind recording, and what drops steps: sealing the journal into blocks, keyframes, merging
//! blocks, pruning and rolling back.

mod cut;
mod group_work;
mod job;
mod keyframes;
mod merge;
mod merge_rules;
mod prune;
mod rollback;
mod sealing;
#[allow(clippy::module_inception)] // the noun that the folder is about
mod upkeep;
mod used_commits;
mod worker;

pub(crate) use upkeep::Upkeep;
pub(crate) use worker::Worker;
