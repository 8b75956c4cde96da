use super::contexts::{self, Weights};
use super::number::Number;
use super::rans::LANES;
use super::{CELL_EMPTY, CELL_GAPS, CELL_ROWS};
use crate::coding::Element;
use crate::coding::block::bits_in;

/// What a walk through a cell comes upon, in the order in which it is decoded.
pub(super) trait Sink {
    /// A symbol in a context, in a lane.
    fn symbol(&mut self, context: usize, symbol: u8, lane: usize);
    /// Bits that are stored as they are.
    fn bits(&mut self, bits: u32, count: u32);
}

/// A cell: the weights of a tile that changed in a slab. See [`Block`](crate::coding::Block).
pub(super) struct Cell<'a, E> {
    pub(super) width: usize,
    pub(super) places: &'a [u16],
    pub(super) masks: &'a [u8],
    pub(super) codes: &'a [E],
}

/// A cell is told by gaps where fewer than one weight in so many changed, of rows that did.
const SPARSE: usize = 8;

impl<E: Element> Cell<'_, E> {
    /// Walks through the cell. `every` are the masks of all weights of the tile.
    pub(super) fn walk(&self, weights: &mut Weights, every: &[u8], sink: &mut impl Sink) {
        if self.places.is_empty() {
            return sink.symbol(contexts::CELL, CELL_EMPTY, 0);
        }
        let rows: Vec<u8> = every
            .chunks(self.width)
            .map(|row| row.iter().fold(0, |any, mask| any | mask))
            .collect();
        let active = rows.iter().filter(|row| **row != 0).count() * self.width;
        if self.places.len() * SPARSE < active {
            sink.symbol(contexts::CELL, CELL_GAPS, 0);
            self.walk_gaps(weights, sink);
        } else {
            sink.symbol(contexts::CELL, CELL_ROWS, 0);
            self.walk_rows(weights, every, &rows, sink);
        }
        self.walk_values(weights, sink);
    }

    fn walk_gaps(&self, weights: &Weights, sink: &mut impl Sink) {
        put_number(contexts::COUNT, self.places.len(), 0, sink);
        let context = contexts::gap(weights.len(), self.places.len());
        let mut next = 0;
        for (i, &place) in self.places.iter().enumerate() {
            put_number(context, usize::from(place) - next, i % LANES, sink);
            next = usize::from(place) + 1;
        }
        let first = contexts::masks_of(0).start;
        for (i, (&place, &mask)) in self.places.iter().zip(self.masks).enumerate() {
            let class = usize::from(weights.classes[usize::from(place)]);
            sink.symbol(first + class, mask, i % LANES);
        }
    }

    fn walk_rows(&self, weights: &Weights, every: &[u8], rows: &[u8], sink: &mut impl Sink) {
        for (i, &row) in rows.iter().enumerate() {
            sink.symbol(contexts::ROW, row, i % LANES);
        }
        for (at, (&row, masks)) in rows.iter().zip(every.chunks(self.width)).enumerate() {
            if row == 0 {
                continue;
            }
            let first = contexts::masks_of(row.count_ones() as usize).start;
            let classes = &weights.classes[at * self.width..][..self.width];
            for (i, (&mask, &class)) in masks.iter().zip(classes).enumerate() {
                sink.symbol(first + usize::from(class), gather(mask, row), i % LANES);
            }
        }
    }

    fn walk_values(&self, weights: &mut Weights, sink: &mut impl Sink) {
        if by_neighbours::<E>() {
            self.walk_values_by::<true>(weights, sink);
        } else {
            self.walk_values_by::<false>(weights, sink);
        }
    }

    /// The first changes of all weights, then the second ones, and so on: so four that are decoded
    /// at a time are of four weights.
    fn walk_values_by<const BY_NEIGHBOURS: bool>(
        &self,
        weights: &mut Weights,
        sink: &mut impl Sink,
    ) {
        let mut queue = Vec::with_capacity(self.places.len());
        let mut code = 0;
        for (&place, &mask) in self.places.iter().zip(self.masks) {
            queue.push(weights.begin(place, bits_in(mask) as u8, code));
            code += bits_in(mask) as u32;
        }
        let mut rank = 0;
        while !queue.is_empty() {
            let mut neighbours = weights.neighbours();
            for (i, weight) in queue.iter_mut().enumerate() {
                let code = self.codes[weight.code as usize + usize::from(rank)].to_u32();
                let number = Number::of(weight.number::<E>(code));
                let context = contexts::VALUES.start + weight.context::<BY_NEIGHBOURS>(&neighbours);
                sink.symbol(context, number.class, i % LANES);
                sink.bits(number.rest, number.rest_bits);
                weight.change::<E>(number.number, &mut neighbours);
            }
            rank += 1;
            weights.go_on(&mut queue, rank);
        }
    }
}

/// Whether values are told by what their neighbours lead to expect, instead of by the weight's
/// scale: where a weight has many bits, changes side by side are of one size, and where it has few,
/// they are mostly of one unit.
pub(super) fn by_neighbours<E: Element>() -> bool {
    E::BYTES > 2
}

/// The bits of `mask` where `of` has ones, side by side.
fn gather(mask: u8, of: u8) -> u8 {
    if of == 0xff {
        return mask;
    }
    let (mut gathered, mut count, mut left) = (0, 0, of);
    while left != 0 {
        gathered |= (mask >> left.trailing_zeros() & 1) << count;
        left &= left - 1;
        count += 1;
    }
    gathered
}

fn put_number(context: usize, number: usize, lane: usize, sink: &mut impl Sink) {
    let number = Number::of(number as u32);
    sink.symbol(context, number.class, lane);
    sink.bits(number.rest, number.rest_bits);
}
