//! Which range of steps is meant.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Result, anyhow};
use clap::Args;
use temporal_vdb::{Error, TemporalStore};

use crate::args::at::{At, no_step_yet};
use crate::screen::failure::with_hint;

/// A range of times; all retained steps where nothing is said.
#[derive(Args)]
pub(crate) struct Times {
    /// Only steps from this one on: a number or a tag
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    from: Option<At>,

    /// Only steps up to this one: a number or a tag
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    to: Option<At>,
}

impl Times {
    /// The range, which has a step of the store.
    ///
    /// # Errors
    ///
    /// If there is no step in it, or if it begins before the oldest one.
    pub(crate) async fn find(
        &self,
        store: &TemporalStore,
        path: &Path,
    ) -> Result<RangeInclusive<usize>> {
        let steps: Vec<usize> = store.steps().await?.iter().map(|step| step.step).collect();
        let oldest = *steps.first().ok_or_else(|| no_step_yet(path))?;
        let from = match &self.from {
            Some(from) => from.find(store, path).await?,
            None => oldest,
        };
        let to = match &self.to {
            Some(to) => to.find(store, path).await?,
            None => usize::MAX,
        };
        if from < oldest {
            return Err(Error::Pruned { step: from, oldest }.into());
        }
        let begin = steps.partition_point(|step| *step < from);
        let end = steps.partition_point(|step| *step <= to);
        if begin < end {
            return Ok(from..=to);
        }
        if to < from {
            let error = anyhow!("steps from {from} to {to} are none: {to} comes first");
            return Err(with_hint(error, "give the earlier step with --from"));
        }
        let name = |step: Option<&usize>| step.map_or("none".to_owned(), ToString::to_string);
        let before = name(begin.checked_sub(1).and_then(|i| steps.get(i)));
        let until = if self.to.is_some() {
            format!(" to {to}")
        } else {
            " on".to_owned()
        };
        let error = anyhow!(
            "there is no step from {from}{until}: the nearest ones are {before} and {}",
            name(steps.get(end))
        );
        Err(with_hint(error, "`tvdb log` shows which steps there are"))
    }
}
