//! The queries, answered the slow way: from the state after each retained step and from what each
//! step changed. Nothing here shares a line with what it judges.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use temporal_vdb::{
    By, CoOccurrence, Coordinate3D, Evolution, Group, LayerEvolution, Progress, Region,
    TemporalQueries, Together, Unit,
};

const TILE: i32 = 128;

/// One change of a weight.
#[derive(Clone, Copy)]
struct Move {
    step: usize,
    before: f32,
    after: f32,
}

/// A layer over time, weight by weight.
pub struct Brute {
    pub shape: (i32, i32),
    pub oldest: usize,
    /// The retained steps of changes.
    pub steps: Vec<usize>,
    base: Vec<f32>,
    /// Of each weight, row-major.
    moves: Vec<Vec<Move>>,
}

/// How a layer moved.
pub struct Expected {
    pub weights: Vec<Evolution>,
    pub rows: Vec<Evolution>,
    pub columns: Vec<Evolution>,
    pub tiles: Vec<Evolution>,
    pub layer: Evolution,
    pub steps: Vec<(usize, Evolution)>,
}

/// Units that take part in a question, and the pairs and clusters among them.
pub struct ExpectedTogether {
    pub sets: BTreeMap<Unit, BTreeSet<usize>>,
    pub pairs: Vec<(Unit, Unit, f64)>,
    pub groups: Vec<Group>,
}

impl Brute {
    pub async fn of(layer: &dyn TemporalQueries) -> Self {
        let oldest = layer.oldest().await.unwrap();
        let steps = layer.steps().await.unwrap();
        let base = layer.weights_at_time(oldest).await.unwrap();
        let shape = base.shape();
        let base = base.to_dense().unwrap();
        let mut moves = vec![Vec::new(); base.len()];
        let mut state = base.clone();
        for &step in &steps {
            let next = layer.weights_at_time(step).await.unwrap();
            let next = next.to_dense().unwrap();
            let delta = layer.get_delta_layer(step).await.unwrap();
            let mut touched = BTreeSet::new();
            for ((row, col), _) in delta.iter() {
                let at = (row * shape.1 + col) as usize;
                touched.insert(at);
                moves[at].push(Move {
                    step,
                    before: state[at],
                    after: next[at],
                });
            }
            for (at, (before, after)) in state.iter().zip(&next).enumerate() {
                let same = before.to_bits() == after.to_bits();
                assert!(same || touched.contains(&at), "{at} moved at {step}");
            }
            state = next;
        }
        Brute {
            shape,
            oldest,
            steps,
            base,
            moves,
        }
    }

    fn at(&self, row: i32, col: i32) -> usize {
        (row * self.shape.1 + col) as usize
    }

    fn unit(&self, at: usize, by: By) -> Unit {
        let (row, col) = (at as i32 / self.shape.1, at as i32 % self.shape.1);
        match by {
            By::Weight => Unit::Weight(row, col),
            By::Row => Unit::Row(row),
            By::Column => Unit::Column(col),
        }
    }

    pub fn history(&self, (row, col): (i32, i32)) -> Vec<(usize, u32)> {
        let at = self.at(row, col);
        let moves = self.moves[at].iter();
        let base = (self.oldest, self.base[at].to_bits());
        std::iter::once(base)
            .chain(moves.map(|one| (one.step, one.after.to_bits())))
            .collect()
    }

    pub fn evolution(&self, times: &RangeInclusive<usize>) -> Expected {
        let (rows, cols) = (self.shape.0 as usize, self.shape.1 as usize);
        let across = (self.shape.1 as usize).div_ceil(TILE as usize);
        let down = (self.shape.0 as usize).div_ceil(TILE as usize);
        let still = Evolution::default();
        let retained = self.steps.iter().filter(|step| times.contains(step));
        let mut made = Expected {
            weights: Vec::new(),
            rows: vec![still; rows],
            columns: vec![still; cols],
            tiles: vec![still; across * down],
            layer: still,
            steps: retained.map(|step| (*step, still)).collect(),
        };
        for (at, moves) in self.moves.iter().enumerate() {
            let (row, col) = (at / cols, at % cols);
            let mut own = still;
            // The last move that had a direction.
            let mut up = None;
            let mut ends = None;
            for one in moves.iter().filter(|one| times.contains(&one.step)) {
                let moved = f64::from(one.after) - f64::from(one.before);
                let length = if moved.is_finite() { moved.abs() } else { 0.0 };
                let now = (length > 0.0).then_some(moved > 0.0);
                let turned = now.is_some() && up.is_some() && now != up;
                up = now.or(up);
                let step = Evolution {
                    changes: 1,
                    changed: 1,
                    first: Some(one.step),
                    last: Some(one.step),
                    path: length,
                    net: length,
                    largest: length,
                    flips: u64::from(turned),
                };
                let (_, all) = made.steps.iter_mut().find(|(t, _)| *t == one.step).unwrap();
                join(all, &step);
                join(&mut own, &step);
                let (begin, _) = ends.unwrap_or((one.before, one.after));
                ends = Some((begin, one.after));
            }
            if let Some((begin, end)) = ends {
                let net = (f64::from(end) - f64::from(begin)).abs();
                own.net = if net.is_finite() { net } else { 0.0 };
                own.changed = 1;
                let tile = row / TILE as usize * across + col / TILE as usize;
                join(&mut made.rows[row], &own);
                join(&mut made.columns[col], &own);
                join(&mut made.tiles[tile], &own);
                join(&mut made.layer, &own);
            }
            made.weights.push(own);
        }
        made
    }

