//! Which weights change together: set similarity of their change times.

use std::collections::HashMap;

/// Pairs must be more alike than this.
const MIN_SCORE: f64 = 0.8;
/// Weights that changed fewer times say nothing about each other.
const MIN_CHANGES: usize = 3;

/// |a and b| / |a or b| of two sets, each without repeats. 0 for two empty sets.
pub(crate) fn jaccard(a: &[i32], b: &[i32]) -> f64 {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    a.sort_unstable();
    b.sort_unstable();
    score(shared(&a, &b), a.len(), b.len())
}

fn score(shared: usize, a: usize, b: usize) -> f64 {
    let union = a + b - shared;
    if union == 0 {
        0.0
    } else {
        shared as f64 / union as f64
    }
}

/// How many elements two ascending lists share.
fn shared(a: &[i32], b: &[i32]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, count) = (i + 1, j + 1, count + 1),
        }
    }
    count
}

/// All pairs (i, j), i < j, of sets with enough elements whose Jaccard index is above the limit,
/// ascending.
///
/// Equal sets are grouped first, so each different set is compared once; and sets whose sizes
/// alone rule the score out are never compared.
pub(crate) fn similar_pairs(sets: &[Vec<i32>]) -> Vec<(usize, usize)> {
    let mut groups: HashMap<Vec<i32>, Vec<usize>> = HashMap::new();
    for (i, set) in sets.iter().enumerate() {
        if set.len() >= MIN_CHANGES {
            let mut sorted = set.clone();
            sorted.sort_unstable();
            groups.entry(sorted).or_default().push(i);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_unstable_by_key(|(set, _)| set.len());
    let mut pairs = Vec::new();
    let ordered = |i: usize, j: usize| if i < j { (i, j) } else { (j, i) };
    for (g, (set, members)) in groups.iter().enumerate() {
        for (k, &i) in members.iter().enumerate() {
            pairs.extend(members[k + 1..].iter().map(|&j| ordered(i, j)));
        }
        for (other, others) in &groups[g + 1..] {
            // At most all of the smaller set is shared.
            if score(set.len(), set.len(), other.len()) <= MIN_SCORE {
                break;
            }
            if score(shared(set, other), set.len(), other.len()) > MIN_SCORE {
                pairs.extend(
                    members
                        .iter()
                        .flat_map(|&i| others.iter().map(move |&j| ordered(i, j))),
                );
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_index_of_some_sets() {
        assert_eq!(jaccard(&[1, 2, 3], &[3, 1, 2]), 1.0);
        assert_eq!(jaccard(&[1, 2, 3, 4], &[3, 4, 5, 6]), 2.0 / 6.0);
        assert_eq!(jaccard(&[], &[]), 0.0);
    }

    proptest! {
        #[test]
        fn the_join_finds_what_brute_force_finds(
            sets in prop::collection::vec(prop::collection::btree_set(0..12i32, 0..12), 0..30)
        ) {
            let sets: Vec<Vec<i32>> = sets.into_iter().map(|set| set.into_iter().collect()).collect();
            let mut expected = Vec::new();
            for i in 0..sets.len() {
                for j in i + 1..sets.len() {
                    let long_enough = sets[i].len() >= MIN_CHANGES && sets[j].len() >= MIN_CHANGES;
                    if long_enough && jaccard(&sets[i], &sets[j]) > MIN_SCORE {
                        expected.push((i, j));
                    }
                }
            }
            prop_assert_eq!(similar_pairs(&sets), expected);
        }
    }
}
