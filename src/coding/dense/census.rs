use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::codebook::Codebook;
use super::contexts::{self, CONTEXTS};
use super::rans::{Frequencies, WHOLE};
use super::walk::Sink;

/// Tables that masks may have, and that values may have.
const MOST_TABLES: usize = 48;

type Counts = [u32; 256];

/// How often each symbol comes in each context, in layers whose weights are equally wide.
pub(crate) struct Census {
    contexts: Vec<Option<Box<Counts>>>,
}

impl Census {
    pub(crate) fn new() -> Self {
        Census {
            contexts: vec![None; CONTEXTS],
        }
    }

    pub(crate) fn add(&mut self, other: Census) {
        for (own, other) in self.contexts.iter_mut().zip(other.contexts) {
            match (&mut *own, other) {
                (Some(own), Some(other)) => add(own, &other),
                (None, other) => *own = other,
                (_, None) => {}
            }
        }
    }

    /// The codebook that makes what was counted smallest, as far as making neighbouring contexts
    /// one can tell.
    pub(crate) fn codebook(mut self) -> Codebook {
        let mut map = vec![None; CONTEXTS];
        let mut tables = Vec::new();
        let mut assign = |clusters: Vec<Cluster>| {
            for cluster in clusters {
                for context in cluster.contexts {
                    map[context] = Some(tables.len() as u8);
                }
                tables.push(Frequencies::of(&cluster.counts));
            }
        };
        for context in [contexts::CELL, contexts::ROW] {
            assign(self.clusters(context..context + 1, |_| 0.0));
        }
        assign(self.clusters(contexts::NUMBERS, f64::from));
        assign(self.clusters(contexts::MASKS, |mask| f64::from(mask.count_ones())));
        assign(self.clusters(contexts::VALUES, f64::from));
        // Contexts that do not come have the table of the one before, so that the map is short.
        let mut last = 0;
        let map = map.into_iter().map(|table| {
            last = table.unwrap_or(last);
            last
        });
        Codebook::new(map.collect(), tables)
    }

    /// Contexts that come, with those made one that are cheaper so. Candidates are neighbours in
    /// the order of the mean of what their symbols stand for.
    fn clusters(&mut self, contexts: Range<usize>, worth: impl Fn(u8) -> f64) -> Vec<Cluster> {
        let mut all: Vec<(f64, Cluster)> = Vec::new();
        for context in contexts {
            let Some(counts) = self.contexts[context].take() else {
                continue;
            };
            let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
            let weighted = (0..=255u8)
                .zip(&*counts)
                .map(|(symbol, count)| worth(symbol) * f64::from(*count));
            all.push((weighted.sum::<f64>() / total, Cluster::new(context, counts)));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        merge(all.into_iter().map(|(_, cluster)| cluster).collect())
    }
}

impl Sink for Census {
    #[inline]
    fn symbol(&mut self, context: usize, symbol: u8, _: usize) {
        let counts = self.contexts[context].get_or_insert_with(|| Box::new([0; 256]));
        let count = &mut counts[usize::from(symbol)];
        *count = count.saturating_add(1);
    }

    #[inline]
    fn bits(&mut self, _: u32, _: u32) {}
}

fn add(sum: &mut Counts, other: &Counts) {
    sum.iter_mut()
        .zip(other)
        .for_each(|(sum, count)| *sum = sum.saturating_add(*count));
}

/// Contexts that share a table.
struct Cluster {
    contexts: Vec<usize>,
    counts: Box<Counts>,
    /// Bits of its symbols and of its table.
    cost: f64,
}

impl Cluster {
    fn new(context: usize, counts: Box<Counts>) -> Self {
        Cluster {
            contexts: vec![context],
            cost: cost(&counts),
            counts,
        }
    }
}

/// Bits that symbols take, coded by how often each comes.
fn entropy(counts: &Counts) -> f64 {
    let (mut total, mut bits) = (0.0, 0.0);
    for &count in counts.iter().filter(|count| **count > 0) {
        let count = f64::from(count);
        total += count;
        bits -= count * count.log2();
    }
    if total > 0.0 {
        bits + total * f64::log2(total)
    } else {
        0.0
    }
}

/// The same, with the table's own, about.
fn cost(counts: &Counts) -> f64 {
    let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    let shares = counts.iter().filter(|count| **count > 0);
    let of_share = |count: &u32| {
        let share = f64::from(*count) * f64::from(WHOLE) / total;
        2.5 + 2.0 * share.max(1.0).log2()
    };
    entropy(counts) + shares.map(of_share).sum::<f64>()
}

/// What making two neighbours one would save.
struct Merge {
    saves: f64,
    left: usize,
    right: usize,
    /// Of both, at that time.
    versions: [u32; 2],
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merge {}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Merge {
    fn cmp(&self, other: &Self) -> Ordering {
        self.saves
            .total_cmp(&other.saves)
            .then(other.left.cmp(&self.left))
    }
}

/// Makes neighbours one, the best first, as long as that saves bits or there are too many.
fn merge(clusters: Vec<Cluster>) -> Vec<Cluster> {
    let count = clusters.len();
    let mut clusters: Vec<Option<Cluster>> = clusters.into_iter().map(Some).collect();
    let mut versions = vec![0u32; count];
    let (mut before, mut after): (Vec<usize>, Vec<usize>) = (
        (0..count).map(|i| i.wrapping_sub(1)).collect(),
        (1..=count).collect(),
    );
    let mut heap = BinaryHeap::new();
    let candidate = |clusters: &[Option<Cluster>], versions: &[u32], left: usize, right: usize| {
        let (a, b) = (
            clusters.get(left)?.as_ref()?,
            clusters.get(right)?.as_ref()?,
        );
        let mut sum = a.counts.clone();
        add(&mut sum, &b.counts);
        Some(Merge {
            saves: a.cost + b.cost - cost(&sum),
            left,
            right,
            versions: [versions[left], versions[right]],
        })
    };
    for left in 0..count {
        heap.extend(candidate(&clusters, &versions, left, left + 1));
    }
    let mut left_over = count;
    while let Some(merge) = heap.pop() {
        let Merge { left, right, .. } = merge;
        if merge.versions != [versions[left], versions[right]] {
            continue;
        }
        if merge.saves <= 0.0 && left_over <= MOST_TABLES {
            break;
        }
        let Some(gone) = clusters[right].take() else {
            continue;
        };
        if let Some(kept) = &mut clusters[left] {
            kept.contexts.extend(gone.contexts);
            add(&mut kept.counts, &gone.counts);
            kept.cost = cost(&kept.counts);
        }
        left_over -= 1;
        versions[left] += 1;
        versions[right] += 1;
        after[left] = after[right];
        if after[left] < count {
            before[after[left]] = left;
        }
        heap.extend(candidate(&clusters, &versions, before[left], left));
        heap.extend(candidate(&clusters, &versions, left, after[left]));
    }
    clusters.into_iter().flatten().collect()
}