    /// At which steps of a range each unit changed, those that did.
    fn sets(&self, by: By, times: &RangeInclusive<usize>) -> BTreeMap<Unit, BTreeSet<usize>> {
        let mut sets: BTreeMap<Unit, BTreeSet<usize>> = BTreeMap::new();
        for (at, moves) in self.moves.iter().enumerate() {
            for one in moves.iter().filter(|one| times.contains(&one.step)) {
                sets.entry(self.unit(at, by)).or_default().insert(one.step);
            }
        }
        sets
    }

    pub fn score(&self, a: (i32, i32), b: (i32, i32)) -> f64 {
        let steps = |(row, col): (i32, i32)| -> BTreeSet<usize> {
            let moves = self.moves[self.at(row, col)].iter();
            moves.map(|one| one.step).collect()
        };
        jaccard(self.mask(&steps(a)), self.mask(&steps(b)))
    }

    fn mask(&self, steps: &BTreeSet<usize>) -> u128 {
        assert!(self.steps.len() <= 128);
        let places = steps.iter().map(|step| self.steps.binary_search(step));
        places.fold(0, |mask, place| mask | 1 << place.unwrap())
    }

    pub fn together(&self, query: &CoOccurrence) -> ExpectedTogether {
        let mut sets = self.sets(query.by, &query.times);
        sets.retain(|_, steps| steps.len() >= query.min_changes);
        if let Some(t) = query.at {
            let then = self.sets(query.by, &(t..=t));
            sets.retain(|unit, _| then.contains_key(unit));
        }
        let units: Vec<Unit> = sets.keys().copied().collect();
        let masks: Vec<u128> = sets.values().map(|steps| self.mask(steps)).collect();
        let mut pairs = Vec::new();
        // Each unit's cluster, by the place of one of its members.
        let mut cluster: Vec<usize> = (0..units.len()).collect();
        for i in 0..units.len() {
            for j in i + 1..units.len() {
                let score = jaccard(masks[i], masks[j]);
                if score > query.above {
                    pairs.push((units[i], units[j], score));
                    let (kept, gone) = (cluster[i], cluster[j]);
                    if kept != gone {
                        let members = cluster.iter_mut().filter(|own| **own == gone);
                        members.for_each(|own| *own = kept);
                    }
                }
            }
        }
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, own) in cluster.iter().enumerate() {
            members.entry(*own).or_default().push(i);
        }
        let group = |members: &Vec<usize>| Group {
            units: members.iter().map(|&i| units[i]).collect(),
            steps: {
                let most = |step: &&usize| {
                    let own = members.iter().filter(|i| sets[&units[**i]].contains(step));
                    2 * own.count() > members.len()
                };
                self.steps.iter().filter(most).copied().collect()
            },
        };
        let large = members.values().filter(|members| members.len() > 1);
        let mut groups: Vec<Group> = large.map(group).collect();
        groups.sort_by_key(|group| (usize::MAX - group.units.len(), group.units[0]));
        ExpectedTogether {
            sets,
            pairs,
            groups,
        }
    }
}

fn jaccard(a: u128, b: u128) -> f64 {
    match (a | b).count_ones() {
        0 => 0.0,
        either => f64::from((a & b).count_ones()) / f64::from(either),
    }
}

