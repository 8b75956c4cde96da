//! Numbers as a class, which is coded, and bits that are stored as they are.

use super::bits::BitReader;
use crate::coding::{Damage, Decoded};

/// Numbers up to this one are classes of their own.
pub(super) const SMALL: u32 = 14;

/// How many classes there are: those of 32-bit numbers.
pub(super) const CLASSES: usize = 73;

/// A number as what is coded of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) number: u32,
    pub(super) class: u8,
    /// The bits below those that the class tells.
    pub(super) rest: u32,
    /// How many they are.
    pub(super) rest_bits: u32,
}

impl Number {
    #[inline]
    pub(super) fn of(number: u32) -> Self {
        if number <= SMALL {
            return Number {
                number,
                class: number as u8,
                rest: 0,
                rest_bits: 0,
            };
        }
        // The class tells the highest bit that is set, and the one below it.
        let highest = 31 - number.leading_zeros();
        let rest_bits = highest - 1;
        Number {
            number,
            class: (SMALL + 1 + 2 * (highest - 3) + (number >> rest_bits & 1)) as u8,
            rest: number & ((1 << rest_bits) - 1),
            rest_bits,
        }
    }

    /// The number of a class, with the bits that follow it.
    #[inline(always)]
    pub(super) fn take(class: u8, bits: &mut BitReader) -> Decoded<u32> {
        let class = u32::from(class);
        if class <= SMALL {
            return Ok(class);
        }
        let above = class - SMALL - 1;
        if class as usize >= CLASSES {
            return Err(Damage("a number is of an unknown class"));
        }
        let rest_bits = above / 2 + 2;
        Ok((2 | above & 1) << rest_bits | bits.take(rest_bits)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bits::BitWriter;
    use super::*;

    #[test]
    fn every_number_comes_back() {
        let near = (0..32).flat_map(|bit| {
            let power = 1u32 << bit;
            [
                power - 1,
                power,
                power + 1,
                power | (power / 2),
                power - power / 8,
            ]
        });
        for number in near.chain(0..5000).chain([u32::MAX]) {
            let coded = Number::of(number);
            assert!(usize::from(coded.class) < CLASSES);
            let mut writer = BitWriter::default();
            writer.put(coded.rest, coded.rest_bits);
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            assert_eq!(Number::take(coded.class, &mut reader), Ok(number));
            assert_eq!(reader.finish(), Ok(()));
        }
        let unknown = Number::take(CLASSES as u8, &mut BitReader::new(&[0; 8]));
        assert_eq!(unknown, Err(Damage("a number is of an unknown class")));
    }
}
