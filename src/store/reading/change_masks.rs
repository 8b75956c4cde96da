//! At which steps the units of a layer changed: what tells which of them change together.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::reader::Reader;
use super::sources::Sources;
use super::walk::{Needs, Visited, Walk};
use crate::coding::{Element, TileSet, by_width};
use crate::error::Result;
use crate::host::Task;
use crate::queries::together::{CoOccurrence, TileTimes, UnitMasks, change_count};
use crate::store::index::LayerKey;
use crate::values::{By, Tiling, Unit};

/// Of each tile of a chunk what has been gathered so far.
type OfTiles<T> = BTreeMap<usize, T>;

impl Sources {
    /// At which steps of a range the units of a layer changed that a question is about, and these
    /// steps.
    pub(crate) fn change_masks(
        &self,
        key: &LayerKey,
        query: &CoOccurrence,
        task: &Task,
    ) -> Result<(UnitMasks, Vec<usize>)> {
        self.with_reader(key, |reader| {
            let row = &reader.layer.row;
            row.matrix_shape()?;
            let tiling = row.tiling();
            let range = reader.layer.places_in(&query.times);
            let steps = reader.layer.steps_in(&range);
            let all = TileSet::all(&tiling);
            let masks = |range, set: &TileSet, wanted: Option<&Wanted>, by, least| {
                by_width!(row.dtype, E => masks_in::<E>(reader, range, set, wanted, (by, least), task))
            };
            let Some(t) = query.at else {
                let parts = masks(range, &all, None, query.by, query.min_changes)?;
                let often = |_, words: &[_]| change_count(words) >= query.min_changes;
                return Ok((UnitMasks::merge(&parts, often)?, steps));
            };
            let at = reader.layer.find(t)?;
            let then = masks(at..at + 1, &all, None, query.by, 0)?;
            let then = UnitMasks::merge(&then, |_, _| true)?.units;
            let (set, wanted) = Wanted::of(&tiling, &then);
            let parts = masks(range, &set, wanted.as_ref(), query.by, query.min_changes)?;
            let keep = |unit, words: &[_]| {
                change_count(words) >= query.min_changes && then.binary_search(&unit).is_ok()
            };
            Ok((UnitMasks::merge(&parts, keep)?, steps))
        })
    }
}

/// Which weights of which tiles are asked for.
struct Wanted(BTreeMap<usize, Vec<bool>>);

impl Wanted {
    /// The tiles that hold some units, which ascend, and the weights among them if they are such.
    fn of(tiling: &Tiling, units: &[Unit]) -> (TileSet, Option<Self>) {
        let mut weights = BTreeMap::new();
        for unit in units {
            let Unit::Weight(row, col) = *unit else {
                return (TileSet::all(tiling), None);
            };
            let (tile, place) = tiling.place(row as usize, col as usize);
            let places = weights.entry(tile);
            let places = places.or_insert_with(|| vec![false; tiling.rect(tile).len()]);
            places[usize::from(place)] = true;
        }
        let set = TileSet::new(tiling, weights.keys().copied().collect());
        (set, Some(Wanted(weights)))
    }
}

/// When the units of some tiles changed in a range of a layer's steps, chunk by chunk.
fn masks_in<E: Element>(
    reader: &Reader,
    range: Range<usize>,
    set: &TileSet,
    wanted: Option<&Wanted>,
    (by, least): (By, usize),
    task: &Task,
) -> Result<Vec<UnitMasks>> {
    let (tiling, count) = (reader.layer.row.tiling(), range.len());
    task.expect(set.tiles().len() as u64);
    let changed = AtomicUsize::new(0);
    let walk = Walk {
        begin: || task.check().map(|()| OfTiles::<TileTimes>::new()),
        visit: |tiles: &mut OfTiles<TileTimes>, of: Visited<E>| {
            let wanted = wanted.map(|wanted| &wanted.0[&of.tile]);
            let times = tiles.entry(of.tile).or_default();
            of.masks(|place, at, mask| {
                if wanted.is_none_or(|wanted| wanted[usize::from(place)]) {
                    times.see(place, at, mask);
                }
            })
        },
        finish: |tiles: OfTiles<TileTimes>| {
            changed.fetch_add(tiles.len(), Ordering::Relaxed);
            task.advance(tiles.len() as u64)?;
            let made = tiles.into_iter();
            made.map(|(tile, times)| times.finish(tiling.rect(tile), by, count, least))
                .collect::<Result<Vec<_>>>()
        },
    };
    let mut parts = Vec::new();
    reader.walk(vec![range], set, Needs::Blocks, walk, |chunk| {
        parts.extend(chunk)
    })?;
    let still = set.tiles().len() - changed.into_inner();
    task.advance(still as u64)?;
    Ok(parts)
}
