//! Which file becomes which step.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use temporal_vdb::MAX_STEP;

use crate::files::checkpoint::EXTENSION;
use crate::screen::failure::with_hint;

/// A checkpoint to record.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// `None` for the step after the latest.
    pub(super) step: Option<usize>,
}

impl Entry {
    /// The file's name, without its folders.
    pub(super) fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or(self.path.as_os_str())
            .to_string_lossy()
            .into_owned()
    }
}

/// All checkpoints, in the order in which they are recorded.
pub(super) struct Plan {
    pub(super) entries: Vec<Entry>,
}

impl Plan {
    /// Looks at names only: what is wrong with them is said before anything is recorded.
    pub(super) fn new(paths: &[PathBuf], first: Option<usize>, from_names: bool) -> Result<Self> {
        let mut entries = Vec::with_capacity(paths.len());
        for (index, path) in paths.iter().enumerate() {
            let step = if from_names {
                Some(step_of(path)?)
            } else {
                first.map(|first| first + index)
            };
            entries.push(Entry {
                path: path.clone(),
                step,
            });
        }
        if from_names {
            entries.sort_by_key(|entry| entry.step);
            let same = |pair: &&[Entry]| pair[0].step == pair[1].step;
            if let Some([a, b]) = entries.windows(2).find(same) {
                let (a, b) = (a.path.display(), b.path.display());
                let error = anyhow::anyhow!("{a} and {b} have the same step in their names");
                return Err(with_hint(
                    error,
                    "a step is one file: parts of a checkpoint have to be joined first",
                ));
            }
        }
        Ok(Plan { entries })
    }
}

/// The last number in a file's name; digits of the extension do not count.
fn step_of(path: &Path) -> Result<usize> {
    let parse = || {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(&format!(".{EXTENSION}")).unwrap_or(&name);
        let is_digit = |c: char| c.is_ascii_digit();
        let Some(end) = name.rfind(is_digit) else {
            bail!("there is no number in it");
        };
        let start = name[..end].rfind(|c| !is_digit(c)).map_or(0, |before| {
            before + name[before..].chars().next().map_or(0, char::len_utf8)
        });
        match name[start..=end].parse() {
            Ok(step) if step <= MAX_STEP => Ok(step),
            _ => bail!("its last number is no step: steps are 0 to {MAX_STEP}"),
        }
    };
    parse()
        .with_context(|| format!("the name of {} does not tell its step", path.display()))
        .map_err(|error| with_hint(error, "give the first file's step with --step"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_is_the_step() {
        for (name, step) in [
            ("step_00012.safetensors", 12),
            ("runs/7/lr3-ckpt40k.safetensors", 40),
            ("9", 9),
            ("ü5ü.safetensors", 5),
            ("a1b2.7.safetensors", 7),
            ("0000000000000000000000003", 3),
        ] {
            assert_eq!(step_of(Path::new(name)).unwrap(), step, "{name}");
        }
        for name in [
            "a.safetensors",
            "7/a",
            "",
            "..",
            "x4294967296",
            "99999999999999999999999",
        ] {
            assert!(step_of(Path::new(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn names_with_steps_are_put_in_order() {
        let paths = ["c-10", "c-9", "c-100"].map(PathBuf::from);
        let plan = Plan::new(&paths, None, true).unwrap();
        let names: Vec<_> = plan.entries.iter().map(Entry::name).collect();
        assert_eq!(names, ["c-9", "c-10", "c-100"]);
        assert!(Plan::new(&["a-1", "b-01"].map(PathBuf::from), None, true).is_err());
        let plan = Plan::new(&paths, Some(5), false).unwrap();
        assert_eq!(plan.entries[2].step, Some(7));
        assert_eq!(plan.entries[2].name(), "c-100");
    }
}
