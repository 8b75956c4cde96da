//! The fast coding of a block: its parts as compressed streams.

use std::ops::Range;

use super::block::{cells_of, compact};
use super::cells::Cells;
use super::raw::{read_raws, write_raws};
use super::stream::{Reader, Writer};
use super::{Block, Damage, Decoded, Element, SLAB_STEPS, TileChanges};
use crate::values::Tiling;

/// Which weights changed is told by the gaps between them and their masks.
const OFFSETS: u8 = 0;
/// Which weights changed is told by a mask for every weight.
const MASKS: u8 = 1;
/// Added to either: some changes are raw.
const HAS_RAWS: u8 = 2;

/// The bytes of a block: `tiles` gives for each tile of a run its changes in each step.
pub(crate) fn encode<'c, E: Element>(
    tiling: &Tiling,
    run: Range<usize>,
    tiles: impl Iterator<Item = &'c [TileChanges<E>]>,
) -> Vec<u8> {
    let mut cells = Cells::default();
    for (tile, steps) in run.zip(tiles) {
        for slab in steps.chunks(SLAB_STEPS) {
            cells.push(tiling.rect(tile).len(), slab);
        }
    }
    streams(&cells)
}

/// Takes the block of a run of tiles over a number of steps apart.
pub(crate) fn decode<E: Element>(
    bytes: &[u8],
    tiling: &Tiling,
    run: Range<usize>,
    steps: usize,
) -> Decoded<Block<E>> {
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
    let cells = cells_of(steps, &counts, &masks)?;
    let codes = reader.numbers::<E>(cells.last().map_or(0, |end| end.code))?;
    let raws = if form & HAS_RAWS == 0 {
        Vec::new()
    } else {
        let count = codes.iter().filter(|code| **code == E::default()).count();
        read_raws(&mut reader, count)?
    };
    reader.finish()?;
    Block::new(steps, cells, places, masks, codes, raws)
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

/// For each weight of all cells its mask.
fn every<E>(cells: &Cells<E>) -> Vec<u8> {
    let mut every = vec![0; cells.sizes.iter().sum()];
    let (mut cell, mut changed) = (&mut every[..], cells.places.iter().zip(&cells.masks));
    for (&size, &count) in cells.sizes.iter().zip(&cells.counts) {
        let (own, rest) = cell.split_at_mut(size);
        for (&place, &mask) in changed.by_ref().take(usize::from(count)) {
            own[usize::from(place)] = mask;
        }
        cell = rest;
    }
    every
}

/// The weights between those that changed.
fn gaps<E>(cells: &Cells<E>) -> Vec<u16> {
    let mut gaps = Vec::with_capacity(cells.places.len());
    let mut places = &cells.places[..];
    for &count in &cells.counts {
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

fn streams<E: Element>(cells: &Cells<E>) -> Vec<u8> {
    let mut writer = Writer::default();
    let raws = if cells.raws.is_empty() { 0 } else { HAS_RAWS };
    // A mask for every weight has shorter runs to code than gaps once most have one.
    if cells.masks.len() * 2 < cells.sizes.iter().sum() {
        writer.bytes.push(OFFSETS | raws);
        writer.numbers(&cells.counts);
        writer.numbers(&gaps(cells));
        writer.stream(&cells.masks);
    } else {
        writer.bytes.push(MASKS | raws);
        writer.stream(&every(cells));
    }
    writer.numbers(&cells.codes);
    if !cells.raws.is_empty() {
        write_raws(&mut writer, &cells.raws);
    }
    writer.bytes
}
