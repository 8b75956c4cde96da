use super::Evolution;

/// One weight on its way.
#[derive(Clone, Copy, Default)]
pub(super) struct Track {
    pub(super) path: f64,
    largest: f64,
    pub(super) changes: u32,
    /// Steps by their place in the range.
    first: u32,
    last: u32,
    flips: u32,
    begin: f32,
    end: f32,
    /// Which way the last move went that had a length, as its sign; 0 before there is one.
    direction: i32,
}

/// The larger of two lengths, neither of which is NaN: for the innermost loop.
#[inline]
fn longer(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}

/// One change: how long it was, and whether its weight turned.
pub(super) struct Move {
    length: f64,
    turned: bool,
}

impl Track {
    /// The next change of the weight.
    #[inline]
    pub(super) fn go(&mut self, step: u32, before: f32, after: f32) -> Move {
        if self.changes == 0 {
            (self.first, self.begin) = (step, before);
        }
        self.changes += 1;
        (self.last, self.end) = (step, after);
        let mut moved = f64::from(after) - f64::from(before);
        if !moved.is_finite() {
            moved = 0.0;
        }
        let length = moved.abs();
        let direction = i32::from(moved > 0.0) - i32::from(moved < 0.0);
        let turned = direction * self.direction < 0;
        if direction != 0 {
            self.direction = direction;
        }
        self.path += length;
        self.largest = longer(self.largest, length);
        self.flips += u32::from(turned);
        Move { length, turned }
    }

    fn net(&self) -> f64 {
        let net = (f64::from(self.end) - f64::from(self.begin)).abs();
        if net.is_finite() { net } else { 0.0 }
    }

    pub(super) fn finish(&self, steps: &[usize]) -> Evolution {
        let mut own = Total::default();
        own.add(self);
        own.finish(steps)
    }
}

/// Several weights together.
#[derive(Clone, Copy, Default)]
pub(super) struct Total {
    changes: u64,
    changed: u64,
    flips: u64,
    first: u32,
    last: u32,
    path: f64,
    net: f64,
    largest: f64,
}

impl Total {
    #[inline]
    pub(super) fn add(&mut self, weight: &Track) {
        if weight.changes == 0 {
            return;
        }
        self.first = if self.changes == 0 {
            weight.first
        } else {
            self.first.min(weight.first)
        };
        self.last = self.last.max(weight.last);
        self.changes += u64::from(weight.changes);
        self.changed += 1;
        self.flips += u64::from(weight.flips);
        self.path += weight.path;
        self.net += weight.net();
        self.largest = longer(self.largest, weight.largest);
    }

    pub(super) fn finish(&self, steps: &[usize]) -> Evolution {
        let step = |place: u32| (self.changes > 0).then(|| steps[place as usize]);
        Evolution {
            changes: self.changes,
            changed: self.changed,
            first: step(self.first),
            last: step(self.last),
            path: self.path,
            net: self.net,
            largest: self.largest,
            flips: self.flips,
        }
    }
}

/// What one step did to the weights of a tile.
#[derive(Clone, Copy, Default)]
pub(super) struct StepTotal {
    changes: u32,
    flips: u32,
    path: f64,
    largest: f64,
}

impl StepTotal {
    #[inline]
    pub(super) fn add(&mut self, one: &Move) {
        self.changes += 1;
        self.flips += u32::from(one.turned);
        self.path += one.length;
        self.largest = longer(self.largest, one.length);
    }

    /// In one step a weight's path is its net move.
    pub(super) fn finish(&self, step: usize) -> Evolution {
        let step = (self.changes > 0).then_some(step);
        Evolution {
            changes: u64::from(self.changes),
            changed: u64::from(self.changes),
            first: step,
            last: step,
            path: self.path,
            net: self.path,
            largest: self.largest,
            flips: u64::from(self.flips),
        }
    }
}
