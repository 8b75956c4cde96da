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
            let allowed = allowed_mask(steps, i % slabs);
            let mut code = end.code;
            for &mask in inside {
                if mask == 0 || mask & !allowed != 0 {
                    return Err(Damage("a mask names steps that are not there"));
                }
                code += mask.count_ones() as usize;
            }
            end = Cell {
                weight: end.weight + count,
                code,
                raw: 0,
            };
        }
        cells.push(end);

        let codes = reader.planes::<E>(end.code)?;
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
            at += mask.count_ones() as usize;
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

/// The bits that masks of a slab may have: fewer than eight in a short last one.
fn allowed_mask(steps: usize, slab: usize) -> u8 {
    let inside = (steps - slab * SLAB_STEPS).min(SLAB_STEPS);
    (0xffu16 >> (SLAB_STEPS - inside)) as u8
}

type Which = (Vec<usize>, Vec<u16>, Vec<u8>);

fn read_offsets(reader: &mut Reader, sizes: impl Iterator<Item = usize>) -> Decoded<Which> {
    let sizes: Vec<usize> = sizes.collect();
    let counts: Vec<usize> = reader
        .planes::<u16>(sizes.len())?
        .into_iter()
        .map(usize::from)
        .collect();
    if counts.iter().zip(&sizes).any(|(count, size)| count > size) {
        return Err(Damage("more weights than the tile has"));
    }
    let total = counts.iter().sum();
    let gaps = reader.planes::<u16>(total)?;
    let masks = reader.stream(total)?;
    let mut places = Vec::with_capacity(total);
    let mut gaps = gaps.into_iter();
    for (&count, &size) in counts.iter().zip(&sizes) {
        let mut next = 0;
        for gap in gaps.by_ref().take(count) {
            let place = next + usize::from(gap);
            if place >= size {
                return Err(Damage("a place is outside its tile"));
            }
            places.push(place as u16);
            next = place + 1;
        }
    }
    Ok((counts, places, masks))
}

fn read_masks(reader: &mut Reader, sizes: impl Iterator<Item = usize> + Clone) -> Decoded<Which> {
    let every = reader.stream(sizes.clone().sum())?;
    let changed = every.len() - every.iter().filter(|mask| **mask == 0).count();
    let (mut counts, mut places, mut masks) = (
        Vec::new(),
        Vec::with_capacity(changed),
        Vec::with_capacity(changed),
    );
    let mut rest = &every[..];
    for size in sizes {
        let (cell, others) = rest.split_at(size);
        let before = places.len();
        for (place, &mask) in cell.iter().enumerate() {
            if mask != 0 {
                places.push(place as u16);
                masks.push(mask);
            }
        }
        counts.push(places.len() - before);
        rest = others;
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
        .planes::<u32>(count(RAW_DELTA))?
        .into_iter()
        .map(f32::from_bits);
    let mut marks = reader
        .planes::<u32>(count(RAW_MARK))?
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
    counts: Vec<u16>,
    gaps: Vec<u16>,
    /// Of the weights that changed.
    masks: Vec<u8>,
    /// Of all weights.
    every: Vec<u8>,
    codes: Vec<E>,
    raws: Vec<RawChange>,
}

impl<E: Element> Parts<E> {
    /// Adds a cell: a tile of `size` weights, and its changes in each step of a slab.
    fn push(&mut self, size: usize, steps: &[TileChanges<E>]) {
        let begin = self.every.len();
        self.every.resize(begin + size, 0);
        let every = &mut self.every[begin..];
        for (bit, changes) in steps.iter().enumerate() {
            for &place in &changes.positions {
                every[usize::from(place)] |= 1 << bit;
            }
        }

        // Where each weight's codes go.
        let (mut next_place, before) = (0, self.masks.len());
        let mut offsets = vec![0u32; size];
        let mut end = self.codes.len();
        for (place, &mask) in every.iter().enumerate() {
            if mask != 0 {
                self.gaps.push((place - next_place) as u16);
                self.masks.push(mask);
                next_place = place + 1;
                offsets[place] = end as u32;
                end += mask.count_ones() as usize;
            }
        }
        self.counts.push((self.masks.len() - before) as u16);
        let first = self.codes.len();
        self.codes.resize(end, E::default());
        let mut raws: Vec<(u32, RawChange)> = Vec::new();
        for changes in steps {
            let mut own_raws = changes.raws.iter();
            for (&place, &code) in changes.positions.iter().zip(&changes.codes) {
                // Steps come in order, so each code goes right after the one before it.
                let offset = &mut offsets[usize::from(place)];
                self.codes[*offset as usize] = code;
                if code == E::default() {
                    raws.extend(own_raws.next().map(|raw| (*offset, *raw)));
                }
                *offset += 1;
            }
        }
        debug_assert!(first <= self.codes.len());
        raws.sort_unstable_by_key(|(offset, _)| *offset);
        self.raws.extend(raws.into_iter().map(|(_, raw)| raw));
    }

    fn finish(self) -> Vec<u8> {
        let mut writer = Writer::default();
        let raws = if self.raws.is_empty() { 0 } else { HAS_RAWS };
        // A mask for every weight has shorter runs to code than gaps once most have one.
        if self.masks.len() * 2 < self.every.len() {
            writer.bytes.push(OFFSETS | raws);
            writer.planes(&self.counts);
            writer.planes(&self.gaps);
            writer.stream(&self.masks);
        } else {
            writer.bytes.push(MASKS | raws);
            writer.stream(&self.every);
        }
        writer.planes(&self.codes);
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
            writer.planes(&deltas.collect::<Vec<u32>>());
            writer.planes(&marks.collect::<Vec<u32>>());
        }
        writer.bytes
    }
}
