//! Which weights moved, how far, and when.

use std::ops::RangeInclusive;

use rayon::prelude::*;

use super::Layer;
use crate::error::Result;
use crate::grids::zspan::ZSpan;
use crate::host::{Task, threads, vec_with_room};
use crate::queries::evolution::{Evolution, Gathering, LayerEvolution, TileTracks};
use crate::queries::together::{CoOccurrence, TileTimes, UnitMasks, change_count};
use crate::values::{By, Region, TileRect, Tiling, Unit, Voxel, dense_len};

/// Some of a layer's steps, and where their slices and those before them are.
struct Steps {
    steps: Vec<usize>,
    before: Vec<ZSpan>,
    spans: Vec<ZSpan>,
}

impl Layer {
    /// See [`TemporalQueries::evolution`](crate::TemporalQueries::evolution).
    pub(crate) fn evolution(
        &self,
        times: RangeInclusive<usize>,
        top: usize,
        task: &Task,
    ) -> Result<LayerEvolution> {
        let tiling = Tiling::new(self.shape());
        let range = self.steps_for(times);
        let mut gathering = Gathering::new(self.shape(), tiling.len(), &range.steps, top)?;
        self.each_tile(
            (0..tiling.count()).collect(),
            task,
            |tile| {
                let tracks = self.tracks(tiling.rect(tile), &range)?;
                Ok(tracks.finish(tiling.rect(tile), &range.steps, top))
            },
            |_, made| gathering.add(made),
        )?;
        Ok(gathering.finish())
    }

    /// See [`TemporalQueries::weight_evolutions`](crate::TemporalQueries::weight_evolutions).
    pub(crate) fn weight_evolutions(
        &self,
        times: RangeInclusive<usize>,
        region: Region,
        task: &Task,
    ) -> Result<Vec<Evolution>> {
        let len = dense_len(region.shape_within(self.shape())?);
        let tiling = Tiling::new(self.shape());
        let range = self.steps_for(times);
        let mut evolutions = vec_with_room(len)?;
        evolutions.resize(len, Evolution::default());
        self.each_tile(
            tiling.tiles_of(&region),
            task,
            |tile| {
                Ok(self
                    .tracks(tiling.rect(tile), &range)?
                    .weights(&range.steps))
            },
            |tile, own| {
                region.fill_from_tile(tiling.rect(tile), &own, &mut evolutions, |own| *own);
            },
        )?;
        Ok(evolutions)
    }

    /// At which steps of a range the units changed that a question is about, and these steps. See
    /// [`TemporalQueries::together`](crate::TemporalQueries::together).
    pub(crate) fn change_masks(
        &self,
        query: &CoOccurrence,
        task: &Task,
    ) -> Result<(UnitMasks, Vec<usize>)> {
        let range = self.steps_for(query.times.clone());
        let often = |words: &[_]| change_count(words) >= query.min_changes;
        let merged = match query.at {
            None => {
                let parts = self.masks(&range, query.by, query.min_changes, None, task)?;
                UnitMasks::merge(&parts, |_, words| often(words))?
            }
            Some(t) => {
                let step = self.timeline.find(t)?;
                let then = self.steps_for(step as usize..=step as usize);
                let then = self.masks(&then, query.by, 0, None, task)?;
                let then = UnitMasks::merge(&then, |_, _| true)?.units;
                let parts = self.masks(&range, query.by, query.min_changes, Some(&then), task)?;
                let keep = |unit, words: &[_]| often(words) && then.binary_search(&unit).is_ok();
                UnitMasks::merge(&parts, keep)?
            }
        };
        Ok((merged, range.steps))
    }

    fn steps_for(&self, times: RangeInclusive<usize>) -> Steps {
        let steps = self.timeline.steps_in(times);
        let oldest = self.timeline.oldest();
        let (before, spans) = match (steps.first(), steps.last()) {
            (Some(&first), Some(&last)) => (
                self.timeline.spans_between(oldest, first - 1),
                self.timeline.spans_between(first - 1, last),
            ),
            _ => (Vec::new(), Vec::new()),
        };
        Steps {
            steps: steps.into_iter().map(|step| step as usize).collect(),
            before,
            spans,
        }
    }

    /// The place of a slice's step among some.
    fn place_in(&self, range: &Steps, z: i32) -> usize {
        let step = self.timeline.step_at(z) as usize;
        range.steps.partition_point(|other| *other < step)
    }

    /// The weights of a tile on their way.
    fn tracks(&self, rect: TileRect, range: &Steps) -> Result<TileTracks> {
        let weights = weights_of(rect);
        let found = self.grid.histories(&weights, &range.before, &range.spans)?;
        let mut tracks = TileTracks::new(rect.len(), range.steps.len());
        for (place, (start, changes)) in found.iter().enumerate() {
            let mut follower = tracks.follow(place, start);
            for change in changes {
                follower.go(self.place_in(range, change.z), change.value);
            }
            follower.rest();
        }
        Ok(tracks)
    }

    /// The masks of all units, tile by tile; of weights only those of `wanted`, which ascend, and
    /// only those that changed at `least` steps.
    fn masks(
        &self,
        range: &Steps,
        by: By,
        least: usize,
        wanted: Option<&[Unit]>,
        task: &Task,
    ) -> Result<Vec<UnitMasks>> {
        let tiling = Tiling::new(self.shape());
        let mut parts = Vec::new();
        let of_tile = |tile| {
            let rect = tiling.rect(tile);
            let mut weights = weights_of(rect);
            if let (Some(wanted), By::Weight) = (wanted, by) {
                weights.retain(|weight| {
                    wanted
                        .binary_search(&Unit::Weight(weight.row, weight.col))
                        .is_ok()
                });
            }
            let found = self.grid.change_times(&weights, &range.spans)?;
            let mut times = TileTimes::default();
            for (weight, zs) in weights.iter().zip(found.iter()) {
                let (_, place) = tiling.place(weight.row as usize, weight.col as usize);
                for &z in zs {
                    times.see(place, self.place_in(range, z) as i32, 1);
                }
            }
            times.finish(rect, by, range.steps.len(), least)
        };
        let all = (0..tiling.count()).collect();
        self.each_tile(all, task, of_tile, |_, made| parts.push(made))?;
        Ok(parts)
    }

    /// Works on some tiles in parallel; `collect` gets what came of each, in their order.
    fn each_tile<T: Send>(
        &self,
        tiles: Vec<usize>,
        task: &Task,
        work: impl Fn(usize) -> Result<T> + Sync,
        mut collect: impl FnMut(usize, T),
    ) -> Result<()> {
        let pool = threads::pool(self.threads, "temporal-vdb-tile")?;
        task.expect(tiles.len() as u64);
        for some in tiles.chunks(pool.current_num_threads()) {
            let made = pool.install(|| {
                let made = some.par_iter().map(|&tile| work(tile));
                made.collect::<Result<Vec<T>>>()
            })?;
            task.advance(some.len() as u64)?;
            some.iter()
                .zip(made)
                .for_each(|(&tile, made)| collect(tile, made));
        }
        Ok(())
    }
}

/// The weights of a tile.
fn weights_of(rect: TileRect) -> Vec<Voxel> {
    let at = |place: usize| Voxel {
        row: (rect.row + place / rect.width) as i32,
        col: (rect.col + place % rect.width) as i32,
        value: 0.0,
    };
    (0..rect.len()).map(at).collect()
}
