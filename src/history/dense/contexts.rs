//! What both sides know of a weight before they code it, as a number: its context.

use crate::Dtype;
use crate::history::Element;

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
/// How many unchanged weights lie between two that changed.
pub(super) const GAP: usize = 3;
/// The mask of a weight.
const MASK: usize = 4;
/// The code of a change.
const VALUE: usize = MASK + 9 * SCALES * PASTS;
pub(super) const CONTEXTS: usize = VALUE + SCALES * MANNERS;

/// Contexts of masks in rows that changed in so many steps. 0 stands for weights of cells that
/// are told by gaps.
pub(super) fn masks_of(steps: usize) -> std::ops::Range<usize> {
    let first = MASK + steps * SCALES * PASTS;
    first..first + SCALES * PASTS
}

/// Contexts of masks.
pub(super) const MASKS: std::ops::Range<usize> = MASK..VALUE;
/// Contexts of changes.
pub(super) const VALUES: std::ops::Range<usize> = VALUE..CONTEXTS;

/// What is known of each weight of a tile.
pub(super) struct Weights {
    /// `scale * PASTS + past`: the context of its mask, but for the row's number of steps.
    pub(super) classes: Vec<u16>,
    /// 32 times the changes in a slab, on an average that forgets.
    activity: Vec<u8>,
    /// How each changed last.
    last: Vec<Last>,
}

/// How a weight changed last: 0 unknown, else 1, 2 and 3 by one unit, two and more, and [`DOWN`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Last(u8);

const DOWN: u8 = 4;

impl Last {
    /// The code of a change, seen from the direction of the last one: the same direction is up. Its
    /// own inverse.
    #[inline]
    pub(super) fn turn<E: Element>(self, code: u32) -> u32 {
        // 1 and 2 are one unit down and up, 3 and 4 two, and so on; 0 is a raw change, and the
        // greatest one has no counterpart.
        let greatest = u32::MAX >> (32 - 8 * E::BYTES);
        let turned = (code.wrapping_sub(1) ^ 1).wrapping_add(1);
        let turns = self.0 & DOWN != 0 && code != 0 && code != greatest;
        if turns { turned } else { code }
    }

    /// After a change by a code.
    #[inline]
    pub(super) fn after(self, code: u32) -> Self {
        let size = code.div_ceil(2).min(3) as u8;
        let down = (code as u8 & 1) * DOWN;
        if code == 0 { self } else { Last(size | down) }
    }
}

/// A weight that changed in a slab, while its changes are coded one after the other.
#[derive(Clone, Copy)]
pub(super) struct Changing {
    place: u16,
    pub(super) changes: u8,
    last: Last,
    scale: u8,
    /// Its first code among those of the block.
    pub(super) code: u32,
}

impl Changing {
    /// The context of its next change.
    #[inline]
    pub(super) fn context<const BY_NEIGHBOURS: bool>(&self, neighbours: &Neighbours) -> usize {
        let first = if BY_NEIGHBOURS {
            neighbours.expected(self.scale)
        } else {
            self.scale
        };
        let manner = 4 * (self.changes - 1) + (self.last.0 & 3);
        usize::from(first) * MANNERS + usize::from(manner)
    }

    #[inline]
    pub(super) fn turn<E: Element>(&self, code: u32) -> u32 {
        self.last.turn::<E>(code)
    }

    /// After a change by a code.
    #[inline]
    pub(super) fn changed(&mut self, code: u32, neighbours: &mut Neighbours) {
        self.last = self.last.after(code);
        neighbours.push(self.scale, code);
    }
}

impl Weights {
    /// At the beginning of a group, from the ordered bits of the state before it.
    pub(super) fn new<E: Element>(dtype: Dtype, before: &[E]) -> Self {
        let class = |ordered: &E| scale(dtype, ordered.to_plain().to_u32()) * PASTS as u16;
        Weights {
            classes: before.iter().map(class).collect(),
            activity: vec![0; before.len()],
            last: vec![Last::default(); before.len()],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    /// A weight with so many changes in a slab.
    #[inline]
    pub(super) fn begin(&self, place: u16, changes: u8, code: u32) -> Changing {
        let at = usize::from(place);
        Changing {
            place,
            changes,
            last: self.last[at],
            scale: (self.classes[at] / PASTS as u16) as u8,
            code,
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

    /// After a slab, in which each weight changed as its mask says.
    pub(super) fn pass(&mut self, masks: &[u8], first: bool) {
        for ((class, activity), &mask) in self.classes.iter_mut().zip(&mut self.activity).zip(masks)
        {
            let changes = mask.count_ones() as u8;
            *activity = if first {
                changes.saturating_mul(32)
            } else {
                (*activity - *activity / 4).saturating_add(8 * changes)
            };
            // Did it change in the last two steps of the slab, or at least in one of them?
            let recent = if mask >= 64 {
                0
            } else if mask > 0 {
                1
            } else {
                2
            };
            let level = (u16::from(*activity >= 8))
                + u16::from(*activity >= 24)
                + u16::from(*activity >= 48)
                + u16::from(*activity >= 96);
            *class = (*class & !(PASTS as u16 - 1)) | (1 + level * 3 + recent);
        }
    }
}

/// 63 for zero and what is as small as 2^-62, one less for every power of two above.
fn scale(dtype: Dtype, bits: u32) -> u16 {
    let exponent = match dtype {
        Dtype::F16 => (bits >> 10 & 31) + 112,
        Dtype::Bf16 => bits >> 7 & 255,
        _ => bits >> 23 & 255,
    };
    129u32.saturating_sub(exponent).min(SCALES as u32 - 1) as u16
}

/// The changes that were coded before, by the size of the four before the last multiple of four.
#[derive(Clone, Copy, Default)]
pub(super) struct Neighbours {
    sum: i32,
    open: i32,
    count: u32,
}

impl Neighbours {
    /// The size that a change of a weight of such a scale is expected to have, in half powers of
    /// two of units in its last place.
    #[inline]
    fn expected(&self, scale: u8) -> u8 {
        if self.count < 4 {
            return SCALES as u8 - 1;
        }
        ((self.sum + 4 * i32::from(scale)) >> 1).clamp(0, SCALES as i32 - 2) as u8
    }

    #[inline]
    fn push(&mut self, scale: u8, code: u32) {
        self.open += (31 - (code | 1).leading_zeros()) as i32 - i32::from(scale);
        self.count += 1;
        if self.count % 4 == 0 {
            self.sum = std::mem::take(&mut self.open);
        }
    }
}
