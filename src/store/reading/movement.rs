//! Which weights of a layer moved, how far, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::reader::Reader;
use super::sources::Sources;
use super::walk::{Needs, Visited, Walk};
use super::weights::WeightBits;
use crate::coding::{Damage, Decoded, Element, TileSet, by_width};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::host::{Task, vec_with_room};
use crate::queries::evolution::{
    Evolution, Gathering, LayerEvolution, ModelEvolution, TileEvolution, TileTracks,
};
use crate::queries::together::{CoOccurrence, TileTimes, UnitMasks, change_count};
use crate::store::database::LayerRow;
use crate::store::index::LayerKey;
use crate::values::{By, Region, Tiling, Unit, check_inside, dense_len};

/// Of each tile of a chunk what has been gathered so far.
type OfTiles<T> = BTreeMap<usize, T>;

impl Sources {
    /// Several weights over time.
    pub(crate) fn weight_histories(
        &self,
        key: &LayerKey,
        weights: &[(i32, i32)],
    ) -> Result<Vec<Vec<(usize, f32)>>> {
        self.with_reader(key, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix_shape()?;
            let tiling = row.tiling();
            let mut wanted = Vec::with_capacity(weights.len());
            for &weight in weights {
                check_inside(weight, shape)?;
                wanted.push(tiling.place(weight.0 as usize, weight.1 as usize));
            }
            let mut tiles: Vec<usize> = wanted.iter().map(|(tile, _)| *tile).collect();
            tiles.sort_unstable();
            tiles.dedup();
            for (tile, _) in &mut wanted {
                *tile = tiles.partition_point(|other| other < tile);
            }
            let set = TileSet::new(&tiling, tiles);
            let (steps, dtype) = (&reader.layer.steps, row.dtype);
            by_width!(dtype, E => {
                let widen = |bits: E| dtype.widen(bits.to_u32());
                let history = |(base, changes): WeightBits<E>| {
                    let changes = changes.into_iter();
                    let after = changes.map(|(at, bits)| (steps[at] as usize, widen(bits)));
                    std::iter::once((reader.layer.oldest(), widen(base))).chain(after).collect()
                };
                Ok(reader.weights::<E>(&set, &wanted)?.into_iter().map(history).collect())
            })
        })
    }

    /// How a layer moved in a range of times, with its `top` most active weights.
    pub(crate) fn evolution(
        &self,
        key: &LayerKey,
        times: &RangeInclusive<usize>,
        top: usize,
        task: &Task,
    ) -> Result<LayerEvolution> {
        self.with_reader(key, |reader| {
            expect(task, &reader.layer.row);
            layer_evolution(reader, times, top, task)
        })
    }

    /// How some layers moved, or all that are matrices: all in one snapshot.
    pub(crate) fn model_evolution(
        &self,
        layers: Option<&[String]>,
        times: &RangeInclusive<usize>,
        top: usize,
        task: &Task,
    ) -> Result<ModelEvolution> {
        self.read(|snapshot, index| {
            let rows: Vec<_> = match layers {
                None => {
                    let matrices = index.layers.iter().filter(|row| row.matrix.is_some());
                    matrices.collect()
                }
                Some(names) => {
                    // A layer that is named twice moved once.
                    let mut seen = BTreeSet::new();
                    let names = names.iter().filter(|name| seen.insert(*name));
                    names.map(|name| index.find(name)).collect::<Result<_>>()?
                }
            };
            rows.iter().for_each(|row| expect(task, row));
            let mut model = ModelEvolution::default();
            for row in rows {
                let layer = index.layer(snapshot, row.id)?;
                let reader = self.reader(snapshot, index, &layer);
                let evolution = layer_evolution(&reader, times, top, task)?;
                model.add(row.name.clone(), evolution);
            }
            Ok(model)
        })
    }

    /// How each weight of a region moved in a range of times, row-major.
    pub(crate) fn weight_evolutions(
        &self,
        key: &LayerKey,
        times: &RangeInclusive<usize>,
        region: Region,
        task: &Task,
    ) -> Result<Vec<Evolution>> {
        self.with_reader(key, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix_shape()?;
            let tiling = row.tiling();
            let wanted = region.shape_within(shape)?;
            let range = reader.layer.places_in(times);
            let steps = steps_of(reader, &range);
            let mut evolutions = vec_with_room(dense_len(wanted))?;
            evolutions.resize(dense_len(wanted), Evolution::default());
            let set = TileSet::new(&tiling, tiling.tiles_of(&region));
            task.expect(set.tiles().len() as u64);
            by_width!(row.dtype, E => evolve::<E, _>(
                reader,
                range,
                &set,
                task,
                |_, tracks| tracks.weights(&steps),
                |tile, own: Option<Vec<Evolution>>| {
                    if let Some(own) = own {
                        region.fill_from_tile(tiling.rect(tile), &own, &mut evolutions, |own| *own);
                    }
                },
            )?);
            Ok(evolutions)
        })
    }

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
            let steps = steps_of(reader, &range);
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

