//! What becomes of a layer, in plain arithmetic.

use std::collections::{BTreeMap, BTreeSet};

use temporal_vdb::{Change, Dtype, Retention, Tensor, Tier};

use super::run::Act;

/// A layer as it must be found.
#[derive(Clone)]
pub struct Layer {
    pub name: &'static str,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Rows and columns; `None` for one that is kept whole.
    pub matrix: Option<(i32, i32)>,
    /// The step with which it came.
    pub created: usize,
    pub oldest: usize,
    /// Whether it began as zeros, which no commit names.
    pub is_zeros: bool,
    /// The tensor's bytes after its base and each step.
    pub states: BTreeMap<usize, Vec<u8>>,
    /// The changes of each step after the base.
    pub changes: BTreeMap<usize, BTreeMap<(i32, i32), Change>>,
    /// The newest state by elements.
    pub bits: Vec<u32>,
}

impl Layer {
    pub fn new(
        name: &'static str,
        dtype: Dtype,
        shape: &[usize],
        matrix: Option<(i32, i32)>,
    ) -> Self {
        let elements = shape.iter().product::<usize>();
        Layer {
            name,
            dtype,
            shape: shape.to_vec(),
            matrix,
            created: 0,
            oldest: 0,
            is_zeros: false,
            states: BTreeMap::new(),
            changes: BTreeMap::new(),
            bits: vec![0; if matrix.is_some() { elements } else { 0 }],
        }
    }

    /// Elements as a tensor's bytes.
    pub fn bytes(&self, bits: impl Iterator<Item = u32>) -> Vec<u8> {
        let size = self.dtype.size();
        let bytes = |bits: u32| bits.to_le_bytes().into_iter().take(size);
        bits.flat_map(bytes).collect()
    }

    /// Row and column of an element.
    pub fn weight(&self, i: usize) -> (i32, i32) {
        let cols = self.matrix.unwrap().1 as usize;
        ((i / cols) as i32, (i % cols) as i32)
    }

    /// The base is what the layer is now.
    pub fn begin(&mut self, step: usize) {
        (self.created, self.oldest) = (step, step);
        let bytes = self.bytes(self.bits.iter().copied());
        self.states.insert(step, bytes);
    }

    /// What a step makes of it; the first one makes its base.
    pub fn follow(&mut self, step: usize, act: &Act) {
        if self.matrix.is_none() {
            let Act::Tensor(bytes) = act else {
                panic!("changes of a tensor that is kept whole")
            };
            self.states.insert(step, bytes.clone());
            return;
        }
        let mut changes = BTreeMap::new();
        match act {
            Act::Tensor(bytes) | Act::Snapped(_, bytes) => {
                for (i, element) in bytes.chunks_exact(self.dtype.size()).enumerate() {
                    let after = bits_of(element);
                    let before = std::mem::replace(&mut self.bits[i], after);
                    if before != after {
                        let change = derived(self.value(before), self.value(after));
                        changes.insert(self.weight(i), change);
                    }
                }
            }
            Act::Changes(delta) => {
                let cols = self.matrix.unwrap().1;
                for ((row, col), change) in delta.iter() {
                    let i = (row * cols + col) as usize;
                    let sum = self.value(self.bits[i]) + change.delta;
                    self.bits[i] = self.narrow(change.exact.unwrap_or(sum));
                    changes.insert((row, col), change);
                }
            }
        }
        if self.states.is_empty() {
            self.begin(step);
        } else {
            let bytes = self.bytes(self.bits.iter().copied());
            self.states.insert(step, bytes);
            self.changes.insert(step, changes);
        }
    }

    /// Only the newest steps are retained.
    pub fn prune(&mut self, keep: usize) {
        self.oldest = *self.states.keys().rev().nth(keep).unwrap();
        self.states.retain(|step, _| *step >= self.oldest);
        self.changes.retain(|step, _| *step > self.oldest);
    }

    /// Only the steps that a policy keeps are retained, and those that answer for tagged times.
    pub fn follow_policy(&mut self, policy: &Retention, tagged: impl Iterator<Item = usize>) {
        let steps: Vec<usize> = self.states.keys().copied().collect();
        let mut stays = kept(policy, &steps);
        stays.extend(tagged.filter_map(|t| Some(self.state_at(t)?.0)));
        self.oldest = *stays.first().unwrap();
        // What steps that go changed becomes part of the next one that stays.
        for pair in stays.iter().collect::<Vec<_>>().windows(2) {
            let (from, to) = (*pair[0], *pair[1]);
            let is_merged = self.states.range(from + 1..to).next().is_some();
            if is_merged && self.matrix.is_some() {
                let changes = self.changes_between(&self.states[&from], &self.states[&to]);
                self.changes.insert(to, changes);
            }
        }
        self.states.retain(|step, _| stays.contains(step));
        self.changes
            .retain(|step, _| stays.contains(step) && *step > self.oldest);
    }

    fn changes_between(&self, before: &[u8], after: &[u8]) -> BTreeMap<(i32, i32), Change> {
        let elements = |bytes: &[u8]| {
            let elements = bytes.chunks_exact(self.dtype.size());
            elements.map(bits_of).collect::<Vec<_>>()
        };
        let pairs = elements(before).into_iter().zip(elements(after));
        let changed = pairs.enumerate().filter(|(_, (a, b))| a != b);
        changed
            .map(|(i, (a, b))| (self.weight(i), derived(self.value(a), self.value(b))))
            .collect()
    }

