//! The join against all pairs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::join::Join;
use super::masks::WORD_STEPS;
use super::{TimeMasks, jaccard};
use crate::host::{Progress, Task, threads};

type Sets = Vec<Vec<usize>>;

/// Pairs of units, ascending, and their scores.
type Scores = BTreeMap<(u32, u32), f64>;

fn masks(sets: &Sets) -> TimeMasks {
    let mut masks = TimeMasks::new();
    for set in sets {
        let mut words = BTreeMap::<u32, u64>::new();
        for step in set {
            *words.entry((step / WORD_STEPS) as u32).or_default() |= 1 << (step % WORD_STEPS);
        }
        masks.push(words).unwrap();
    }
    masks
}

fn all_pairs(sets: &Sets, above: f64) -> Scores {
    let mut pairs = Scores::new();
    for (j, set) in sets.iter().enumerate() {
        for (i, other) in sets[..j].iter().enumerate() {
            let shared = set.iter().filter(|step| other.binary_search(step).is_ok());
            let score = jaccard(shared.count(), set.len(), other.len());
            if score > above {
                pairs.insert((i as u32, j as u32), score);
            }
        }
    }
    pairs
}

/// By walking from unit to unit.
fn groups_of(pairs: &Scores, units: usize) -> Vec<Vec<u32>> {
    let mut neighbours = vec![Vec::new(); units];
    for &(i, j) in pairs.keys() {
        neighbours[i as usize].push(j);
        neighbours[j as usize].push(i);
    }
    let (mut groups, mut known) = (Vec::new(), vec![false; units]);
    for first in 0..units as u32 {
        let (mut group, mut next) = (Vec::new(), vec![first]);
        while let Some(unit) = next.pop() {
            if !std::mem::replace(&mut known[unit as usize], true) {
                group.push(unit);
                next.extend(&neighbours[unit as usize]);
            }
        }
        group.sort_unstable();
        groups.push(group);
    }
    groups.retain(|group| group.len() > 1);
    groups.sort_by_key(|group| (std::cmp::Reverse(group.len()), group[0]));
    groups
}

fn assert_joined(sets: &Sets, steps: usize, above: f64, threads: usize) {
    let pool = threads::pool(std::num::NonZeroUsize::new(threads), "test").unwrap();
    let join = Join::new(&masks(sets), steps, above, &pool, &Task::default()).unwrap();
    let expected = all_pairs(sets, above);

    let mut found = Scores::new();
    for pair in (0..join.blocks()).flat_map(|block| join.block(block)) {
        let score = jaccard(pair.shared as usize, join.size(pair.a), join.size(pair.b));
        for &i in join.members(pair.a) {
            for &j in join.members(pair.b) {
                if pair.a != pair.b || i < j {
                    let twice = found.insert((i.min(j), i.max(j)), score);
                    assert_eq!(twice, None, "{i} {j} came twice");
                }
            }
        }
    }
    assert_eq!(found, expected);
    let (_stopper, task) = Progress::default().begin();
    assert_eq!(join.count(&pool, &task).unwrap(), expected.len() as u64);
    let (_stopper, task) = Progress::default().begin();
    let groups = join.groups(&pool, &task).unwrap();
    assert_eq!(groups, groups_of(&expected, sets.len()));
}

/// Some patterns, and units that follow one with some steps more and fewer; and some that follow
/// none.
fn patterns(steps: usize) -> impl Strategy<Value = Sets> {
    let pattern = prop::collection::btree_set(0..steps, 0..steps.min(60));
    let unit = (0..8usize, prop::collection::vec(0..steps, 0..4));
    let units = prop::collection::vec(unit, 0..60);
    (prop::collection::vec(pattern, 8), units).prop_map(|(patterns, units)| {
        let set = |(pattern, noise): (usize, Vec<usize>)| {
            let mut set = patterns[pattern].clone();
            for step in noise {
                if !set.remove(&step) {
                    set.insert(step);
                }
            }
            set.into_iter().collect()
        };
        units.into_iter().map(set).collect()
    })
}

fn above() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => Just(0.8),
        1 => prop::sample::select(vec![1e-9, 0.2, 1.0 / 3.0, 0.5, 2.0 / 3.0, 0.75, 0.9, 0.99, 1.0]),
        1 => 0.01..1.0f64,
    ]
}

proptest! {
    #[test]
    fn few_steps(sets in patterns(12), above in above()) {
        assert_joined(&sets, 12, above, 1);
    }

    #[test]
    fn as_many_steps_as_a_sketch_tells_apart(sets in patterns(256), above in above()) {
        assert_joined(&sets, 256, above, 2);
    }

    #[test]
    fn more_steps_than_a_sketch_tells_apart(sets in patterns(1000), above in above()) {
        assert_joined(&sets, 1000, above, 2);
    }
}

#[test]
fn nothing_to_join() {
    for sets in [vec![], vec![vec![]], vec![vec![], vec![]], vec![vec![3]]] {
        assert_joined(&sets, 4, 0.8, 2);
        assert_joined(&sets, 4, 1.0, 2);
    }
}

/// Sets whose words lie in different places of long histories share no word, and some do.
#[test]
fn sets_that_share_some_words_only() {
    let sets: Sets = (0..200usize)
        .map(|i| {
            let own = 64 * (1 + i % 5) + i % 3;
            let mut set = vec![7, 9, 11, 640, 650, own];
            set.sort_unstable();
            set
        })
        .collect();
    for above in [0.6, 0.71, 0.72, 0.8] {
        assert_joined(&sets, 700, above, 2);
    }
}

/// A cancelled question stops; one that goes on tells how far it is.
#[test]
fn a_join_is_cancelled() {
    let sets: Sets = (0..500).map(|i| vec![i, i + 1, i + 2, i + 3]).collect();
    let pool = threads::pool(None, "test").unwrap();
    let join = Join::new(&masks(&sets), 600, 0.5, &pool, &Task::default()).unwrap();
    let progress = Progress::default();
    let (_stopper, task) = progress.begin();
    assert_eq!(join.count(&pool, &task).unwrap(), 499);
    progress.cancel();
    let (_stopper, task) = progress.begin();
    assert!(join.count(&pool, &task).is_err());
    assert!(join.groups(&pool, &task).is_err());
}
