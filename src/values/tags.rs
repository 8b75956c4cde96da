use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::error::{Error, Result};
use crate::host::nearest;

/// The names of steps. A step can have several.
#[derive(Default)]
pub(crate) struct Tags {
    steps: BTreeMap<String, i32>,
}

/// A name that can be told from a step, and be read where it is printed. Errors: `InvalidTag`.
pub(crate) fn check_tag(name: &str) -> Result<()> {
    let is_number = name.chars().all(|c| c.is_ascii_digit()); // an empty one too
    if is_number || name.trim() != name || name.chars().any(char::is_control) {
        return Err(Error::InvalidTag {
            name: name.to_owned(),
        });
    }
    Ok(())
}

impl Tags {
    /// Whether a tag can be added. Errors: `InvalidTag`, `TagExists`.
    pub(crate) fn check_new(&self, name: &str) -> Result<()> {
        check_tag(name)?;
        match self.steps.get(name) {
            Some(&step) => Err(Error::TagExists {
                name: name.to_owned(),
                step: step as usize,
            }),
            None => Ok(()),
        }
    }

    /// Adds a tag that can be.
    pub(crate) fn add(&mut self, name: &str, step: i32) {
        self.steps.insert(name.to_owned(), step);
    }

    /// Takes a tag away and gives its step. Errors: `NoSuchTag`.
    pub(crate) fn remove(&mut self, name: &str) -> Result<i32> {
        self.steps.remove(name).ok_or_else(|| Error::NoSuchTag {
            name: name.to_owned(),
            nearest: nearest(name, self.steps.keys()),
        })
    }

    pub(crate) fn is_at(&self, step: i32) -> bool {
        self.steps.values().any(|&tagged| tagged == step)
    }

    /// Errors: `Pinned` for the first step of the range that has a tag.
    pub(crate) fn refuse_in(&self, steps: RangeInclusive<i32>) -> Result<()> {
        let tagged = self.steps.iter().filter(|(_, step)| steps.contains(step));
        match tagged.min_by_key(|(_, step)| **step) {
            Some((tag, &step)) => Err(Error::Pinned {
                step: step as usize,
                tag: tag.clone(),
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn all(&self) -> BTreeMap<String, usize> {
        let tags = self.steps.iter();
        tags.map(|(name, &step)| (name.clone(), step as usize))
            .collect()
    }
}
