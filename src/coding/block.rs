use super::{Damage, Decoded, Element, RawChange, TileChanges};

/// Steps of a slab: the depth of a leaf. The steps of one weight are one byte of mask.
pub(crate) const SLAB_STEPS: usize = 8;

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
pub(super) struct Cell {
    weight: usize,
    pub(super) code: usize,
    raw: usize,
}

/// Where the cells of a block of so many steps begin, and the last one ends: `counts` says for each
/// how many weights changed, `masks` for each of those in which steps.
pub(super) fn cells_of(steps: usize, counts: &[usize], masks: &[u8]) -> Decoded<Vec<Cell>> {
    let slabs = steps.div_ceil(SLAB_STEPS);
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
    Ok(cells)
}

impl<E: Element> Block<E> {
    /// A block of parts that were decoded: a code for every bit of the masks.
    pub(super) fn new(
        steps: usize,
        mut cells: Vec<Cell>,
        places: Vec<u16>,
        masks: Vec<u8>,
        codes: Vec<E>,
        raws: Vec<RawChange>,
    ) -> Decoded<Self> {
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
            if raw != raws.len() {
                return Err(Damage("there are raw changes too many or too few"));
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
        self.visit_weights(index, |place, mut changes| {
            while let Some((step, code, raw)) = changes.next()? {
                visitor(place, step, code, raw)?;
            }
            Ok(())
        })
    }

    /// Visits the weights of tile `index` that changed, slab by slab: place in the tile, and what
    /// gives the changes in the slab, all of which must be taken. By slab, then place.
    #[inline]
    pub(crate) fn visit_weights(
        &self,
        index: usize,
        mut visitor: impl FnMut(u16, SlabChanges<'_, '_, E>) -> Decoded<()>,
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
                let changes = SlabChanges {
                    first: slab * SLAB_STEPS,
                    left: mask,
                    codes: &mut codes,
                    raws: &mut raws,
                };
                visitor(place, changes)?;
            }
        }
        Ok(())
    }

    /// Visits the slabs of tile `index`: a slab's first step in the block, the places of the weights
    /// that changed, ascending, and in which of its steps each did.
    pub(crate) fn visit_masks(&self, index: usize, mut visitor: impl FnMut(usize, &[u16], &[u8])) {
        let slabs = self.steps.div_ceil(SLAB_STEPS);
        for slab in 0..slabs {
            let at = index * slabs + slab;
            let weights = self.cells[at].weight..self.cells[at + 1].weight;
            let places = &self.places[weights.clone()];
            visitor(slab * SLAB_STEPS, places, &self.masks[weights]);
        }
    }

    /// Brings the ordered bits of tile `index` forward by all its codes, of which none is a raw
    /// change: the fast half of a replay of all the block's steps. `step` gives the bits after a
    /// code. `scratch` is for its own use.
    #[inline]
    pub(crate) fn add_all(
        &self,
        index: usize,
        ordered: &mut [E],
        scratch: &mut Vec<u16>,
        step: impl Fn(E, E) -> Decoded<E>,
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
            *weight = step(*weight, code)?;
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

/// The changes of one weight in one slab.
pub(crate) struct SlabChanges<'b, 'v, E> {
    /// The slab's first step in the block.
    first: usize,
    left: u8,
    codes: &'v mut std::slice::Iter<'b, E>,
    raws: &'v mut std::slice::Iter<'b, RawChange>,
}

impl<'b, E: Element> SlabChanges<'b, '_, E> {
    /// The next one: step in the block, code, and for code 0 the raw change.
    #[inline]
    pub(crate) fn next(&mut self) -> Decoded<Option<(usize, E, Option<&'b RawChange>)>> {
        if self.left == 0 {
            return Ok(None);
        }
        let step = self.first + self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        // One code for every bit and one raw change for every 0: `decode` counted.
        let &code = self.codes.next().ok_or(Damage("a code is missing"))?;
        let raw = if code == E::default() {
            self.raws.next()
        } else {
            None
        };
        Ok(Some((step, code, raw)))
    }
}

/// Counts by a table: without machine instructions for it, which a build for any x86-64 does not
/// use, counting takes longer than all else that is done for a mask.
pub(super) fn bits_in(mask: u8) -> usize {
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
pub(super) fn compact(cell: &[u8], places: &mut Vec<u16>, masks: &mut Vec<u8>) {
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
pub(super) fn allowed_mask(steps: usize, slab: usize) -> u8 {
    let inside = (steps - slab * SLAB_STEPS).min(SLAB_STEPS);
    (0xffu16 >> (SLAB_STEPS - inside)) as u8
}