fn join(all: &mut Evolution, own: &Evolution) {
    let first = [all.first, own.first];
    *all = Evolution {
        changes: all.changes + own.changes,
        changed: all.changed + own.changed,
        first: first.into_iter().flatten().min(),
        last: all.last.max(own.last),
        path: all.path + own.path,
        net: all.net + own.net,
        largest: if own.largest > all.largest {
            own.largest
        } else {
            all.largest
        },
        flips: all.flips + own.flips,
    };
}

/// Whole numbers and the largest move are the same; sums are, but for the order of the additions.
fn assert_close(found: &Evolution, expected: &Evolution, what: &str) {
    let exact = Evolution {
        path: expected.path,
        net: expected.net,
        ..*found
    };
    assert_eq!(exact, *expected, "{what}");
    for (found, expected) in [(found.path, expected.path), (found.net, expected.net)] {
        let close = (found - expected).abs() <= 1e-12 * expected.abs();
        assert!(close, "{what}: {found} where {expected} is expected");
    }
}

fn assert_all_close(found: &[Evolution], expected: &[Evolution], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_close(found, expected, &format!("{what} {i}"));
    }
}

/// The most active of some, and those that never changed.
fn hot_and_frozen(all: Vec<(Unit, Evolution)>, top: usize) -> (Vec<(Unit, Evolution)>, Vec<Unit>) {
    let (mut hot, still): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, own)| own.changes > 0);
    hot.sort_by(|(a, one), (b, other)| {
        let paths = other.path.partial_cmp(&one.path).unwrap();
        let changes = other.changes.cmp(&one.changes);
        changes.then(paths).then(a.cmp(b))
    });
    hot.truncate(top);
    (hot, still.into_iter().map(|(unit, _)| unit).collect())
}

impl Brute {
    /// Of a range of times everything is what it should be; gives back what the layer said.
    pub async fn check_evolution(
        &self,
        layer: &dyn TemporalQueries,
        times: RangeInclusive<usize>,
        top: usize,
    ) -> LayerEvolution {
        let progress = Progress::default();
        let expected = self.evolution(&times);
        let found = layer.evolution(times, top, &progress).await.unwrap();
        assert_eq!(found.shape, self.shape);
        assert_eq!(
            found.tiles_across(),
            (self.shape.1 as usize).div_ceil(TILE as usize),
            "tiles side by side"
        );
        assert_close(&found.layer, &expected.layer, "layer");
        assert_all_close(&found.rows, &expected.rows, "row");
        assert_all_close(&found.columns, &expected.columns, "column");
        assert_all_close(&found.tiles, &expected.tiles, "tile");
        let steps = |of: &[(usize, Evolution)]| -> (Vec<usize>, Vec<Evolution>) {
            of.iter().copied().unzip()
        };
        let (found_steps, expected_steps) = (steps(&found.steps), steps(&expected.steps));
        assert_eq!(found_steps.0, expected_steps.0);
        assert_all_close(&found_steps.1, &expected_steps.1, "step");

        // Of single weights the order of the additions is given: they are the same bits. Lines are
        // ordered by sums, so by those that were found.
        let numbered = |lines: &[Evolution], by: By| -> Vec<(Unit, Evolution)> {
            let unit = |i: usize| match by {
                By::Weight => self.unit(i, by),
                By::Row => Unit::Row(i as i32),
                By::Column => Unit::Column(i as i32),
            };
            let lines = lines.iter().enumerate();
            lines.map(|(i, own)| (unit(i), *own)).collect()
        };
        for (by, all) in [
            (By::Weight, &expected.weights),
            (By::Row, &found.rows),
            (By::Column, &found.columns),
        ] {
            let (hot, frozen) = hot_and_frozen(numbered(all, by), top);
            assert_eq!(found.hot(by, top), hot, "{by:?}");
            let few = top.min(3);
            assert_eq!(found.hot(by, few), hot[..few.min(hot.len())], "{by:?}");
            assert_eq!(found.frozen(by).collect::<Vec<_>>(), frozen, "{by:?}");
        }
        found
    }

    pub async fn check_weight_evolutions(
        &self,
        layer: &dyn TemporalQueries,
        times: RangeInclusive<usize>,
        region: Region,
    ) {
        let progress = Progress::default();
        let all = self.evolution(&times).weights;
        let found = layer.weight_evolutions(times, region, &progress).await;
        let rows = region.rows();
        let expected = rows.flat_map(|row| region.cols().map(move |col| (row, col)));
        let expected: Vec<_> = expected.map(|(row, col)| all[self.at(row, col)]).collect();
        assert_eq!(found.unwrap(), expected, "{region:?}");
    }

