//! Questions about ranges of a layer's steps.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::core::{Store, by_width};
use super::entry::not_a_matrix;
use super::walk::Seen;
use crate::coding::{Coder, Element, TileSet};
use crate::error::Result;
use crate::host::vec_with_room;
use crate::values::{Delta, DenseWeights, Voxel};

impl Store {
    /// The states as of several times, in their order.
    pub(crate) fn dense_at_many(&self, id: u32, times: &[usize]) -> Result<Vec<DenseWeights>> {
        self.with_reader(id, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix.ok_or_else(|| not_a_matrix(row))?;
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
    pub(crate) fn net_change(&self, id: u32, from: usize, to: usize) -> Result<Delta> {
        self.with_reader(id, |reader| {
            let row = &reader.layer.row;
            let shape = row.matrix.ok_or_else(|| not_a_matrix(row))?;
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
        id: u32,
        times: RangeInclusive<usize>,
    ) -> Result<Vec<((i32, i32), u32)>> {
        self.with_reader(id, |reader| {
            let row = &reader.layer.row;
            row.matrix.ok_or_else(|| not_a_matrix(row))?;
            let tiling = row.tiling();
            let mut counts: Vec<((i32, i32), u32)> = Vec::new();
            by_width!(row.dtype, E => reader.changes::<E, BTreeMap<(usize, u16), u32>>(
                reader.layer.places_in(&times),
                &TileSet::all(&tiling),
                |counts, Seen { tile, place, .. }| *counts.entry((tile, place)).or_default() += 1,
                |own| {
                    counts.extend(own.into_iter().map(|((tile, place), count)| {
                        let rect = tiling.rect(tile);
                        let (row, col) = (usize::from(place) / rect.width, usize::from(place) % rect.width);
                        (((rect.row + row) as i32, (rect.col + col) as i32), count)
                    }));
                },
            )?);
            counts.sort_unstable_by_key(|(weight, _)| *weight);
            Ok(counts)
        })
    }
}
