use super::bits::BitReader;
use super::codebook::Codebook;
use super::contexts::{self, Changing, Neighbours, Weights};
use super::number::Number;
use super::rans::{Decoder, LANES};
use super::walk::by_neighbours;
use super::{CELL_EMPTY, CELL_GAPS, CELL_ROWS, FORM};
use crate::coding::block::{allowed_mask, bits_in, cells_of, compact};
use crate::coding::raw::read_raws;
use crate::coding::stream::Reader;
use crate::coding::{Block, Coder, Damage, Decoded, Element, RawChange, SLAB_STEPS};

/// The block of a tile, and what is known of it.
pub(crate) struct DenseBlock<'a, E> {
    pub(crate) coder: Coder,
    /// Of the tile.
    pub(crate) width: usize,
    /// Ordered bits of the tile before the block's steps.
    pub(crate) before: &'a [E],
    pub(crate) steps: usize,
}

impl<E: Element> DenseBlock<'_, E> {
    /// Takes the block apart as far as its first `until` steps, or further.
    pub(crate) fn decode(
        &self,
        bytes: &[u8],
        codebook: &Codebook,
        until: usize,
    ) -> Decoded<Block<E>> {
        let mut reader = Reader::new(bytes);
        if reader.take(1)? != [FORM] {
            return Err(Damage("the block is of an unknown form"));
        }
        let mut slabs = Slabs::<E> {
            codebook,
            width: self.width,
            weights: Weights::new(self.coder, self.before),
            every: vec![0; self.before.len()],
            counts: Vec::new(),
            places: Vec::new(),
            masks: Vec::new(),
            codes: Vec::new(),
            queue: Vec::new(),
        };
        let all = self.steps.div_ceil(SLAB_STEPS);
        let wanted = until.div_ceil(SLAB_STEPS);
        let mut raws: Vec<RawChange> = Vec::new();
        while slabs.counts.len() < wanted {
            let head = reader.take(10)?;
            let number =
                |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
            let count = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let end = slabs.counts.len() + count;
            if count == 0 || end > all {
                return Err(Damage("there are slabs too many or too few"));
            }
            let mut symbols = Decoder::new(reader.take(number(2) as usize)?)?;
            let mut bits = BitReader::new(reader.take(number(6) as usize)?);
            let first = slabs.codes.len();
            while slabs.counts.len() < end {
                let allowed = allowed_mask(self.steps, slabs.counts.len());
                slabs.take(&mut symbols, &mut bits, allowed)?;
            }
            symbols.finish()?;
            bits.finish()?;
            let zeros = slabs.codes[first..]
                .iter()
                .filter(|code| **code == E::default())
                .count();
            if zeros > 0 {
                raws.extend(read_raws(&mut reader, zeros)?);
            }
        }
        if slabs.counts.len() == all {
            reader.finish()?;
        }
        let steps = self.steps.min(slabs.counts.len() * SLAB_STEPS);
        let cells = cells_of(steps, &slabs.counts, &slabs.masks)?;
        Block::new(steps, cells, slabs.places, slabs.masks, slabs.codes, raws)
    }
}

/// The slabs that have been decoded, and what the next ones need.
struct Slabs<'c, E> {
    codebook: &'c Codebook,
    width: usize,
    weights: Weights,
    /// The mask of every weight in the last slab.
    every: Vec<u8>,
    counts: Vec<usize>,
    places: Vec<u16>,
    masks: Vec<u8>,
    codes: Vec<E>,
    /// Weights of the last slab that have more changes.
    queue: Vec<Changing>,
}

