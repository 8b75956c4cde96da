use std::ops::Range;

use super::stream::{Reader, Writer};
use super::{Damage, Decoded, Element, RawChange, TileChanges, Tiling};

/// Steps of a slab: the depth of a leaf. The steps of one weight are one byte of mask.
pub(crate) const SLAB_STEPS: usize = 8;

/// Which weights changed is told by the gaps between them and their masks.
const OFFSETS: u8 = 0;
/// Which weights changed is told by a mask for every weight.
const MASKS: u8 = 1;
/// Added to either: some changes are raw.
const HAS_RAWS: u8 = 2;

/// A raw change holds a delta, a mark, or both.
const RAW_DELTA: u8 = 1;
const RAW_MARK: u8 = 2;

/// What a run of tiles changed in a run of steps, decompressed.
///
/// The steps are cut into slabs of eight, the last of which may be short. A *cell* is a tile in a
/// slab; cells lie tile by tile, and slab by slab in each. In a cell come the weights that changed,
/// ascending by place, each with a mask byte whose bit i is step i of the slab, and for every set
/// bit a code; see [`TileChanges`].
pub(crate) struct Block<E> {
    steps: usize,
    /// For each cell, and one more: where its weights, codes and raw changes begin.
    cells: Vec<Cell>,
    places: Vec<u16>,
    masks: Vec<u8>,
    codes: Vec<E>,
    raws: Vec<RawChange>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    weight: usize,
    code: usize,
    raw: usize,
}

