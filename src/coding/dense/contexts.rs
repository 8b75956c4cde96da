//! What both sides know of a weight before they code it, as a number: its context.

use std::ops::Range;

use super::number::SMALL;
use crate::coding::block::bits_in;
use crate::coding::{Coder, Element};
use crate::dtype::Dtype;

/// Magnitudes of weights, by powers of two.
const SCALES: usize = 64;

/// Pasts of a weight's changes in the slabs before.
const PASTS: usize = 16;

/// How a value may be told: how often the weight changes in its slab, and how it changed last.
const MANNERS: usize = 32;

/// What a cell holds.
pub(super) const CELL: usize = 0;
/// In which steps a row of a tile changed, as a mask.
pub(super) const ROW: usize = 1;
/// How many weights of a cell changed.
pub(super) const COUNT: usize = 2;
/// How many unchanged weights lie between two that changed: see [`gap`].
const GAP: usize = 3;
/// The mask of a weight.
const MASK: usize = GAP + 16;
/// The code of a change.
const VALUE: usize = MASK + 9 * SCALES * PASTS;
pub(super) const CONTEXTS: usize = VALUE + SCALES * MANNERS;

/// Contexts of numbers of weights, and of gaps.
pub(super) const NUMBERS: Range<usize> = COUNT..MASK;

/// The context of gaps between weights that changed, by how many weights there are for each.
pub(super) fn gap(weights: usize, changed: usize) -> usize {
    GAP + (weights / changed.max(1)).max(1).ilog2().min(15) as usize
}

/// Contexts of masks in rows that changed in so many steps. 0 stands for weights of cells that
/// are told by gaps.
pub(super) fn masks_of(steps: usize) -> Range<usize> {
    let first = MASK + steps * SCALES * PASTS;
    first..first + SCALES * PASTS
}

/// Contexts of masks.
pub(super) const MASKS: Range<usize> = MASK..VALUE;
/// Contexts of changes.
pub(super) const VALUES: Range<usize> = VALUE..CONTEXTS;

/// What is known of each weight of a tile.
pub(super) struct Weights {
    /// The context of its mask, but for the row's number of steps: its scale, times [`PASTS`], and
    /// how much it changed in the slabs before.
    pub(super) classes: Vec<u16>,
    /// 32 times the changes in a slab, on an average that forgets.
    activity: Vec<u16>,
    /// How each changed last.
    last: Vec<Last>,
    /// No slab has passed.
    fresh: bool,
    /// Changes are told by steps of a lattice.
    snapped: bool,
}

/// How a weight changed last: 0 unknown, else 1, 2 and 3 by one unit, two and more, and [`DOWN`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Last(u8);

const DOWN: u8 = 4;

impl Last {
    /// The code of a change, seen from the direction of the last one: the same direction is up. Its
    /// own inverse.
    #[inline]
    fn turn<E: Element>(self, code: u32) -> u32 {
        // The greatest one has no counterpart.
        let greatest = u32::MAX >> (32 - 8 * E::BYTES);
        if self.0 & DOWN != 0 && code != greatest {
            turned(code)
        } else {
            code
        }
    }

    /// After a change by a code.
    const fn after(self, code: u32) -> Self {
        let size = match code {
            0 => return self,
            1..=2 => 1,
            3..=4 => 2,
            _ => 3,
        };
        Last(size | ((code as u8 & 1) * DOWN))
    }
}

/// For each way of the last change what a small number stands for, and leads to.
const SMALL_CHANGES: [[(u8, Last); SMALL as usize + 1]; 8] = {
    let mut all = [[(0, Last(0)); SMALL as usize + 1]; 8];
    let mut last = 0;
    while last < 8 {
        let mut number = 0;
        while number <= SMALL {
            let before = Last(last as u8);
            let code = if before.0 & DOWN != 0 {
                turned(number)
            } else {
                number
            };
            all[last][number as usize] = (code as u8, before.after(code));
            number += 1;
        }
        last += 1;
    }
    all
};

/// The code of the same change in the other direction.
const fn turned(code: u32) -> u32 {
    // 1 and 2 are one unit down and up, 3 and 4 two, and so on; 0 is a raw change.
    if code == 0 { 0 } else { ((code - 1) ^ 1) + 1 }
}

/// A weight that changed in a slab, while its changes are coded one after the other.
#[derive(Clone, Copy)]
pub(super) struct Changing {
    /// Its first code among those of the block.
    pub(super) code: u32,
    place: u16,
    /// The context of its changes, but for how it changed last.
    context: u16,
    changes: u8,
    last: Last,
}

impl Changing {
    fn scale(&self) -> u8 {
        (self.context / MANNERS as u16) as u8
    }

    /// The context of its next change, among those of values.
    #[inline]
    pub(super) fn context<const BY_NEIGHBOURS: bool>(&self, neighbours: &Neighbours) -> usize {
        let context = if BY_NEIGHBOURS {
            let manner = usize::from(self.context) % MANNERS;
            usize::from(neighbours.expected(self.scale())) * MANNERS + manner
        } else {
            usize::from(self.context)
        };
        (context + usize::from(self.last.0 & 3)) % VALUES.len()
    }

    /// The number that a change by a code is coded as, before it is made.
    #[inline]
    pub(super) fn number<E: Element>(&self, code: u32) -> u32 {
        self.last.turn::<E>(code)
    }

