use super::Evolution;

/// The most active of all that are offered.
#[derive(Clone, Debug)]
pub(super) struct Hottest<U> {
    top: usize,
    kept: Vec<(U, Evolution)>,
    /// Changes and path of the last of those that are kept, once there are enough.
    least: (u64, f64),
}

impl<U: Ord + Copy> Hottest<U> {
    pub(super) fn new(top: usize) -> Self {
        Hottest {
            top,
            kept: Vec::new(),
            least: (0, 0.0),
        }
    }

    /// Whether one with so many changes and such a path may be among them: a quick way to refuse.
    #[inline]
    pub(super) fn may_take(&self, changes: u64, path: f64) -> bool {
        let (least, shortest) = self.least;
        self.top > 0 && (changes > least || changes == least && path >= shortest)
    }

    pub(super) fn offer(&mut self, unit: U, own: Evolution) {
        if own.changes > 0 && self.may_take(own.changes, own.path) {
            self.kept.push((unit, own));
            if self.kept.len() >= self.top.saturating_mul(2).max(64) {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        let order = |a: &(U, Evolution), b: &(U, Evolution)| {
            let unit = || a.0.cmp(&b.0);
            a.1.more_active(&b.1).then_with(unit)
        };
        if self.top < self.kept.len() {
            self.kept.select_nth_unstable_by(self.top, order);
            self.kept.truncate(self.top);
        }
        self.kept.sort_unstable_by(order);
        if let Some((_, last)) = self.kept.last().filter(|_| self.kept.len() == self.top) {
            self.least = (last.changes, last.path);
        }
    }

    /// The most active first; of equal ones the first unit.
    pub(super) fn finish(mut self) -> Vec<(U, Evolution)> {
        self.cut();
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_active_are_kept_in_order() {
        let own = |i: u64| Evolution {
            changes: i % 7,
            path: (i % 5) as f64,
            ..Evolution::default()
        };
        let mut all: Vec<(u64, Evolution)> = (0..500).map(|i| (i, own(i))).collect();
        for top in [0, 1, 9, 64, 100, 1000] {
            let mut hottest = Hottest::new(top);
            all.iter().for_each(|&(unit, own)| hottest.offer(unit, own));
            let mut expected: Vec<_> = all.clone();
            expected.retain(|(_, own)| own.changes > 0);
            expected.sort_by(|a, b| {
                let key = |e: &Evolution| (e.changes, e.path as u64);
                key(&b.1).cmp(&key(&a.1)).then(a.0.cmp(&b.0))
            });
            expected.truncate(top);
            assert_eq!(hottest.finish(), expected, "{top}");
            all.reverse();
        }
    }
}