impl<E: Element> Block<E> {
    /// The bytes of a block: `tiles` gives for each tile of a run its changes in each step.
    pub(crate) fn encode<'c>(
        tiling: &Tiling,
        run: Range<usize>,
        tiles: impl Iterator<Item = &'c [TileChanges<E>]>,
    ) -> Vec<u8>
    where
        E: 'c,
    {
        let mut parts = Parts::default();
        for (tile, steps) in run.zip(tiles) {
            for slab in steps.chunks(SLAB_STEPS) {
                parts.push(tiling.rect(tile).len(), slab);
            }
        }
        parts.finish()
    }

    /// Takes the block of a run of tiles over a number of steps apart.
    pub(crate) fn decode(
        bytes: &[u8],
        tiling: &Tiling,
        run: Range<usize>,
        steps: usize,
    ) -> Decoded<Self> {
        let mut reader = Reader::new(bytes);
        let form = reader.take(1)?[0];
        let slabs = steps.div_ceil(SLAB_STEPS);
        let sizes = || {
            run.clone()
                .flat_map(|tile| std::iter::repeat_n(tiling.rect(tile).len(), slabs))
        };
        let (counts, places, masks) = match form & !HAS_RAWS {
            OFFSETS => read_offsets(&mut reader, sizes())?,
            MASKS => read_masks(&mut reader, sizes())?,
            _ => return Err(Damage("the block is of an unknown form")),
        };

        let mut cells = Vec::with_capacity(counts.len() + 1);
        let mut end = Cell::default();
        for (i, &count) in counts.iter().enumerate() {
            cells.push(end);
            let inside = masks
                .get(end.weight..end.weight + count)
                .ok_or(Damage("masks are missing"))?;
            let any = inside.iter().fold(0, |any, mask| any | mask);
            if any & !allowed_mask(steps, i % slabs) != 0 || inside.contains(&0) {
                return Err(Damage("a mask names steps that are not there"));
            }
            end = Cell {
                weight: end.weight + count,
                code: end.code + inside.iter().map(|mask| bits_in(*mask)).sum::<usize>(),
                raw: 0,
            };
        }
        cells.push(end);

        let codes = reader.numbers::<E>(end.code)?;
        let raws = if form & HAS_RAWS == 0 {
            Vec::new()
        } else {
            read_raws(&mut reader, &codes)?
        };
        reader.finish()?;
        if raws.is_empty() {
            if codes.contains(&E::default()) {
                return Err(Damage("a raw change is missing"));
            }
        } else {
            let mut raw = 0;
            for i in 1..cells.len() {
                raw += codes[cells[i - 1].code..cells[i].code]
                    .iter()
                    .filter(|code| **code == E::default())
                    .count();
                cells[i].raw = raw;
            }
        }
        Ok(Block {
            steps,
            cells,
            places,
            masks,
            codes,
            raws,
        })
    }

    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// Whether any change is raw.
    pub(crate) fn has_raws(&self) -> bool {
        !self.raws.is_empty()
    }

    /// Visits the changes of tile `index` of the run: place in the tile, step in the block, code,
    /// and for code 0 the raw change. By slab, then place, then step.
    #[inline]
    pub(crate) fn visit(
        &self,
        index: usize,
        mut visitor: impl FnMut(u16, usize, E, Option<&RawChange>) -> Decoded<()>,
    ) -> Decoded<()> {
        let slabs = self.steps.div_ceil(SLAB_STEPS);
        for slab in 0..slabs {
            let (cell, end) = (
                self.cells[index * slabs + slab],
                self.cells[index * slabs + slab + 1],
            );
            let mut codes = self.codes[cell.code..end.code].iter();
            let mut raws = self.raws[cell.raw..end.raw.max(cell.raw)].iter();
            let weights = self.places[cell.weight..end.weight]
                .iter()
                .zip(&self.masks[cell.weight..end.weight]);
            for (&place, &mask) in weights {
                let mut left = mask;
                while left != 0 {
                    let step = slab * SLAB_STEPS + left.trailing_zeros() as usize;
                    left &= left - 1;
                    // One code for every bit and one raw change for every 0: `decode` counted.
                    let &code = codes.next().ok_or(Damage("a code is missing"))?;
                    let raw = if code == E::default() {
                        raws.next()
                    } else {
                        None
                    };
                    visitor(place, step, code, raw)?;
                }
            }
        }
        Ok(())
    }

    /// Adds up plain codes upon the ordered bits of tile `index`, without its raw changes: the fast
    /// half of a replay of all the block's steps. `scratch` is for its own use.
    #[inline]
    pub(crate) fn add_all(
        &self,
        index: usize,
        ordered: &mut [E],
        scratch: &mut Vec<u16>,
    ) -> Decoded<()> {
        let slabs = self.steps.div_ceil(SLAB_STEPS);
        let (first, end) = (self.cells[index * slabs], self.cells[(index + 1) * slabs]);
        let codes = &self.codes[first.code..end.code];
        let weights = self.places[first.weight..end.weight]
            .iter()
            .zip(&self.masks[first.weight..end.weight]);
        // The place of every code. How many codes a weight has cannot be predicted, so eight are
        // written each time, and what is too much is written over.
        scratch.resize(codes.len() + SLAB_STEPS, 0);
        let mut at = 0;
        for (&place, &mask) in weights {
            scratch[at..at + SLAB_STEPS].fill(place);
            at += bits_in(mask);
        }
        for (&place, &code) in scratch.iter().zip(codes) {
            let weight = ordered
                .get_mut(usize::from(place))
                .ok_or(Damage("a place is outside its tile"))?;
            *weight = weight.step_by(code);
        }
        Ok(())
    }

    /// The changes of tile `index` of the run, step by step.
    pub(crate) fn by_step(&self, index: usize) -> Decoded<Vec<TileChanges<E>>> {
        let mut steps = vec![TileChanges::default(); self.steps];
        self.visit(index, |place, step, code, raw| {
            steps[step].push(place, code, raw.copied());
            Ok(())
        })?;
        Ok(steps)
    }
}

/// Counts by a table: without machine instructions for it, which a build for any x86-64 does not
/// use, counting takes longer than all else that is done for a mask.
fn bits_in(mask: u8) -> usize {
    const COUNTS: [u8; 256] = {
        let mut counts = [0; 256];
        let mut mask = 1;
        while mask < 256 {
            counts[mask] = counts[mask / 2] + (mask & 1) as u8;
            mask += 1;
        }
        counts
    };
    usize::from(COUNTS[usize::from(mask)])
}

/// Appends the places and masks of a cell's weights that changed.
fn compact(cell: &[u8], places: &mut Vec<u16>, masks: &mut Vec<u8>) {
    let begin = places.len();
    places.resize(begin + cell.len() + 1, 0);
    masks.resize(begin + cell.len() + 1, 0);
    let mut at = begin;
    for (place, &mask) in cell.iter().enumerate() {
        // Which weights changed cannot be predicted, so all are written, and those that did not
        // are written over.
        places[at] = place as u16;
        masks[at] = mask;
        at += usize::from(mask != 0);
    }
    places.truncate(at);
    masks.truncate(at);
}

