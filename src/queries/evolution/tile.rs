use std::cell::RefCell;

use super::Evolution;
use super::hottest::Hottest;
use super::places::Places;
use super::track::{StepTotal, Total, Track};
use crate::values::TileRect;

/// As many tiles as are followed at a time by one thread: those of a chunk of a store.
const SPARES: usize = 4;

thread_local! {
    /// Fresh pages for every tile would take longer than all else.
    static SPARE: RefCell<Vec<Vec<Track>>> = const { RefCell::new(Vec::new()) };
}

/// The weights of one tile on their way.
pub(crate) struct TileTracks {
    /// Of those that changed; the others are whatever they were in an earlier tile.
    tracks: Vec<Track>,
    changed: Places,
    steps: Vec<StepTotal>,
}

impl TileTracks {
    /// Of a tile of so many weights, in a range of so many steps.
    pub(crate) fn new(weights: usize, steps: usize) -> Self {
        let mut tracks = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        tracks.resize(weights, Track::default());
        TileTracks {
            tracks,
            changed: Places::new(weights),
            steps: vec![StepTotal::default(); steps],
        }
    }

    /// Follows the weight at a place of the tile, which was `before` so far: its changes come in the
    /// order of time, and those of one step in the order of their places.
    #[inline]
    pub(crate) fn follow(&mut self, place: usize, before: f32) -> Follower<'_> {
        let track = if self.changed.has(place) {
            self.tracks[place]
        } else {
            Track::default()
        };
        Follower {
            track,
            tile: self,
            place,
            before,
        }
    }

    /// Of every weight. `steps` are those of the range.
    pub(crate) fn weights(&self, steps: &[usize]) -> Vec<Evolution> {
        let mut weights = vec![Evolution::default(); self.tracks.len()];
        for place in self.changed.iter() {
            weights[place] = self.tracks[place].finish(steps);
        }
        weights
    }

    /// Adds up, and keeps the `top` most active weights.
    pub(crate) fn finish(&self, rect: TileRect, steps: &[usize], top: usize) -> TileEvolution {
        let mut rows = vec![Total::default(); rect.height];
        let mut columns = vec![Total::default(); rect.width];
        let mut hot = Hottest::new(top);
        for place in self.changed.iter() {
            let (i, j) = (place / rect.width, place % rect.width);
            let track = &self.tracks[place];
            rows[i].add(track);
            columns[j].add(track);
            if hot.may_take(u64::from(track.changes), track.path) {
                let weight = ((rect.row + i) as i32, (rect.col + j) as i32);
                hot.offer(weight, track.finish(steps));
            }
        }
        let finish = |lines: &[Total]| lines.iter().map(|line| line.finish(steps)).collect();
        let rows: Vec<Evolution> = finish(&rows);
        let mut tile = Evolution::default();
        rows.iter().for_each(|row| tile.add(row));
        let totals = self.steps.iter().zip(steps);
        TileEvolution {
            rect,
            steps: totals.map(|(total, &step)| total.finish(step)).collect(),
            rows,
            columns: finish(&columns),
            tile,
            changed: self.changed.clone(),
            hot: hot.finish(),
        }
    }
}

impl Drop for TileTracks {
    fn drop(&mut self) {
        let tracks = std::mem::take(&mut self.tracks);
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARES {
                spare.push(tracks);
            }
        });
    }
}

/// One weight, as long as its changes come one after the other.
pub(crate) struct Follower<'t> {
    track: Track,
    tile: &'t mut TileTracks,
    place: usize,
    before: f32,
}

impl Follower<'_> {
    /// Its next change: the step, by its place in the range, and the value after it.
    #[inline]
    pub(crate) fn go(&mut self, step: usize, after: f32) {
        let moved = self.track.go(step as u32, self.before, after);
        self.tile.steps[step].add(&moved);
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
        if self.track.changes > 0 {
            self.tile.tracks[self.place] = self.track;
            self.tile.changed.put(self.place);
        }
    }
}

/// What became of one tile.
pub(crate) struct TileEvolution {
    pub(super) rect: TileRect,
    pub(super) steps: Vec<Evolution>,
    pub(super) rows: Vec<Evolution>,
    pub(super) columns: Vec<Evolution>,
    pub(super) tile: Evolution,
    /// Of the weights that changed.
    pub(super) changed: Places,
    pub(super) hot: Vec<((i32, i32), Evolution)>,
}

impl TileEvolution {
    /// Of a tile that no step of some changed.
    pub(crate) fn still(rect: TileRect, steps: &[usize]) -> Self {
        TileEvolution {
            rect,
            steps: steps
                .iter()
                .map(|&step| StepTotal::default().finish(step))
                .collect(),
            rows: vec![Evolution::default(); rect.height],
            columns: vec![Evolution::default(); rect.width],
            tile: Evolution::default(),
            changed: Places::new(rect.len()),
            hot: Vec::new(),
        }
    }
}