impl<E: Element> Slabs<'_, E> {
    fn take<'b>(
        &mut self,
        symbols: &mut Decoder<'b>,
        bits: &mut BitReader<'b>,
        allowed: u8,
    ) -> Decoded<()> {
        let cell = symbols.one(&self.codebook.decode, self.codebook.map[contexts::CELL], 0)?;
        let before = self.places.len();
        self.every.fill(0);
        match cell {
            CELL_EMPTY => {}
            CELL_GAPS => self.take_gaps(symbols, bits)?,
            CELL_ROWS => self.take_rows(symbols, allowed)?,
            _ => return Err(Damage("a cell is of an unknown form")),
        }
        self.counts.push(self.places.len() - before);
        if by_neighbours::<E>() {
            self.take_values::<true>(before, symbols, bits)?;
        } else {
            self.take_values::<false>(before, symbols, bits)?;
        }
        self.weights
            .pass(&self.places[before..], &self.masks[before..]);
        Ok(())
    }

    fn take_gaps(&mut self, symbols: &mut Decoder, bits: &mut BitReader) -> Decoded<()> {
        let codebook = self.codebook;
        let class = symbols.one(&codebook.decode, codebook.map[contexts::COUNT], 0)?;
        let count = Number::take(class, bits)? as usize;
        if count == 0 || count > self.weights.len() {
            return Err(Damage("more weights than the tile has"));
        }
        let mut found = vec![0; count];
        let gap = codebook.map[contexts::gap(self.weights.len(), count)];
        symbols.fill(&codebook.decode, &mut found, |_| gap)?;
        let map = &codebook.map[contexts::masks_of(0)];
        let mut next = 0usize;
        let first = self.places.len();
        for &class in &found {
            let place = next + Number::take(class, bits)? as usize;
            if place >= self.weights.len() {
                return Err(Damage("a place is outside its tile"));
            }
            self.places.push(place as u16);
            next = place + 1;
        }
        let places = &self.places[first..];
        let classes = &self.weights.classes;
        symbols.fill(&codebook.decode, &mut found, |i| {
            map[usize::from(classes[usize::from(places[i])])]
        })?;
        if found.contains(&0) {
            return Err(Damage("a weight that changed has an empty mask"));
        }
        for (&place, &mask) in places.iter().zip(&found) {
            self.every[usize::from(place)] = mask;
        }
        self.masks.extend(found);
        Ok(())
    }

    fn take_rows(&mut self, symbols: &mut Decoder, allowed: u8) -> Decoded<()> {
        let codebook = self.codebook;
        let mut rows = vec![0; self.weights.len() / self.width];
        let row = codebook.map[contexts::ROW];
        symbols.fill(&codebook.decode, &mut rows, |_| row)?;
        for (at, &row) in rows.iter().enumerate() {
            let inside = at * self.width..(at + 1) * self.width;
            if row == 0 {
                continue;
            }
            if row & !allowed != 0 {
                return Err(Damage("a mask names steps that are not there"));
            }
            let map = &codebook.map[contexts::masks_of(row.count_ones() as usize)];
            let masks = &mut self.every[inside.clone()];
            let classes = &self.weights.classes[inside];
            symbols.fill(&codebook.decode, masks, |i| map[usize::from(classes[i])])?;
            if row != 0xff {
                spread(masks, row)?;
            }
        }
        compact(&self.every, &mut self.places, &mut self.masks);
        Ok(())
    }

    fn take_values<'b, const BY_NEIGHBOURS: bool>(
        &mut self,
        before: usize,
        symbols: &mut Decoder<'b>,
        bits: &mut BitReader<'b>,
    ) -> Decoded<()> {
        let mut end = self.codes.len();
        self.queue.clear();
        for (&place, &mask) in self.places[before..].iter().zip(&self.masks[before..]) {
            let changes = bits_in(mask);
            self.queue
                .push(self.weights.begin(place, changes as u8, end as u32));
            end += changes;
        }
        self.codes.resize(end, E::default());
        let mut rank = 0;
        while !self.queue.is_empty() {
            let mut values = Values::<E, BY_NEIGHBOURS> {
                codebook: self.codebook,
                map: self.codebook.values(),
                neighbours: self.weights.neighbours(),
                symbols: *symbols,
                bits: *bits,
                codes: &mut self.codes[usize::from(rank)..],
            };
            let (fours, last) = self.queue.as_chunks_mut::<LANES>();
            for four in fours {
                values.take_four(four)?;
            }
            for (lane, weight) in last.iter_mut().enumerate() {
                values.take_one(weight, lane)?;
            }
            (*symbols, *bits) = (values.symbols, values.bits);
            rank += 1;
            self.weights.go_on(&mut self.queue, rank);
        }
        Ok(())
    }
}

/// The changes of one rank while they are decoded. It has copies, which can be kept in registers.
struct Values<'s, 'b, E, const BY_NEIGHBOURS: bool> {
    codebook: &'s Codebook,
    map: &'s [u8; contexts::VALUES.end - contexts::VALUES.start],
    neighbours: Neighbours,
    symbols: Decoder<'b>,
    bits: BitReader<'b>,
    /// From those of this rank on.
    codes: &'s mut [E],
}

impl<E: Element, const BY_NEIGHBOURS: bool> Values<'_, '_, E, BY_NEIGHBOURS> {
    /// The next change of each of four weights.
    #[inline(always)]
    fn take_four(&mut self, [a, b, c, d]: &mut [Changing; LANES]) -> Decoded<()> {
        let which = [self.table(a), self.table(b), self.table(c), self.table(d)];
        let classes = self.symbols.four(&self.codebook.decode, which)?;
        self.put(a, classes[0])?;
        self.put(b, classes[1])?;
        self.put(c, classes[2])?;
        self.put(d, classes[3])
    }

    fn take_one(&mut self, weight: &mut Changing, lane: usize) -> Decoded<()> {
        let which = self.table(weight);
        let class = self.symbols.one(&self.codebook.decode, which, lane)?;
        self.put(weight, class)
    }

    #[inline(always)]
    fn table(&self, weight: &Changing) -> u8 {
        self.map[weight.context::<BY_NEIGHBOURS>(&self.neighbours)]
    }

    #[inline(always)]
    fn put(&mut self, weight: &mut Changing, class: u8) -> Decoded<()> {
        let number = Number::take(class, &mut self.bits)?;
        if 8 * E::BYTES < 32 && number >> (8 * E::BYTES) != 0 {
            return Err(Damage("a code is too large for the type"));
        }
        let code = weight.change::<E>(number, &mut self.neighbours);
        self.codes[weight.code as usize] = E::from_u32(code);
        Ok(())
    }
}

/// Moves the lowest bits of each mask to where `row` has ones.
fn spread(masks: &mut [u8], row: u8) -> Decoded<()> {
    let count = row.count_ones();
    let mut all = [0u8; 128];
    let mut subset = 0u8;
    for spread in &mut all[..1 << count] {
        *spread = subset;
        subset = subset.wrapping_sub(row) & row; // the next larger one of its bits
    }
    for mask in masks {
        let gathered = usize::from(*mask);
        if gathered >> count != 0 {
            return Err(Damage("a mask names steps that are not there"));
        }
        *mask = all[gathered];
    }
    Ok(())
}
