//! Made-up runs: one matrix of which a share changes at each step.

use std::f64::consts::TAU;
use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use temporal_vdb::{Checkpoint, Dtype, Tensor};

use super::measure::available_memory;
use crate::background;
use crate::checkpoint_file;
use crate::failure::with_hint;
use crate::progress::Progress;

/// Standard deviation of the weights at first: that of a linear layer of some thousand inputs.
const WEIGHTS: f64 = 0.02;

/// Standard deviation of what is added to a weight.
const DELTAS: f64 = 1e-4;

/// What seeds the random numbers where no seed is given.
const SEED: u64 = 1;

/// A run to make up: `ROWSxCOLSxSTEPS,SHARE[,SEED]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Generate {
    rows: usize,
    cols: usize,
    /// Steps after the first checkpoint.
    pub(super) steps: usize,
    /// The probability with which a weight changes at a step, 0 < share <= 1.
    share: f64,
    seed: u64,
}

impl FromStr for Generate {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let (size, share, seed) = match parts[..] {
            [size, share] => (size, share, None),
            [size, share, seed] => (size, share, Some(seed)),
            _ => bail!("it is ROWSxCOLSxSTEPS,SHARE or ROWSxCOLSxSTEPS,SHARE,SEED"),
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
        Ok(Generate {
            rows,
            cols,
            steps: count("steps", steps)?,
            share: parse_share(share)?,
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

/// `0.01`, or `1%`.
fn parse_share(text: &str) -> Result<f64> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let number: f64 = number
        .parse()
        .with_context(|| format!("'{text}' is neither a share such as 0.01 nor one such as 1%"))?;
    let share = number / unit;
    ensure!(
        share > 0.0 && share <= 1.0,
        "a share of '{text}' changes, where more than 0 and at most 1 (100%) can"
    );
    Ok(share)
}

impl fmt::Display for Generate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Generate {
            rows,
            cols,
            steps,
            share,
            seed,
        } = self;
        write!(
            f,
            "{rows} x {cols} made up, {steps} steps of {} %, seed {seed}",
            share * 100.0
        )
    }
}

impl Generate {
    /// Writes the checkpoints into a folder, one by one. One of them is in memory at a time.
    pub(super) async fn write(&self, folder: &Path, progress: &Progress) -> Result<Vec<PathBuf>> {
        // The weights, their file, and what the store has of them.
        let needed = (self.rows * self.cols) as u64 * 4 * 4;
        if available_memory().is_some_and(|available| needed > available) {
            return Err(with_hint(
                anyhow::anyhow!("there is not enough memory for {self}"),
                "use fewer rows or columns",
            ));
        }
        let mut files = Vec::with_capacity(self.steps + 1);
        let mut state = State::new(*self);
        for step in 0..=self.steps {
            let file = folder.join(format!("step_{step:05}.safetensors"));
            let path = file.clone();
            state = background::run(move || {
                if step == 0 {
                    state.fill();
                } else {
                    state.advance();
                }
                checkpoint_file::write(&path, &state.checkpoint())?;
                Ok(state)
            })
            .await?;
            files.push(file);
            progress.advance();
        }
        Ok(files)
    }
}

/// A run while it is made up.
struct State {
    run: Generate,
    weights: Vec<f32>,
    /// The weights as a file has them; used again at each step.
    bytes: Bytes,
    random: ChaCha8Rng,
}

impl State {
    fn new(run: Generate) -> Self {
        State {
            run,
            weights: Vec::new(),
            bytes: Bytes::new(),
            random: ChaCha8Rng::seed_from_u64(run.seed),
        }
    }

    fn fill(&mut self) {
        let random = &mut self.random;
        let weights = (0..self.run.rows * self.run.cols).map(|_| (normal(random) * WEIGHTS) as f32);
        self.weights = weights.collect();
    }

    fn advance(&mut self) {
        for weight in &mut self.weights {
            if self.random.random::<f64>() < self.run.share {
                *weight += (normal(&mut self.random) * DELTAS) as f32;
            }
        }
    }

    fn checkpoint(&mut self) -> Checkpoint {
        let mut bytes = Vec::from(mem::take(&mut self.bytes));
        bytes.clear();
        bytes.reserve_exact(size_of_val(&self.weights[..]));
        for weight in &self.weights {
            bytes.extend_from_slice(&weight.to_le_bytes());
        }
        self.bytes = bytes.into();
        let tensor = Tensor {
            name: "weight".to_owned(),
            dtype: Dtype::F32,
            shape: vec![self.run.rows, self.run.cols],
            data: self.bytes.clone(),
        };
        Checkpoint {
            tensors: vec![tensor],
            ..Checkpoint::default()
        }
    }
}

/// One normally distributed number of mean 0 and standard deviation 1 (Box and Muller 1958).
fn normal(random: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (TAU * random.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_from_the_command_line() {
        let run = Generate {
            rows: 256,
            cols: 128,
            steps: 40,
            share: 0.05,
            seed: SEED,
        };
        for text in ["256x128x40,0.05", "256x128x40,5%", "256x128x40, 5 %"] {
            assert_eq!(text.parse::<Generate>().unwrap(), run, "{text}");
        }
        let seeded = Generate { seed: 7, ..run };
        assert_eq!("256x128x40,5%,7".parse::<Generate>().unwrap(), seeded);
        let all = Generate { share: 1.0, ..run };
        assert_eq!("256x128x40,100%".parse::<Generate>().unwrap(), all);
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
        ];
        for (text, reason) in cases {
            let error = text.parse::<Generate>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_seed_is_a_run() {
        let weights = |text: &str| {
            let mut state = State::new(text.parse().unwrap());
            state.fill();
            let before = state.weights.clone();
            state.advance();
            (before, state.weights)
        };
        let (before, after) = weights("100x100x1,10%,3");
        assert_eq!((before.clone(), after.clone()), weights("100x100x1,10%,3"));
        assert_ne!(before, weights("100x100x1,10%,4").0);
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!((850..1150).contains(&changed), "{changed}");
        let variance = before.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / 1e4;
        assert!((variance.sqrt() - WEIGHTS).abs() < 0.001, "{variance}");
    }
}
