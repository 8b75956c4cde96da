//! The plain way: every two weights are compared.

use std::cmp::Ordering;

/// How many pairs have a score above a limit, and how many groups of at least two they make.
pub fn count(histories: &[&[usize]], above: f64) -> (u64, usize) {
    let mut pairs = 0;
    let mut parents: Vec<usize> = (0..histories.len()).collect();
    for (j, history) in histories.iter().enumerate() {
        for (i, other) in histories[..j].iter().enumerate() {
            let shared = shared(history, other);
            let union = history.len() + other.len() - shared;
            if shared as f64 / union as f64 > above {
                pairs += 1;
                let (a, b) = (root(&mut parents, i), root(&mut parents, j));
                parents[a.max(b)] = a.min(b);
            }
        }
    }
    let mut sizes = vec![0; histories.len()];
    for i in 0..histories.len() {
        sizes[root(&mut parents, i)] += 1;
    }
    (pairs, sizes.iter().filter(|size| **size > 1).count())
}

fn root(parents: &mut [usize], mut node: usize) -> usize {
    while parents[node] != node {
        parents[node] = parents[parents[node]];
        node = parents[node];
    }
    node
}

/// How many elements two ascending lists share.
fn shared(a: &[usize], b: &[usize]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => (i, j, count) = (i + 1, j + 1, count + 1),
        }
    }
    count
}
