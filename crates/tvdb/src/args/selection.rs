//! Which layers are meant.

use anyhow::{Result, anyhow};
use globset::{Glob, GlobMatcher};

use crate::screen::failure::with_hint;
use crate::screen::numbers::counted;

/// Layers by their names; all of them where no glob is given.
pub(crate) struct Selection {
    globs: Vec<GlobMatcher>,
}

impl Selection {
    pub(crate) fn new(globs: &[Glob]) -> Self {
        Selection {
            globs: globs.iter().map(Glob::compile_matcher).collect(),
        }
    }

    /// Whether no glob is given.
    pub(crate) fn is_all(&self) -> bool {
        self.globs.is_empty()
    }

    pub(crate) fn takes(&self, name: &str) -> bool {
        self.is_all() || self.globs.iter().any(|glob| glob.is_match(name))
    }

    /// A glob that matches none of the names is a slip of the keyboard. `noun` says what has them.
    pub(crate) fn check(&self, names: &[&str], noun: &str) -> Result<()> {
        let idle = |glob: &&GlobMatcher| !names.iter().any(|name| glob.is_match(name));
        let (Some(glob), Some(first)) = (self.globs.iter().find(idle), names.first()) else {
            return Ok(());
        };
        let error = anyhow!(
            "--layers '{}' matches none of its {}",
            glob.glob().glob(),
            counted(names.len() as u64, noun)
        );
        let hint = format!("names are matched as a whole; the first is '{first}'");
        Err(with_hint(error, hint))
    }
}
