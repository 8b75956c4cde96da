//! Made-up runs: one matrix, of which a share changes at each step, or which is trained.

mod adam;
mod change;
mod normal;
mod state;

use std::fmt;
use std::fs;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

use super::checkpoint_format::CheckpointFormat;
use super::measure::available_memory;
use super::run_source::RunSource;
use super::scratch::Scratch;
use crate::{Listener, background};
use change::Change;
use state::State;

/// What seeds the random numbers where no seed is given.
const SEED: u64 = 1;

/// A run to make up: one matrix of normally distributed weights, of which a share changes at each step,
/// or which Adam trains. The same one always has the same weights.
///
/// It is read from `ROWSxCOLSxSTEPS,SHARE[,SEED]` or `ROWSxCOLSxSTEPS,adam=LR[,SEED]`, such as
/// `256x256x40,1%` or `256x256x40,adam=3e-6,7`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MadeUpRun {
    rows: usize,
    cols: usize,
    /// Steps after the first checkpoint.
    steps: usize,
    change: Change,
    seed: u64,
}

impl FromStr for MadeUpRun {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let (size, change, seed) = match parts[..] {
            [size, change] => (size, change, None),
            [size, change, seed] => (size, change, Some(seed)),
            _ => bail!("it is ROWSxCOLSxSTEPS,SHARE[,SEED] or ROWSxCOLSxSTEPS,adam=LR[,SEED]"),
        };
        let sizes: Vec<&str> = size.split('x').collect();
        let [rows, cols, steps] = sizes[..] else {
            bail!("'{size}' is not ROWSxCOLSxSTEPS, such as 256x256x40");
        };
        let (rows, cols) = (count("rows", rows)?, count("columns", cols)?);
        let weights = rows.checked_mul(cols);
        ensure!(
            weights.is_some_and(|weights| weights <= 1 << 40),
            "{rows} x {cols} are too many weights"
        );
        Ok(MadeUpRun {
            rows,
            cols,
            steps: count("steps", steps)?,
            change: change.parse()?,
            seed: match seed {
                Some(seed) => seed
                    .parse()
                    .with_context(|| format!("the seed '{seed}' is not a whole number"))?,
                None => SEED,
            },
        })
    }
}

/// A number from 1 to what a layer can have.
fn count(what: &str, text: &str) -> Result<usize> {
    let number: i32 = text
        .parse()
        .with_context(|| format!("'{text}' is not a number of {what}"))?;
    ensure!(
        (1..i32::MAX).contains(&number),
        "the number of {what} is {number}, where 1 to {} can be",
        i32::MAX - 1
    );
    Ok(number as usize)
}

impl fmt::Display for MadeUpRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MadeUpRun {
            rows,
            cols,
            steps,
            change,
            seed,
        } = self;
        write!(f, "{rows} x {cols} made up, ")?;
        match change {
            Change::Share(share) => write!(f, "{steps} steps of {} %", share * 100.0)?,
            Change::Adam(rate) => write!(f, "bf16, {steps} steps of Adam at {rate:e}")?,
        }
        write!(f, ", seed {seed}")
    }
}

impl MadeUpRun {
    /// Whether there is the memory that it takes.
    ///
    /// # Errors
    ///
    /// If there is not.
    pub fn check_memory(&self) -> Result<()> {
        // What makes the run up, or its file and what the store has of the weights.
        let each = State::bytes_per_weight(self.change).max(16);
        let needed = (self.rows * self.cols) as u64 * each as u64;
        let fits = available_memory().is_none_or(|available| needed <= available);
        ensure!(fits, "there is not enough memory for {self}");
        Ok(())
    }