/// The bits that masks of a slab may have: fewer than eight in a short last one.
fn allowed_mask(steps: usize, slab: usize) -> u8 {
    let inside = (steps - slab * SLAB_STEPS).min(SLAB_STEPS);
    (0xffu16 >> (SLAB_STEPS - inside)) as u8
}

type Which = (Vec<usize>, Vec<u16>, Vec<u8>);

fn read_offsets(reader: &mut Reader, sizes: impl Iterator<Item = usize>) -> Decoded<Which> {
    let sizes: Vec<usize> = sizes.collect();
    let counts: Vec<usize> = reader
        .numbers::<u16>(sizes.len())?
        .into_iter()
        .map(usize::from)
        .collect();
    if counts.iter().zip(&sizes).any(|(count, size)| count > size) {
        return Err(Damage("more weights than the tile has"));
    }
    let total = counts.iter().sum();
    let gaps = reader.numbers::<u16>(total)?;
    let masks = reader.stream(total)?;
    let mut places = Vec::with_capacity(total);
    let mut rest = &gaps[..];
    for (&count, &size) in counts.iter().zip(&sizes) {
        let (own, others) = rest.split_at(count);
        rest = others;
        let mut next = 0;
        places.extend(own.iter().map(|gap| {
            let place = next + usize::from(*gap);
            next = place + 1;
            place as u16
        }));
        // They ascend, so the last one tells.
        if next > size {
            return Err(Damage("a place is outside its tile"));
        }
    }
    Ok((counts, places, masks))
}

fn read_masks(reader: &mut Reader, sizes: impl Iterator<Item = usize> + Clone) -> Decoded<Which> {
    let every = reader.stream(sizes.clone().sum())?;
    let (mut counts, mut places, mut masks) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = &every[..];
    for size in sizes {
        let (cell, others) = rest.split_at(size);
        rest = others;
        let before = places.len();
        compact(cell, &mut places, &mut masks);
        counts.push(places.len() - before);
    }
    Ok((counts, places, masks))
}

fn read_raws<E: Element>(reader: &mut Reader, codes: &[E]) -> Decoded<Vec<RawChange>> {
    let kinds = reader.stream(codes.iter().filter(|code| **code == E::default()).count())?;
    if kinds.is_empty()
        || kinds
            .iter()
            .any(|kind| !(RAW_DELTA..=RAW_DELTA | RAW_MARK).contains(kind))
    {
        return Err(Damage("a raw change is of an unknown kind"));
    }
    let count = |bit: u8| kinds.iter().filter(|kind| **kind & bit != 0).count();
    let mut deltas = reader
        .numbers::<u32>(count(RAW_DELTA))?
        .into_iter()
        .map(f32::from_bits);
    let mut marks = reader
        .numbers::<u32>(count(RAW_MARK))?
        .into_iter()
        .map(f32::from_bits);
    let raw = |&kind: &u8| {
        let delta = if kind & RAW_DELTA == 0 {
            0.0
        } else {
            deltas.next().unwrap_or(0.0)
        };
        if kind & RAW_DELTA != 0 && (!delta.is_finite() || delta.to_bits() << 1 == 0) {
            return Err(Damage("a delta is 0, infinite or NaN"));
        }
        let mark = if kind & RAW_MARK == 0 {
            None
        } else {
            marks.next()
        };
        Ok(RawChange { delta, mark })
    };
    kinds.iter().map(raw).collect()
}

/// The streams of a block while it is encoded.
#[derive(Default)]
struct Parts<E> {
    /// Weights of each cell, and how many of them changed.
    sizes: Vec<usize>,
    counts: Vec<u16>,
    /// Of the weights that changed.
    places: Vec<u16>,
    masks: Vec<u8>,
    codes: Vec<E>,
    raws: Vec<RawChange>,
}

