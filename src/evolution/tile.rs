use std::cell::RefCell;

use super::Evolution;
use super::hottest::Hottest;
use super::track::{StepTotal, Total, Track};
use crate::history::TileRect;

thread_local! {
    /// Fresh pages for every tile would take longer than all else.
    static SPARE: RefCell<Vec<Vec<Track>>> = const { RefCell::new(Vec::new()) };
}

/// The weights of one tile on their way.
#[derive(Default)]
pub(crate) struct TileTracks {
    weights: Vec<Track>,
    steps: Vec<StepTotal>,
}

impl TileTracks {
    /// Of a tile of so many weights, in a range of so many steps.
    pub(crate) fn new(weights: usize, steps: usize) -> Self {
        let mut tracks = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        tracks.clear();
        tracks.resize(weights, Track::default());
        TileTracks {
            weights: tracks,
            steps: vec![StepTotal::default(); steps],
        }
    }

    /// Follows the weight at a place of the tile, which was `before` so far: its changes come in the
    /// order of time, and those of one step in the order of their places.
    #[inline]
    pub(crate) fn follow(&mut self, place: usize, before: f32) -> Follower<'_> {
        let slot = &mut self.weights[place];
        Follower {
            track: *slot,
            slot,
            steps: &mut self.steps,
            before,
        }
    }

    /// Of every weight. `steps` are those of the range.
    pub(crate) fn weights(&self, steps: &[usize]) -> Vec<Evolution> {
        let weights = self.weights.iter();
        weights.map(|track| track.finish(steps)).collect()
    }

    /// Adds up, and keeps the `top` most active weights.
    pub(crate) fn finish(&self, rect: TileRect, steps: &[usize], top: usize) -> TileEvolution {
        let mut rows = Vec::with_capacity(rect.height);
        let mut columns = vec![Total::default(); rect.width];
        let mut changed = vec![0u64; rect.len().div_ceil(64)];
        let mut hot = Hottest::new(top);
        for (i, tracks) in self.weights.chunks(rect.width).enumerate() {
            let mut row = Total::default();
            for (j, (track, column)) in tracks.iter().zip(&mut columns).enumerate() {
                if track.changes == 0 {
                    continue;
                }
                row.add(track);
                column.add(track);
                let place = i * rect.width + j;
                changed[place / 64] |= 1 << (place % 64);
                if hot.may_take(u64::from(track.changes), track.path) {
                    let weight = ((rect.row + i) as i32, (rect.col + j) as i32);
                    hot.offer(weight, track.finish(steps));
                }
            }
            rows.push(row.finish(steps));
        }
        let mut tile = Evolution::default();
        rows.iter().for_each(|row| tile.add(row));
        let totals = self.steps.iter().zip(steps);
        TileEvolution {
            rect,
            steps: totals.map(|(total, &step)| total.finish(step)).collect(),
            rows,
            columns: columns.iter().map(|column| column.finish(steps)).collect(),
            tile,
            changed,
            hot: hot.finish(),
        }
    }
}

impl Drop for TileTracks {
    fn drop(&mut self) {
        let tracks = std::mem::take(&mut self.weights);
        SPARE.with_borrow_mut(|spare| spare.push(tracks));
    }
}

/// One weight, as long as its changes come one after the other.
pub(crate) struct Follower<'t> {
    track: Track,
    slot: &'t mut Track,
    steps: &'t mut [StepTotal],
    before: f32,
}

impl Follower<'_> {
    /// Its next change: the step, by its place in the range, and the value after it.
    #[inline]
    pub(crate) fn go(&mut self, step: usize, after: f32) {
        let moved = self.track.go(step as u32, self.before, after);
        self.steps[step].add(&moved);
        self.before = after;
    }

    /// A change that is not of the range.
    #[inline]
    pub(crate) fn skip(&mut self, after: f32) {
        self.before = after;
    }

    /// No more of its changes come now.
    #[inline]
    pub(crate) fn rest(self) {
        *self.slot = self.track;
    }
}

/// What became of one tile.
pub(crate) struct TileEvolution {
    pub(super) rect: TileRect,
    pub(super) steps: Vec<Evolution>,
    pub(super) rows: Vec<Evolution>,
    pub(super) columns: Vec<Evolution>,
    pub(super) tile: Evolution,
    /// A bit for each weight, by its place.
    pub(super) changed: Vec<u64>,
    pub(super) hot: Vec<((i32, i32), Evolution)>,
}
