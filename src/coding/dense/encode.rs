use super::bits::BitWriter;
use super::census::Census;
use super::codebook::Codebook;
use super::contexts::Weights;
use super::rans::{EncodeTables, Encoder};
use super::walk::{Cell, Sink};
use super::{FORM, STRETCH_CHANGES};
use crate::coding::cells::Cells;
use crate::coding::raw::write_raws;
use crate::coding::stream::Writer;
use crate::coding::{Coder, Element, RawChange, SLAB_STEPS, TileChanges};

/// What some steps changed in a tile, to be coded.
pub(crate) struct DenseTile<E> {
    coder: Coder,
    width: usize,
    /// Ordered bits of the state before the steps.
    before: Vec<E>,
    cells: Cells<E>,
}

impl<E: Element> DenseTile<E> {
    pub(crate) fn new(
        coder: Coder,
        width: usize,
        before: Vec<E>,
        steps: &[TileChanges<E>],
    ) -> Self {
        let mut cells = Cells::default();
        for slab in steps.chunks(SLAB_STEPS) {
            cells.push(before.len(), slab);
        }
        DenseTile {
            coder,
            width,
            before,
            cells,
        }
    }

    /// Counts what the tile has for a codebook.
    pub(crate) fn count(&self, census: &mut Census) {
        self.walk(|cell, weights, every| cell.walk(weights, every, census));
    }

    /// The bytes of the tile's block; `codebook` is of a census in which it was counted. Nothing
    /// where nothing changed.
    pub(crate) fn encode(&self, codebook: &Codebook, tables: &EncodeTables) -> Vec<u8> {
        if self.cells.codes.is_empty() {
            return Vec::new();
        }
        let mut writer = Writer::default();
        writer.bytes.push(FORM);
        let mut raws = &self.cells.raws[..];
        let mut stretch = Stretch::new(codebook);
        self.walk(|cell, weights, every| {
            cell.walk(weights, every, &mut stretch);
            stretch.slabs += 1;
            stretch.changes += cell.codes.len();
            stretch.raws += cell
                .codes
                .iter()
                .filter(|code| **code == E::default())
                .count();
            if stretch.changes >= STRETCH_CHANGES {
                let (own, others) = raws.split_at(stretch.raws);
                raws = others;
                let full = std::mem::replace(&mut stretch, Stretch::new(codebook));
                full.finish(tables, &mut writer);
                write_raws_if_any(&mut writer, own);
            }
        });
        if stretch.slabs > 0 {
            stretch.finish(tables, &mut writer);
            write_raws_if_any(&mut writer, raws);
        }
        writer.bytes
    }

    fn walk(&self, mut work: impl FnMut(&Cell<E>, &mut Weights, &[u8])) {
        let mut weights = Weights::new(self.coder, &self.before);
        let mut every = vec![0u8; self.before.len()];
        let (mut weight, mut code) = (0, 0);
        for &count in &self.cells.counts {
            let inside = weight..weight + usize::from(count);
            let masks = &self.cells.masks[inside.clone()];
            let codes = masks
                .iter()
                .map(|mask| mask.count_ones() as usize)
                .sum::<usize>();
            let cell = Cell {
                width: self.width,
                places: &self.cells.places[inside.clone()],
                masks,
                codes: &self.cells.codes[code..code + codes],
            };
            every.fill(0);
            for (&place, &mask) in cell.places.iter().zip(masks) {
                every[usize::from(place)] = mask;
            }
            work(&cell, &mut weights, &every);
            weights.pass(cell.places, masks);
            weight = inside.end;
            code += codes;
        }
    }
}

fn write_raws_if_any(writer: &mut Writer, raws: &[RawChange]) {
    if !raws.is_empty() {
        write_raws(writer, raws);
    }
}

/// Some slabs while they are coded.
struct Stretch<'c> {
    codebook: &'c Codebook,
    symbols: Encoder,
    bits: BitWriter,
    slabs: u16,
    changes: usize,
    raws: usize,
}

impl<'c> Stretch<'c> {
    fn new(codebook: &'c Codebook) -> Self {
        Stretch {
            codebook,
            symbols: Encoder::default(),
            bits: BitWriter::default(),
            slabs: 0,
            changes: 0,
            raws: 0,
        }
    }

    fn finish(self, tables: &EncodeTables, writer: &mut Writer) {
        let (symbols, bits) = (self.symbols.finish(tables), self.bits.finish());
        writer.bytes.extend(self.slabs.to_le_bytes());
        writer.bytes.extend((symbols.len() as u32).to_le_bytes());
        writer.bytes.extend((bits.len() as u32).to_le_bytes());
        writer.bytes.extend(symbols);
        writer.bytes.extend(bits);
    }
}

impl Sink for Stretch<'_> {
    #[inline]
    fn symbol(&mut self, context: usize, symbol: u8, lane: usize) {
        let table = self.codebook.map[context];
        self.symbols.put(table, symbol, lane);
    }

    #[inline]
    fn bits(&mut self, bits: u32, count: u32) {
        self.bits.put(bits, count);
    }
}