impl<E: Element> Parts<E> {
    /// Adds a cell: a tile of `size` weights, and its changes in each step of a slab.
    fn push(&mut self, size: usize, steps: &[TileChanges<E>]) {
        let before = self.places.len();
        if let [only] = steps {
            self.places.extend(&only.positions);
            self.masks.resize(self.places.len(), 1);
            self.codes.extend(&only.codes);
            self.raws.extend(&only.raws);
        } else {
            self.push_slab(size, steps);
        }
        self.sizes.push(size);
        self.counts.push((self.places.len() - before) as u16);
    }

    fn push_slab(&mut self, size: usize, steps: &[TileChanges<E>]) {
        let mut every = vec![0u8; size];
        for (bit, changes) in steps.iter().enumerate() {
            for &place in &changes.positions {
                every[usize::from(place)] |= 1 << bit;
            }
        }
        let before = self.places.len();
        compact(&every, &mut self.places, &mut self.masks);

        // Where each weight's codes go. Steps come in order, so each goes right after the one
        // before it.
        let mut offsets = vec![0u32; size];
        let mut end = self.codes.len();
        for (&place, &mask) in self.places[before..].iter().zip(&self.masks[before..]) {
            offsets[usize::from(place)] = end as u32;
            end += bits_in(mask);
        }
        self.codes.resize(end, E::default());
        let mut raws: Vec<(u32, RawChange)> = Vec::new();
        for changes in steps {
            let mut own_raws = changes.raws.iter();
            for (&place, &code) in changes.positions.iter().zip(&changes.codes) {
                let offset = &mut offsets[usize::from(place)];
                self.codes[*offset as usize] = code;
                if code == E::default() {
                    raws.extend(own_raws.next().map(|raw| (*offset, *raw)));
                }
                *offset += 1;
            }
        }
        raws.sort_unstable_by_key(|(offset, _)| *offset);
        self.raws.extend(raws.into_iter().map(|(_, raw)| raw));
    }

    /// For each weight of all cells its mask.
    fn every(&self) -> Vec<u8> {
        let mut every = vec![0; self.sizes.iter().sum()];
        let (mut cell, mut changed) = (&mut every[..], self.places.iter().zip(&self.masks));
        for (&size, &count) in self.sizes.iter().zip(&self.counts) {
            let (own, rest) = cell.split_at_mut(size);
            for (&place, &mask) in changed.by_ref().take(usize::from(count)) {
                own[usize::from(place)] = mask;
            }
            cell = rest;
        }
        every
    }

    /// The weights between those that changed.
    fn gaps(&self) -> Vec<u16> {
        let mut gaps = Vec::with_capacity(self.places.len());
        let mut places = &self.places[..];
        for &count in &self.counts {
            let (own, rest) = places.split_at(usize::from(count));
            let mut next = 0;
            gaps.extend(own.iter().map(|&place| {
                let gap = place - next;
                next = place + 1;
                gap
            }));
            places = rest;
        }
        gaps
    }

    fn finish(self) -> Vec<u8> {
        let mut writer = Writer::default();
        let raws = if self.raws.is_empty() { 0 } else { HAS_RAWS };
        // A mask for every weight has shorter runs to code than gaps once most have one.
        if self.masks.len() * 2 < self.sizes.iter().sum() {
            writer.bytes.push(OFFSETS | raws);
            writer.numbers(&self.counts);
            writer.numbers(&self.gaps());
            writer.stream(&self.masks);
        } else {
            writer.bytes.push(MASKS | raws);
            writer.stream(&self.every());
        }
        writer.numbers(&self.codes);
        if !self.raws.is_empty() {
            let has_delta = |raw: &RawChange| raw.delta.to_bits() << 1 != 0;
            let kind = |raw: &RawChange| {
                let delta = if has_delta(raw) { RAW_DELTA } else { 0 };
                let mark = if raw.mark.is_some() { RAW_MARK } else { 0 };
                delta | mark
            };
            let kinds: Vec<u8> = self.raws.iter().map(kind).collect();
            let deltas = self
                .raws
                .iter()
                .filter(|raw| has_delta(raw))
                .map(|raw| raw.delta.to_bits());
            let marks = self
                .raws
                .iter()
                .filter_map(|raw| raw.mark)
                .map(f32::to_bits);
            writer.stream(&kinds);
            writer.numbers(&deltas.collect::<Vec<u32>>());
            writer.numbers(&marks.collect::<Vec<u32>>());
        }
        writer.bytes
    }
}
