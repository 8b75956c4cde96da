use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Which steps of a layer stay. The states of those that stay are kept bit for bit; what the steps
/// between two of them changed becomes one change, of the later one.
///
/// A policy that was set is applied as steps arrive, some at a time: see
/// [`TemporalLayer::set_retention`](crate::TemporalLayer::set_retention). Steps with tags always
/// stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Retention {
    /// All steps.
    #[default]
    KeepAll,
    /// The newest so many steps, at least 1. The state before them becomes the base, so that one
    /// state more stays readable.
    KeepLast(usize),
    /// The newest steps closely, older ones ever more coarsely; the last tier is followed by the
    /// base. Each tier goes on where the one before it ends, and its `every` is a multiple of that
    /// one's.
    Tiered(Vec<Tier>),
}

/// So many steps, one of every so many timesteps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tier {
    /// How many steps it keeps, at least 1.
    pub steps: usize,
    /// The newest step of each run of so many timesteps stays, runs ending at multiples of it: with
    /// 10, of steps 1 to 10 the last there is. At least 1.
    pub every: usize,
}

/// Steps that wait at least until a policy is applied on its own: those of a slab.
const LEAST_BATCH: usize = 8;

impl Retention {
    /// Whether the policy can be followed. Errors: `KeepsNothing`, `TiersDoNotNest`.
    pub fn check(&self) -> Result<()> {
        if self
            .tiers()
            .iter()
            .any(|tier| tier.steps == 0 || tier.every == 0)
            || *self == Retention::Tiered(Vec::new())
        {
            return Err(Error::KeepsNothing {
                retention: self.to_string(),
            });
        }
        let tiers = self.tiers();
        let broken = tiers
            .windows(2)
            .find(|pair| !pair[1].every.is_multiple_of(pair[0].every));
        match broken {
            Some(pair) => Err(Error::TiersDoNotNest {
                finer: pair[0].every,
                coarser: pair[1].every,
            }),
            None => Ok(()),
        }
    }

    fn tiers(&self) -> Vec<Tier> {
        match self {
            Retention::KeepAll => Vec::new(),
            &Retention::KeepLast(steps) => vec![Tier { steps, every: 1 }],
            Retention::Tiered(tiers) => tiers.clone(),
        }
    }

    /// The places of the steps that stay, ascending. `steps` are the base's label and the steps
    /// after it. Of the same steps with one more at the end no other old ones stay.
    pub(crate) fn retained(&self, steps: &[i32], is_pinned: impl Fn(i32) -> bool) -> Vec<usize> {
        let tiers = self.tiers();
        if tiers.is_empty() || steps.len() < 2 {
            return (0..steps.len()).collect();
        }
        // The newest step of its run, of all that there are.
        let stands_for_run = |place: usize, every: usize| {
            let run = |step: i32| (step as usize).div_ceil(every);
            let next = steps.get(place + 1);
            next.is_none_or(|next| run(*next) != run(steps[place]))
        };
        let mut stays = vec![false; steps.len()];
        let mut end = steps.len();
        let mut full = true;
        for (i, tier) in tiers.iter().enumerate() {
            // The base comes on top.
            let wanted = tier.steps.saturating_add(usize::from(i + 1 == tiers.len()));
            let mut found = 0;
            while found < wanted && end > 0 {
                end -= 1;
                if stands_for_run(end, tier.every) {
                    stays[end] = true;
                    found += 1;
                }
            }
            full &= found == wanted;
        }
        // As long as there is room the history begins where it began.
        stays[0] |= !full;
        stays[steps.len() - 1] = true;
        (0..steps.len())
            .filter(|place| stays[*place] || is_pinned(steps[*place]))
            .collect()
    }

    /// How many steps may wait before the policy is applied on its own: so that applying it costs
    /// each step little.
    pub(crate) fn batch(&self) -> usize {
        let kept: usize = self
            .tiers()
            .iter()
            .fold(0, |sum, tier| sum.saturating_add(tier.steps));
        (kept / 8).max(LEAST_BATCH)
    }
}

/// As [`Retention::from_str`] reads it.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Retention::KeepAll => f.write_str("all"),
            Retention::KeepLast(steps) => write!(f, "last {steps}"),
            Retention::Tiered(tiers) => {
                f.write_str("tiers ")?;
                for (i, tier) in tiers.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{tier}")?;
                }
                Ok(())
            }
        }
    }
}

/// `40@10`: 40 steps, one of every 10.
impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.steps, self.every)
    }
}

/// Reads `all`, `last 1000` and `tiers 10,40@10,50@100`.
impl FromStr for Retention {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::UnknownRetention {
            text: text.to_owned(),
        };
        let retention = match text.trim().split_once(' ') {
            None if text.trim() == "all" => Retention::KeepAll,
            Some(("last", steps)) => {
                Retention::KeepLast(steps.trim().parse().map_err(|_| unknown())?)
            }
            Some(("tiers", tiers)) => {
                let tiers = tiers.split(',').map(|tier| tier.trim().parse());
                Retention::Tiered(tiers.collect::<Result<_>>().map_err(|_| unknown())?)
            }
            _ => return Err(unknown()),
        };
        retention.check()?;
        Ok(retention)
    }
}