    /// Writes the checkpoints into the scratch folder, one by one. One of them is in memory at a time.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub async fn write(
        &self,
        scratch: &Scratch,
        format: CheckpointFormat,
        listener: &dyn Listener,
    ) -> Result<RunSource> {
        let folder = scratch.path().join("checkpoints");
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        listener.begin(self.steps as u64 + 1);
        listener.doing("making up a run");
        let mut files = Vec::with_capacity(self.steps + 1);
        let (shape, change, seed) = ([self.rows, self.cols], self.change, self.seed);
        let first = move || Ok(State::first(shape, change, seed));
        let mut state = background::run(first).await?;
        for step in 0..=self.steps {
            let file = folder.join(format!("step_{step:05}.{}", format.extension));
            let path = file.clone();
            state = background::run(move || {
                if step > 0 {
                    state.advance();
                }
                (format.write)(&path, &state.checkpoint())?;
                Ok(state)
            })
            .await?;
            files.push(file);
            listener.advance();
        }
        RunSource::new(self.to_string(), files, format)
            .context("a run has two checkpoints at least")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_from_the_command_line() {
        let run = MadeUpRun {
            rows: 256,
            cols: 128,
            steps: 40,
            change: Change::Share(0.05),
            seed: SEED,
        };
        for text in ["256x128x40,0.05", "256x128x40,5%", "256x128x40, 5 %"] {
            assert_eq!(text.parse::<MadeUpRun>().unwrap(), run, "{text}");
        }
        let seeded = MadeUpRun { seed: 7, ..run };
        assert_eq!("256x128x40,5%,7".parse::<MadeUpRun>().unwrap(), seeded);
        let all = MadeUpRun {
            change: Change::Share(1.0),
            ..run
        };
        assert_eq!("256x128x40,100%".parse::<MadeUpRun>().unwrap(), all);
        let trained = MadeUpRun {
            change: Change::Adam(3e-6),
            ..run
        };
        for text in ["256x128x40,adam=3e-6", "256x128x40, adam = 0.000003"] {
            assert_eq!(text.parse::<MadeUpRun>().unwrap(), trained, "{text}");
        }
        let seeded = MadeUpRun { seed: 7, ..trained };
        assert_eq!(
            "256x128x40,adam=3e-6,7".parse::<MadeUpRun>().unwrap(),
            seeded
        );
    }

    #[test]
    fn runs_have_names() {
        for (text, name) in [
            (
                "256x128x40,5%",
                "256 x 128 made up, 40 steps of 5 %, seed 1",
            ),
            (
                "256x128x40,adam=0.000003,7",
                "256 x 128 made up, bf16, 40 steps of Adam at 3e-6, seed 7",
            ),
        ] {
            assert_eq!(text.parse::<MadeUpRun>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let cases = [
            ("", "ROWSxCOLSxSTEPS,SHARE"),
            ("256x256x40", "ROWSxCOLSxSTEPS,SHARE"),
            ("256x256,0.1", "256x256x40"),
            ("1x1x1x1,0.1", "256x256x40"),
            ("0x256x40,0.1", "number of rows is 0"),
            ("256x-1x40,0.1", "number of columns is -1"),
            ("256x256x0,0.1", "number of steps is 0"),
            ("256x256xmany,0.1", "'many' is not a number of steps"),
            ("99999999999x1x1,0.1", "not a number of rows"),
            ("2147483646x2147483646x1,0.1", "too many weights"),
            ("256x256x40,0", "more than 0"),
            ("256x256x40,1.5", "at most 1"),
            ("256x256x40,101%", "at most 1"),
            ("256x256x40,-1%", "more than 0"),
            ("256x256x40,nan", "more than 0"),
            ("256x256x40,some", "neither"),
            ("256x256x40,%", "neither"),
            ("256x256x40,0.1,x", "seed 'x'"),
            ("256x256x40,0.1,1,2", "ROWSxCOLSxSTEPS,SHARE"),
            ("256x256x40,adam", "nor adam=LR"),
            ("256x256x40,sgd=0.1", "nor adam=LR"),
            ("256x256x40,adam=", "'' is not a learning rate"),
            ("256x256x40,adam=some", "'some' is not a learning rate"),
            ("256x256x40,adam=1%", "'1%' is not a learning rate"),
            ("256x256x40,adam=0", "learning rate is '0'"),
            ("256x256x40,adam=-1e-6", "more than 0"),
            ("256x256x40,adam=1.5", "at most 1"),
            ("256x256x40,adam=inf", "at most 1"),
            ("256x256x40,adam=nan", "more than 0"),
            ("256x256x40,adam=1e-6,x", "seed 'x'"),
            ("256x256x40,adam=1e-6,1,2", "adam=LR[,SEED]"),
        ];
        for (text, reason) in cases {
            let error = text.parse::<MadeUpRun>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
