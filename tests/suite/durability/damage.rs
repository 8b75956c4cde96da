//! What can happen to a file's bytes.

use std::ops::Range;

use super::Random;

/// Bytes of SQLite's pages, and at most of the header of each.
const PAGE: usize = 4096;
const PAGE_HEADER: usize = 12;

#[derive(Clone, Copy, Debug)]
pub enum Damage {
    Flipped { byte: usize, bit: u8 },
    Truncated { length: usize },
    Swapped { page: usize, with: usize },
    Zeroed { page: usize },
}

impl Damage {
    /// Bits of the file's header, and of that of its first page.
    pub const HEADER_BITS: usize = 8 * (100 + PAGE_HEADER);

    pub fn flip(bit: usize) -> Self {
        Damage::Flipped {
            byte: bit / 8,
            bit: (bit % 8) as u8,
        }
    }

    pub fn flip_anywhere(length: usize, random: &mut Random) -> Self {
        Damage::flip(random.below(8 * length))
    }

    pub fn flip_within(ranges: &[Range<usize>], random: &mut Random) -> Self {
        let range = &ranges[random.below(ranges.len())];
        Damage::flip(8 * range.start + random.below(8 * range.len()))
    }

    /// A bit of the header of a page.
    pub fn flip_structure(length: usize, random: &mut Random) -> Self {
        let page = random.below(length / PAGE) * PAGE;
        Damage::flip(8 * page + random.below(8 * PAGE_HEADER))
    }

    /// Pages lost, cut off, or in each other's place.
    pub fn of_pages(length: usize, random: &mut Random) -> Self {
        let page = random.below(length / PAGE);
        match random.below(3) {
            0 => Damage::Truncated {
                length: random.below(length),
            },
            1 => Damage::Zeroed { page },
            _ => Damage::Swapped {
                page,
                with: (page + 1 + random.below(length / PAGE - 1)) % (length / PAGE),
            },
        }
    }

    pub fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Damage::Flipped { byte, bit } => bytes[byte] ^= 1 << bit,
            Damage::Truncated { length } => bytes.truncate(length),
            Damage::Zeroed { page } => bytes[page * PAGE..][..PAGE].fill(0),
            Damage::Swapped { page, with } => {
                let (first, second) = (page.min(with), page.max(with));
                let (before, after) = bytes.split_at_mut(second * PAGE);
                before[first * PAGE..][..PAGE].swap_with_slice(&mut after[..PAGE]);
            }
        }
    }
}