/// Reads `10` and `40@10`.
impl FromStr for Tier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| {
            text.parse().map_err(|_| Error::UnknownRetention {
                text: text.to_owned(),
            })
        };
        let (steps, every) = text.split_once('@').unwrap_or((text, "1"));
        Ok(Tier {
            steps: number(steps)?,
            every: number(every)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retained(policy: &str, steps: &[i32], pinned: &[i32]) -> Vec<i32> {
        let policy: Retention = policy.parse().unwrap();
        let places = policy.retained(steps, |step| pinned.contains(&step));
        places.into_iter().map(|place| steps[place]).collect()
    }

    fn up_to(latest: i32) -> Vec<i32> {
        (0..=latest).collect()
    }

    #[test]
    fn the_last_ones_stay_upon_the_state_before_them() {
        assert_eq!(retained("last 3", &up_to(10), &[]), [7, 8, 9, 10]);
        assert_eq!(retained("last 10", &up_to(10), &[]), up_to(10));
        assert_eq!(retained("last 11", &up_to(10), &[]), up_to(10));
        assert_eq!(retained("last 1", &[5], &[]), [5]);
        let no_end = format!("last {}", usize::MAX);
        assert_eq!(retained(&no_end, &up_to(10), &[]), up_to(10));
        assert_eq!(retained("all", &up_to(3), &[]), up_to(3));
    }

    #[test]
    fn older_steps_stay_ever_more_coarsely() {
        let found = retained("tiers 10,4@10,5@100", &up_to(1234), &[]);
        let mut expected = vec![600, 700, 800, 900, 1000, 1100, 1190, 1200, 1210, 1220];
        expected.extend(1225..=1234);
        assert_eq!(found, expected);
        // As long as there is room the base stays.
        assert_eq!(
            retained("tiers 2,3@10", &up_to(25), &[]),
            [0, 10, 20, 24, 25]
        );
        assert_eq!(
            retained("tiers 2,3@10", &[3, 4, 11, 12, 13, 30, 31, 32], &[]),
            [3, 4, 13, 30, 31, 32]
        );
    }

    #[test]
    fn tags_pin_steps() {
        assert_eq!(retained("last 2", &up_to(9), &[0, 4]), [0, 4, 7, 8, 9]);
        assert_eq!(
            retained("tiers 1,1@10", &up_to(35), &[17]),
            [17, 20, 30, 35]
        );
    }

    /// What has gone is not missed later: applying a policy at every step, or now and then, leaves
    /// the same steps.
    #[test]
    fn it_does_not_matter_when_a_policy_is_applied() {
        for policy in ["last 5", "tiers 3,4@4,5@12", "tiers 2@3,2@6", "tiers 1,1@7"] {
            let policy: Retention = policy.parse().unwrap();
            for gap in 1..5 {
                let (mut often, mut rarely) = (vec![0], vec![0]);
                for i in 1..200 {
                    let step = i * gap + i % 3;
                    if step <= often[often.len() - 1] {
                        continue;
                    }
                    let apply = |steps: &mut Vec<i32>| {
                        let places = policy.retained(steps, |step| step == 42);
                        *steps = places.into_iter().map(|place| steps[place]).collect();
                    };
                    often.push(step);
                    rarely.push(step);
                    apply(&mut often);
                    if i % 13 == 0 {
                        apply(&mut rarely);
                        assert_eq!(often, rarely, "{policy} at {step}");
                    }
                }
            }
        }
    }

    #[test]
    fn policies_that_cannot_be() {
        for policy in ["last 0", "tiers 10,0@10", "tiers 3@0"] {
            let refused = policy.parse::<Retention>();
            assert!(
                matches!(refused, Err(Error::KeepsNothing { .. })),
                "{policy}"
            );
        }
        assert!(matches!(
            Retention::Tiered(Vec::new()).check(),
            Err(Error::KeepsNothing { .. })
        ));
        for policy in ["tiers 10,4@10,5@15", "tiers 3@2,4", "tiers 3@2,4@3"] {
            let refused = policy.parse::<Retention>();
            assert!(
                matches!(refused, Err(Error::TiersDoNotNest { .. })),
                "{policy}"
            );
        }
        for text in [
            "",
            "last",
            "last -1",
            "tiers",
            "tiers 3x4",
            "some 3",
            "last 3 4",
        ] {
            let refused = text.parse::<Retention>();
            assert!(
                matches!(&refused, Err(Error::UnknownRetention { text: found }) if found == text),
                "{refused:?}"
            );
        }
        for text in ["all", "last 1000", "tiers 10@1,40@10,50@100"] {
            assert_eq!(text.parse::<Retention>().unwrap().to_string(), text);
        }
    }
}
