use std::str::FromStr;

use anyhow::{Context, Result, ensure};

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// Every f32 weight changes with this probability, which is more than 0 and at most 1.
    Share(f64),
    /// The bf16 weights are trained with this learning rate, which is more than 0 and at most 1.
    Adam(f64),
}

impl FromStr for Change {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((name, rate)) if name.trim_end() == "adam" => {
                parse_rate(rate.trim_start()).map(Change::Adam)
            }
            _ => parse_share(text).map(Change::Share),
        }
    }
}

/// `3e-6`
fn parse_rate(text: &str) -> Result<f64> {
    let rate: f64 = text
        .parse()
        .with_context(|| format!("'{text}' is not a learning rate, such as 3e-6"))?;
    ensure!(
        rate > 0.0 && rate <= 1.0,
        "the learning rate is '{text}', where more than 0 and at most 1 can be"
    );
    Ok(rate)
}

/// `0.01`, or `1%`.
fn parse_share(text: &str) -> Result<f64> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text, 1.0),
    };
    let number: f64 = number.parse().with_context(|| {
        format!("'{text}' is neither a share, such as 0.01 or 1%, nor adam=LR, such as adam=3e-6")
    })?;
    let share = number / unit;
    ensure!(
        share > 0.0 && share <= 1.0,
        "a share of '{text}' changes, where more than 0 and at most 1 (100%) can"
    );
    Ok(share)
}