    /// What a layer says of several weights is what it says of each, and what was there.
    pub async fn check_histories(&self, layer: &dyn TemporalQueries, weights: &[(i32, i32)]) {
        let bits = |history: &[(usize, f32)]| -> Vec<(usize, u32)> {
            let history = history.iter();
            history
                .map(|(step, value)| (*step, value.to_bits()))
                .collect()
        };
        let found = layer.weight_histories(weights).await.unwrap();
        assert_eq!(found.len(), weights.len());
        for (history, &(row, col)) in found.iter().zip(weights) {
            let alone = layer.weight_history(row, col).await.unwrap();
            assert_eq!(bits(history), bits(&alone), "({row}, {col})");
            assert_eq!(bits(history), self.history((row, col)), "({row}, {col})");
        }
    }

    pub async fn check_together(&self, layer: &dyn TemporalQueries, query: &CoOccurrence) {
        let progress = Progress::default();
        let expected = self.together(query);
        let found = layer.together(query, &progress).await.unwrap();
        let units: Vec<Unit> = expected.sets.keys().copied().collect();
        assert_eq!(found.units(), units, "{query:?}");
        let steps = self.steps.iter().copied();
        let steps: Vec<_> = steps.filter(|step| query.times.contains(step)).collect();
        assert_eq!(found.steps(), steps, "{query:?}");
        for (unit, steps) in &expected.sets {
            let steps: Vec<usize> = steps.iter().copied().collect();
            assert_eq!(found.change_steps(*unit), Some(steps), "{unit}");
        }
        let everything = (0..self.moves.len()).map(|at| self.unit(at, query.by));
        if let Some(other) = everything
            .into_iter()
            .find(|unit| !expected.sets.contains_key(unit))
        {
            assert_eq!(found.change_steps(other), None, "{other}");
        }

        let count = expected.pairs.len();
        assert_eq!(
            found.count(&progress).await.unwrap(),
            count as u64,
            "{query:?}"
        );
        // Many small bites where they are few, since each is a call of its own.
        let mut pairs = read(&found, if count < 300 { 7 } else { 97 }).await;
        assert_eq!(
            pairs,
            read(&found, 1000).await,
            "the order is always the same"
        );
        pairs.sort_by_key(|(a, b, _)| (*a, *b));
        assert_eq!(pairs, expected.pairs, "{query:?}");
        let groups = found.groups(&progress).await.unwrap();
        assert_eq!(groups, expected.groups, "{query:?}");
    }

    /// The questions about one step that have answers of their own.
    pub async fn check_step(&self, layer: &dyn TemporalQueries, t: usize) {
        let expected = self.together(&CoOccurrence::default().at(t));
        let at = |unit| match unit {
            Unit::Weight(row, col) => Coordinate3D::new(row, col, t as i32),
            other => panic!("{other} is no weight"),
        };
        let pairs = expected.pairs.iter().map(|(a, b, _)| (at(*a), at(*b)));
        let pairs: Vec<_> = pairs.collect();
        assert_eq!(layer.correlated_changes(t).await.unwrap(), pairs, "at {t}");
        assert_eq!(layer.groups(t).await.unwrap(), expected.groups, "at {t}");
    }

    pub async fn check_scores(&self, layer: &dyn TemporalQueries, weights: &[(i32, i32)]) {
        for &a in weights {
            for &b in weights {
                let found = layer.co_occurrence_score(a, b).await.unwrap();
                assert_eq!(found, self.score(a, b), "{a:?}, {b:?}");
                let back = layer.co_occurrence_score(b, a).await.unwrap();
                assert_eq!(found, back, "{a:?}, {b:?}");
            }
            let moved = !self.moves[self.at(a.0, a.1)].is_empty();
            let same = layer.co_occurrence_score(a, a).await.unwrap();
            assert_eq!(same, if moved { 1.0 } else { 0.0 }, "{a:?}");
        }
    }
}

/// All pairs, in bites of `most`, all but the last of which are full.
async fn read(together: &Together, most: usize) -> Vec<(Unit, Unit, f64)> {
    let mut reader = together.pairs();
    let mut pairs = Vec::new();
    loop {
        let next = reader.next(most).await.unwrap();
        assert!(next.len() <= most);
        pairs.extend(next.iter().map(|pair| (pair.a, pair.b, pair.score)));
        if next.len() < most {
            assert!(reader.next(most).await.unwrap().is_empty(), "after the end");
            return pairs;
        }
    }
}
