//! How far weights moved, how often, and when.

mod hottest;
mod layer_evolution;
mod model_evolution;
mod places;
mod tile;
mod track;

pub(crate) use layer_evolution::Gathering;
pub use layer_evolution::LayerEvolution;
pub use model_evolution::ModelEvolution;
pub(crate) use tile::{TileEvolution, TileTracks};

use std::cmp::Ordering;

/// How some weights moved in a range of steps: one, or all of a row, a column, a tile, a layer; or,
/// of one step, all that it changed.
///
/// Lengths are differences of weights, computed and added up in f64. A change from or to NaN or an
/// infinity is counted, and has no length and no direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evolution {
    /// How often a weight changed, of all of them together.
    pub changes: u64,
    /// How many of the weights changed at least once.
    pub changed: u64,
    /// The first step that changed one of them.
    pub first: Option<usize>,
    /// The last one.
    pub last: Option<usize>,
    /// The total path: the sum of the lengths of all changes.
    pub path: f64,
    /// The net move: how far apart the values before the first and after the last change are; of
    /// several weights the sum of that. 0 where one of the two is NaN or infinite; up to rounding at
    /// most `path` where no value on the way is.
    pub net: f64,
    /// The length of the largest change.
    pub largest: f64,
    /// How often a weight turned: went up after it had gone down before, or down after up.
    pub flips: u64,
}

impl Evolution {
    /// Adds those of other weights.
    pub fn add(&mut self, other: &Evolution) {
        self.changes += other.changes;
        self.changed += other.changed;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
        self.path += other.path;
        self.net += other.net;
        self.largest = self.largest.max(other.largest);
        self.flips += other.flips;
    }

    /// Orders the most active first: by how often they changed, then by how far.
    pub fn more_active(&self, other: &Evolution) -> Ordering {
        let paths = || other.path.total_cmp(&self.path);
        other.changes.cmp(&self.changes).then_with(paths)
    }
}
