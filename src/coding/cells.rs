use super::block::{bits_in, compact};
use super::{Element, RawChange, TileChanges};

/// The cells of a block while it is encoded: see [`Block`](super::Block).
#[derive(Default)]
pub(super) struct Cells<E> {
    /// Weights of each cell, and how many of them changed.
    pub(super) sizes: Vec<usize>,
    pub(super) counts: Vec<u16>,
    /// Of the weights that changed.
    pub(super) places: Vec<u16>,
    pub(super) masks: Vec<u8>,
    pub(super) codes: Vec<E>,
    pub(super) raws: Vec<RawChange>,
}

impl<E: Element> Cells<E> {
    /// Adds a cell: a tile of `size` weights, and its changes in each step of a slab.
    pub(super) fn push(&mut self, size: usize, steps: &[TileChanges<E>]) {
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
}