/// Says how many tiles of a layer are going to be gone through.
fn expect(task: &Task, row: &LayerRow) {
    if row.matrix.is_some() {
        task.expect(row.tiling().count() as u64);
    }
}

fn layer_evolution(
    reader: &Reader,
    times: &RangeInclusive<usize>,
    top: usize,
    task: &Task,
) -> Result<LayerEvolution> {
    let row = &reader.layer.row;
    let shape = row.matrix_shape()?;
    let tiling = row.tiling();
    let range = reader.layer.places_in(times);
    let steps = steps_of(reader, &range);
    let mut gathering = Gathering::new(shape, row.elements(), &steps, top)?;
    let finish = |tile, tracks: &TileTracks| tracks.finish(tiling.rect(tile), &steps, top);
    by_width!(row.dtype, E => evolve::<E, _>(
        reader,
        range,
        &TileSet::all(&tiling),
        task,
        finish,
        |tile, made| match made {
            Some(made) => gathering.add(made),
            // Nothing was come upon there.
            None => gathering.add(TileEvolution::still(tiling.rect(tile), &steps)),
        },
    )?);
    Ok(gathering.finish())
}

fn steps_of(reader: &Reader, range: &Range<usize>) -> Vec<usize> {
    let steps = reader.layer.steps[range.clone()].iter();
    steps.map(|step| *step as usize).collect()
}

/// Follows the weights of some tiles through a range of a layer's steps. `collect` gets what `finish`
/// made of each tile, in their order; nothing of one without a change.
fn evolve<E: Element, M: Send>(
    reader: &Reader,
    range: Range<usize>,
    set: &TileSet,
    task: &Task,
    finish: impl Fn(usize, &TileTracks) -> M + Sync,
    mut collect: impl FnMut(usize, Option<M>) + Send,
) -> Result<()> {
    let (tiling, dtype) = (reader.layer.row.tiling(), reader.layer.row.dtype);
    let count = range.len();
    let changed = AtomicUsize::new(0);
    let walk = Walk {
        begin: || task.check().map(|()| OfTiles::<TileTracks>::new()),
        visit: |tiles: &mut OfTiles<TileTracks>, of: Visited<E>| {
            let new = || TileTracks::new(tiling.rect(of.tile).len(), count);
            let tracks = tiles.entry(of.tile).or_insert_with(new);
            // Not by a closure that knows the type only when it runs: this is the innermost loop.
            match dtype {
                Dtype::Bf16 => follow(tracks, of, |bits| Dtype::Bf16.widen(bits.to_u32())),
                Dtype::F16 => follow(tracks, of, |bits| Dtype::F16.widen(bits.to_u32())),
                _ => follow(tracks, of, |bits| f32::from_bits(bits.to_u32())),
            }
        },
        finish: |tiles: OfTiles<TileTracks>| {
            let made = tiles
                .iter()
                .map(|(tile, tracks)| (*tile, finish(*tile, tracks)));
            let made: Vec<_> = made.collect();
            changed.fetch_add(made.len(), Ordering::Relaxed);
            task.advance(made.len() as u64)?;
            Ok(made)
        },
    };
    let mut all = set.tiles().iter().copied().peekable();
    reader.walk(vec![range], set, Needs::States, walk, |chunk| {
        for (tile, made) in chunk {
            while let Some(still) = all.next_if(|other| *other < tile) {
                collect(still, None);
            }
            all.next();
            collect(tile, Some(made));
        }
    })?;
    all.for_each(|still| collect(still, None));
    let still = set.tiles().len() - changed.into_inner();
    task.advance(still as u64)
}

/// The changes of a tile in a block.
fn follow<E: Element>(
    tracks: &mut TileTracks,
    of: Visited<E>,
    widen: impl Fn(E) -> f32,
) -> Decoded<()> {
    let (steps, ordered) = (&of.part.steps, of.ordered);
    // Of the block's first step, counted from the first that was asked for.
    let (begin, hidden) = (of.part.group.steps.start, of.part.group.hidden + of.first);
    of.block.visit_weights(of.index, |place, mut changes| {
        let weight = ordered
            .get_mut(usize::from(place))
            .ok_or(Damage("a place is outside its tile"))?;
        let mut follower = tracks.follow(usize::from(place), widen(weight.to_plain()));
        while let Some((step, code, raw)) = changes.next()? {
            if !steps.contains(&step) {
                continue;
            }
            let after = match raw {
                None => of.coder.step(*weight, code)?.to_plain(),
                Some(raw) => of.coder.after(weight.to_plain(), raw)?,
            };
            *weight = after.to_ordered();
            match (begin + step).checked_sub(hidden) {
                Some(at) => follower.go(at, widen(after)),
                None => follower.skip(widen(after)),
            }
        }
        follower.rest();
        Ok(())
    })
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