    /// The steps after `t` have not been.
    pub fn roll_back(&mut self, t: usize) {
        self.states.retain(|step, _| *step <= t);
        self.changes.retain(|step, _| *step <= t);
        if self.matrix.is_some() {
            let (_, bytes) = self.state_at(t).unwrap();
            self.bits = bytes.chunks_exact(self.dtype.size()).map(bits_of).collect();
        }
    }

    /// Its steps that are commits.
    pub fn commits(&self) -> impl Iterator<Item = &usize> {
        let steps = self.states.keys();
        steps.filter(|step| !self.is_zeros || **step > 0)
    }

    /// The newest state not after `t`, and its step.
    pub fn state_at(&self, t: usize) -> Option<(usize, &[u8])> {
        let (step, bytes) = self.states.range(..=t).next_back()?;
        Some((*step, bytes))
    }

    /// The tensor in a state.
    pub fn tensor(&self, bytes: &[u8]) -> Tensor {
        Tensor {
            name: self.name.to_owned(),
            dtype: self.dtype,
            shape: self.shape.clone(),
            data: bytes.to_vec().into(),
        }
    }

    /// Values of a state, row-major, with zeros behind the end of a vector.
    pub fn values(&self, bytes: &[u8]) -> Vec<f32> {
        let (rows, cols) = self.matrix.unwrap();
        let elements = bytes.chunks_exact(self.dtype.size());
        let mut values: Vec<f32> = elements
            .map(|element| self.value(bits_of(element)))
            .collect();
        values.resize(rows as usize * cols as usize, 0.0);
        values
    }

    /// The value of an element.
    pub fn value(&self, bits: u32) -> f32 {
        match self.dtype {
            Dtype::Bf16 => f32::from_bits(bits << 16),
            Dtype::F16 => {
                let (sign, exponent, fraction) = (bits >> 15, bits >> 10 & 31, bits & 0x3ff);
                let magnitude = match exponent {
                    31 => f32::from_bits(0x7f80_0000 | fraction << 13),
                    0 => fraction as f32 / (1 << 24) as f32,
                    _ => (1024 + fraction) as f32 * 2f32.powi(exponent as i32 - 25),
                };
                f32::from_bits(sign << 31 | magnitude.to_bits())
            }
            _ => f32::from_bits(bits),
        }
    }

    /// The element nearest to a value that is not too large, the even one of two; NaN for NaN.
    pub fn nearest(&self, value: f32) -> u32 {
        if self.dtype == Dtype::F32 {
            return value.to_bits();
        }
        let last = if self.dtype == Dtype::F16 {
            0x7c00
        } else {
            0x7f80
        };
        let sign = u32::from(value.is_sign_negative()) << 15;
        let value = value.abs();
        if value.is_nan() {
            return last + 1;
        }
        // Positive elements ascend by their bits.
        let (mut low, mut high) = (0, last);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if self.value(middle) <= value {
                low = middle;
            } else {
                high = middle;
            }
        }
        let (below, above) = (value - self.value(low), self.value(high) - value);
        let up = above < below || (above == below && low % 2 == 1);
        sign | if up { high } else { low }
    }

    /// The element of a value, which has one.
    fn narrow(&self, value: f32) -> u32 {
        let same = |bits: &u32| self.value(*bits).to_bits() == value.to_bits();
        match self.dtype {
            Dtype::F32 => value.to_bits(),
            _ => (0..=0xffff).find(same).unwrap(),
        }
    }
}

/// The bits of one element.
fn bits_of(element: &[u8]) -> u32 {
    element
        .iter()
        .rev()
        .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
}

/// The steps that a policy keeps, of all there are with the base's first: the newest of each run of
/// timesteps, so many in each tier, and the base.
fn kept(policy: &Retention, steps: &[usize]) -> BTreeSet<usize> {
    let tiers = match policy {
        Retention::KeepAll => return steps.iter().copied().collect(),
        Retention::KeepLast(steps) => &vec![Tier {
            steps: *steps,
            every: 1,
        }],
        Retention::Tiered(tiers) => tiers,
    };
    let mut older = steps.iter().rev();
    let mut newer = None;
    let mut found = BTreeSet::from([steps[steps.len() - 1]]);
    for (i, tier) in tiers.iter().enumerate() {
        let mut wanted = tier.steps + usize::from(i + 1 == tiers.len());
        while wanted > 0 {
            let Some(&step) = older.next() else {
                found.insert(steps[0]); // there is room
                return found;
            };
            let run = |step: usize| step.div_ceil(tier.every);
            if newer
                .replace(step)
                .is_none_or(|newer| run(newer) > run(step))
            {
                found.insert(step);
                wanted -= 1;
            }
        }
    }
    found
}

/// The change between two values of other bits: their difference, where it is finite and not 0, and
/// a mark where adding that does not give the second value's bits.
pub fn derived(before: f32, after: f32) -> Change {
    let difference = after - before;
    let added = difference.is_finite() && difference != 0.0;
    let lands = if added { before + difference } else { before };
    let exact = before.is_finite() && after.is_finite() && lands.to_bits() == after.to_bits();
    Change {
        delta: if added { difference } else { 0.0 },
        exact: (!exact).then_some(after),
    }
}
