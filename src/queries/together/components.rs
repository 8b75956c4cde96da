use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Result;
use crate::host::vec_with_room;

/// What is connected with what, found by many threads at once: a forest in which each node points
/// to a smaller one of its tree, or is its root. (Tarjan and van Leeuwen's union-find with path
/// halving, made concurrent after Anderson and Woll.)
///
/// Which trees there are in the end does not depend on the order of the calls, and so not on threads:
/// a root is the smallest of its component.
pub(super) struct Components(Vec<AtomicU32>);

impl Components {
    pub(super) fn new(count: usize) -> Result<Self> {
        let mut parents = vec_with_room(count)?;
        parents.extend((0..count as u32).map(AtomicU32::new));
        Ok(Components(parents))
    }

    /// The smallest node that is known to be connected with one.
    pub(super) fn root(&self, mut node: u32) -> u32 {
        loop {
            let parent = self.0[node as usize].load(Ordering::Relaxed);
            if parent == node {
                return node;
            }
            let above = self.0[parent as usize].load(Ordering::Relaxed);
            // Another thread may have moved the node further up: then leave it there.
            let _ = self.0[node as usize].compare_exchange_weak(
                parent,
                above,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            node = above;
        }
    }

    /// Whether two are known to be connected. Others may be about to connect them.
    pub(super) fn are_connected(&self, a: u32, b: u32) -> bool {
        self.root(a) == self.root(b)
    }

    pub(super) fn connect(&self, mut a: u32, mut b: u32) {
        loop {
            (a, b) = (self.root(a), self.root(b));
            if a == b {
                return;
            }
            let (low, high) = (a.min(b), a.max(b));
            let parent = &self.0[high as usize];
            let linked = parent.compare_exchange(high, low, Ordering::Relaxed, Ordering::Relaxed);
            if linked.is_ok() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn components_are_the_same_whoever_connects_them() {
        const COUNT: u32 = 3000;
        // Residues of 7 in chains of steps of 7 and 70, some cut.
        let edges: Vec<(u32, u32)> = (0..COUNT - 70)
            .flat_map(|i| [(i, i + 7), (i + 70, i)])
            .filter(|(a, b)| a / 1400 == b / 1400)
            .collect();
        let roots = |edges: &[(u32, u32)]| {
            let components = Components::new(COUNT as usize).unwrap();
            edges
                .par_iter()
                .with_max_len(16)
                .for_each(|&(a, b)| components.connect(a, b));
            (0..COUNT).map(|i| components.root(i)).collect::<Vec<_>>()
        };
        let expected: Vec<u32> = (0..COUNT).map(|i| i / 1400 * 1400 + i % 1400 % 7).collect();
        let mut edges = edges;
        for _ in 0..5 {
            assert_eq!(roots(&edges), expected);
            edges.reverse();
            let middle = edges.len() / 3;
            edges.rotate_left(middle);
        }
    }
}