    /// The code of a change by its number, which is made.
    #[inline]
    pub(super) fn change<E: Element>(&mut self, number: u32, neighbours: &mut Neighbours) -> u32 {
        let code =
            if let Some(known) = SMALL_CHANGES[usize::from(self.last.0 & 7)].get(number as usize) {
                self.last = known.1;
                u32::from(known.0)
            } else {
                let code = self.last.turn::<E>(number);
                self.last = self.last.after(code);
                code
            };
        neighbours.push(self.scale(), code);
        code
    }
}

impl Weights {
    /// At the beginning of a group, from the ordered bits of the state before it.
    pub(super) fn new<E: Element>(coder: Coder, before: &[E]) -> Self {
        let class = |ordered: &E| scale(coder.dtype, ordered.to_plain().to_u32()) * PASTS as u16;
        Weights {
            classes: before.iter().map(class).collect(),
            activity: vec![0; before.len()],
            last: vec![Last::default(); before.len()],
            fresh: true,
            snapped: coder.lattice.is_some(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    /// Before the first change of each rank.
    pub(super) fn neighbours(&self) -> Neighbours {
        Neighbours {
            snapped: self.snapped,
            ..Neighbours::default()
        }
    }

    /// A weight with so many changes in a slab.
    #[inline]
    pub(super) fn begin(&self, place: u16, changes: u8, code: u32) -> Changing {
        let at = usize::from(place);
        Changing {
            code,
            place,
            context: self.classes[at] / PASTS as u16 * MANNERS as u16
                + 4 * (u16::from(changes) - 1),
            changes,
            last: self.last[at],
        }
    }

    /// Of those that have more changes than have been coded keeps the next ones.
    pub(super) fn go_on(&mut self, queue: &mut Vec<Changing>, coded: u8) {
        // Which ones go on cannot be predicted, so there is no branch.
        let mut kept = 0;
        for i in 0..queue.len() {
            let weight = queue[i];
            self.last[usize::from(weight.place)] = weight.last;
            queue[kept] = weight;
            kept += usize::from(weight.changes > coded);
        }
        queue.truncate(kept);
    }

    /// After a slab, in which some weights changed as their masks say.
    pub(super) fn pass(&mut self, places: &[u16], masks: &[u8]) {
        // First as if none had changed, which is simple enough to be done many at a time.
        for (class, activity) in self.classes.iter_mut().zip(&mut self.activity) {
            *activity -= *activity / 4;
            *class = with_past(*class, *activity, 2);
        }
        let rise = if std::mem::take(&mut self.fresh) {
            32
        } else {
            8
        };
        for (&place, &mask) in places.iter().zip(masks) {
            let place = usize::from(place);
            let activity = &mut self.activity[place];
            *activity = (*activity + rise * bits_in(mask) as u16).min(255);
            // Did it change in one of the last two steps of the slab, or only before?
            let recent = u16::from(mask < 64);
            self.classes[place] = with_past(self.classes[place], *activity, recent);
        }
    }
}

/// A class with another past. 0 is left to weights in a group's first slab.
#[inline]
fn with_past(class: u16, activity: u16, recent: u16) -> u16 {
    let level = u16::from(activity >= 8)
        + u16::from(activity >= 24)
        + u16::from(activity >= 48)
        + u16::from(activity >= 96);
    (class & !(PASTS as u16 - 1)) + 1 + level * 3 + recent
}

/// 63 for zero and what is below 2^-60, one less for every power of two above. The least weights of
/// F16, zero among them, are all of scale 17.
fn scale(dtype: Dtype, bits: u32) -> u16 {
    let exponent = match dtype {
        Dtype::F16 => (bits >> 10 & 31) + 112,
        Dtype::Bf16 => bits >> 7 & 255,
        _ => bits >> 23 & 255,
    };
    129u32.saturating_sub(exponent).min(SCALES as u32 - 1) as u16
}

/// The sizes of the changes that were coded before: powers of two of units in the weight's last
/// place, or steps of a lattice, whose width is the same for all weights.
#[derive(Clone, Copy, Default)]
pub(super) struct Neighbours {
    /// Of the last eight up to a multiple of four, the first four and the others; and of those since.
    fours: [i32; 2],
    open: i32,
    count: u32,
    snapped: bool,
}

/// Changes by more steps of a lattice count as this many.
const MANY_STEPS: u32 = 15;

impl Neighbours {
    /// The size that a change of a weight of such a scale is expected to have: in half powers of two
    /// of units in its last place, or in quarters of a lattice's steps.
    #[inline]
    fn expected(&self, scale: u8) -> u8 {
        if self.count < 8 {
            return SCALES as u8 - 1;
        }
        let eight = self.fours[0] + self.fours[1];
        let expected = if self.snapped {
            eight >> 1
        } else {
            (eight + 8 * i32::from(scale)) >> 2
        };
        expected.clamp(0, SCALES as i32 - 2) as u8
    }

    #[inline]
    fn push(&mut self, scale: u8, code: u32) {
        self.open += if self.snapped {
            code.div_ceil(2).min(MANY_STEPS) as i32
        } else {
            (31 - (code | 1).leading_zeros()) as i32 - i32::from(scale)
        };
        self.count += 1;
        if self.count.is_multiple_of(4) {
            self.fours = [self.fours[1], std::mem::take(&mut self.open)];
        }
    }
}
