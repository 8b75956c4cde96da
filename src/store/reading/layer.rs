//! Questions about one layer: its states, its changes, one of its weights, and it all in grids.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::deltas::deltas;
use super::reader::Reader;
use super::sources::Sources;
use super::walk::Seen;
use super::weights::WeightBits;
use crate::coding::{Coder, Element, TileSet, by_width};
use crate::error::Result;
use crate::grids::{Layer, Origin, StorageOptions};
use crate::host::vec_with_room;
use crate::store::index::LayerKey;
use crate::values::{Delta, DenseWeights, Region, Voxel, check_inside, dense_len};

impl Sources {
    /// The state of a layer or a region of it as of time `t`.
    pub(crate) fn dense(
        &self,
        key: &LayerKey,
        t: usize,
        region: Option<Region>,
    ) -> Result<DenseWeights> {
        self.with_reader(key, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix_shape()?;
            let at = reader.layer.as_of(t)?;
            let region = region.unwrap_or(Region::new(0..shape.0, 0..shape.1));
            let shape = region.shape_within(shape)?;
            let values = by_width!(row.dtype, E => dense_region::<E>(reader, at, region, shape)?);
            Ok(DenseWeights {
                timestep: reader.layer.steps[at] as usize,
                shape,
                values,
            })
        })
    }

    pub(crate) fn delta_layer(&self, key: &LayerKey, t: usize) -> Result<Delta> {
        self.with_reader(key, |reader| {
            let at = reader.layer.find(t)?;
            Ok(deltas(reader, at..at + 1)?.swap_remove(0).1)
        })
    }

    pub(crate) fn deltas_in(
        &self,
        key: &LayerKey,
        times: RangeInclusive<usize>,
    ) -> Result<Vec<(usize, Delta)>> {
        self.with_reader(key, |reader| deltas(reader, reader.layer.places_in(&times)))
    }

    pub(crate) fn weight_history(
        &self,
        key: &LayerKey,
        row: i32,
        col: i32,
    ) -> Result<Vec<(usize, f32)>> {
        self.with_reader(key, |reader| {
            let layer = &reader.layer.row;
            let shape = layer.matrix_shape()?;
            check_inside((row, col), shape)?;
            by_width!(layer.dtype, E => {
                let (base, changes) = reader.weight::<E>(row as usize, col as usize)?;
                let widen = |bits: E| layer.dtype.widen(bits.to_u32());
                let after = changes.into_iter().map(|(at, bits)| (reader.layer.steps[at] as usize, widen(bits)));
                Ok(std::iter::once((reader.layer.oldest(), widen(base))).chain(after).collect())
            })
        })
    }

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

    /// A range of times as a layer of grids.
    pub(crate) fn grid(
        &self,
        key: &LayerKey,
        times: RangeInclusive<usize>,
        options: StorageOptions,
    ) -> Result<Layer> {
        self.with_reader(key, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix_shape()?;
            let begin = reader.layer.as_of(*times.start())?;
            let end = reader.layer.as_of((*times.end()).max(*times.start()))?;
            let whole = Region::new(0..shape.0, 0..shape.1);
            let base = by_width!(row.dtype, E => dense_region::<E>(reader, begin, whole, shape)?);
            let slices = deltas(reader, begin + 1..end + 1)?;
            let origin = Origin {
                dtype: row.dtype,
                shape: row.shape.clone(),
            };
            Layer::from_history(
                &row.name,
                origin,
                shape,
                (reader.layer.steps[begin], &base),
                &slices,
                options,
            )
        })
    }

    /// The states as of several times, in their order.
    pub(crate) fn dense_at_many(
        &self,
        key: &LayerKey,
        times: &[usize],
    ) -> Result<Vec<DenseWeights>> {
        self.with_reader(key, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix_shape()?;
            let mut places = Vec::with_capacity(times.len());
            for &t in times {
                places.push(reader.layer.as_of(t)?);
            }
            let mut distinct = places.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let dtype = row.dtype;
            let states: BTreeMap<usize, Vec<f32>> = by_width!(dtype, E => {
                let states = reader.states::<E>(&distinct)?;
                let mut wide = BTreeMap::new();
                for (place, bits) in distinct.into_iter().zip(states) {
                    let mut values = vec_with_room(bits.len())?;
                    values.extend(bits.iter().map(|bits| dtype.widen(bits.to_u32())));
                    wide.insert(place, values);
                }
                wide
            });
            let state = |place: usize| DenseWeights {
                timestep: reader.layer.steps[place] as usize,
                shape,
                values: states[&place].clone(),
            };
            Ok(places.into_iter().map(state).collect())
        })
    }

    /// What leads from the state as of one time to that as of another.
    pub(crate) fn net_change(&self, key: &LayerKey, from: usize, to: usize) -> Result<Delta> {
        self.with_reader(key, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix_shape()?;
            let (from, to) = (reader.layer.as_of(from)?, reader.layer.as_of(to)?);
            let (mut deltas, mut marks) = (Vec::new(), Vec::new());
            let mut places = vec![from, to];
            places.sort_unstable();
            places.dedup();
            let coder = Coder::plain(row.dtype);
            by_width!(row.dtype, E => {
                let states = reader.states::<E>(&places)?;
                let (Some(first), Some(last)) = (states.first(), states.last()) else {
                    return Delta::empty(shape.0, shape.1);
                };
                let (before, after) = if from <= to { (first, last) } else { (last, first) };
                let pairs = before.iter().zip(after).enumerate();
                for (at, (&before, &after)) in pairs.filter(|(_, (before, after))| before != after) {
                    let cols = shape.1 as usize;
                    let (row, col) = ((at / cols) as i32, (at % cols) as i32);
                    let change = coder.derived(before, after);
                    if change.delta != 0.0 {
                        deltas.push(Voxel { row, col, value: change.delta });
                    }
                    marks.extend(change.mark.map(|value| Voxel { row, col, value }));
                }
            });
            Ok(Delta::from_checked(shape, deltas, marks))
        })
    }

    /// Which weights changed in a range of times, and in how many steps.
    pub(crate) fn change_counts(
        &self,
        key: &LayerKey,
        times: RangeInclusive<usize>,
    ) -> Result<Vec<((i32, i32), u32)>> {
        self.with_reader(key, |reader| {
            let row = &reader.layer.row;
            row.matrix_shape()?;
            let tiling = row.tiling();
            let mut counts: Vec<((i32, i32), u32)> = Vec::new();
            by_width!(row.dtype, E => reader.changes::<E, BTreeMap<(usize, u16), u32>>(
                reader.layer.places_in(&times),
                &TileSet::all(&tiling),
                |counts, Seen { tile, place, .. }| *counts.entry((tile, place)).or_default() += 1,
                |own| {
                    counts.extend(own.into_iter().map(|((tile, place), count)| {
                        (tiling.rect(tile).weight(place), count)
                    }));
                },
            )?);
            counts.sort_unstable_by_key(|(weight, _)| *weight);
            Ok(counts)
        })
    }
}

/// The values of a region after the step at a place.
pub(super) fn dense_region<E: Element>(
    reader: &Reader,
    at: usize,
    region: Region,
    shape: (i32, i32),
) -> Result<Vec<f32>> {
    let (tiling, dtype) = (reader.layer.row.tiling(), reader.layer.row.dtype);
    let set = TileSet::new(&tiling, tiling.tiles_of(&region));
    let bits = reader.state::<E>(at, &set)?;
    let mut values = vec_with_room(dense_len(shape))?;
    values.resize(dense_len(shape), 0.0);
    for (index, &tile) in set.tiles().iter().enumerate() {
        let bits = &bits[set.span(index)];
        tiling
            .rect(tile)
            .fill_region(bits, &region, &mut values, |bits| {
                dtype.widen(bits.to_u32())
            });
    }
    Ok(values)
}
