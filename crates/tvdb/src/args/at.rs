//! Which step is meant.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Error, Result, anyhow};
use serde_json::{Value, json};
use temporal_vdb::TemporalStore;

use crate::screen::failure::with_hint;

/// What always means the newest step, and is no tag therefore.
pub(crate) const LATEST: &str = "latest";

/// A step as users name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Latest,
    Step(usize),
    Tag(String),
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == LATEST {
            return Ok(At::Latest);
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(At::Tag(text.to_owned()));
        }
        text.parse()
            .map(At::Step)
            .map_err(|_| format!("give a step's number, a tag or {LATEST}"))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Latest => f.write_str(LATEST),
            At::Step(step) => step.fmt(f),
            At::Tag(name) => f.write_str(name),
        }
    }
}

impl At {
    pub(crate) fn to_json(&self) -> Value {
        match self {
            At::Step(step) => json!(step),
            At::Latest | At::Tag(_) => json!(self.to_string()),
        }
    }

    /// The step's number, whether there is such a step or not.
    pub(crate) async fn find(&self, store: &TemporalStore, path: &Path) -> Result<usize> {
        Ok(match self {
            At::Latest => match store.steps().await?.last() {
                Some(newest) => newest.step,
                None => return Err(no_step_yet(path)),
            },
            At::Step(step) => *step,
            At::Tag(name) => store.tagged(name).await?,
        })
    }
}

/// What there is to say of a store that nothing was recorded into.
pub(crate) fn no_step_yet(store: &Path) -> Error {
    let error = anyhow!("{}: there is no step in the store yet", store.display());
    with_hint(error, "tvdb record adds checkpoints to it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbers_tags_or_latest() {
        assert_eq!("latest".parse(), Ok(At::Latest));
        assert_eq!("12".parse(), Ok(At::Step(12)));
        for text in ["best", "Latest", "v1.5", "-x", "1e3"] {
            assert_eq!(text.parse(), Ok(At::Tag(text.to_owned())));
        }
        for text in ["", "-", "-1", "99999999999999999999"] {
            assert!(text.parse::<At>().is_err(), "{text}");
        }
    }
}
