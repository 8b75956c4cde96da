//! How far weights of a layer moved, how often, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::reader::Reader;
use super::sources::Sources;
use super::walk::{Needs, Visited, Walk};
use crate::coding::{Damage, Decoded, Element, TileSet, by_width};
use crate::dtype::Dtype;
use crate::error::Result;
use crate::host::{Task, vec_with_room};
use crate::queries::evolution::{
    Evolution, Gathering, LayerEvolution, ModelEvolution, TileEvolution, TileTracks,
};
use crate::store::database::LayerRow;
use crate::store::index::LayerKey;
use crate::values::{Region, dense_len};

/// Of each tile of a chunk what has been gathered so far.
type OfTiles<T> = BTreeMap<usize, T>;

impl Sources {
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
            let steps = reader.layer.steps_in(&range);
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
                        tiling.rect(tile).fill_region(&own, &region, &mut evolutions, |own| *own);
                    }
                },
            )?);
            Ok(evolutions)
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
    let steps = reader.layer.steps_in(&range);
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
