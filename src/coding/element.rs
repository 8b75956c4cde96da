use std::cell::RefCell;
use std::ops::BitOr;

use bytemuck::Pod;

/// The bits of one weight: 16 or 32 of them.
///
/// *Ordered* bits are the same bits mapped so that they ascend with the value: the difference of
/// two is a distance in units in the last place. The map is one to one on all patterns, infinities,
/// NaNs and both zeros included, and differences wrap around, so that every change has one.
pub(crate) trait Element: Pod + Eq + Default + Send + Sync + BitOr<Output = Self> {
    const BYTES: usize;

    fn to_u32(self) -> u32;
    /// The low bits of `bits`.
    fn from_u32(bits: u32) -> Self;
    fn to_ordered(self) -> Self;
    fn to_plain(self) -> Self;
    /// Adds a zig-zag coded difference to ordered bits.
    fn step_by(self, code: Self) -> Self;
    /// The zig-zag coded difference of ordered bits that leads from `self` to `next`.
    fn code_to(self, next: Self) -> Self;
    fn read_le(bytes: &[u8]) -> Self;
    /// Calls `work` with `len` zeros that each thread uses again and again.
    fn with_zeros<T>(len: usize, work: impl FnOnce(&mut [Self]) -> T) -> T;
}

macro_rules! element {
    ($unsigned:ty, $signed:ty) => {
        impl Element for $unsigned {
            const BYTES: usize = size_of::<$unsigned>();

            #[inline]
            fn to_u32(self) -> u32 {
                u32::from(self)
            }

            #[inline]
            fn from_u32(bits: u32) -> Self {
                bits as $unsigned
            }

            #[inline]
            fn to_ordered(self) -> Self {
                // All ones for negative numbers, else the sign bit alone.
                let flipped = ((self as $signed) >> (<$unsigned>::BITS - 1)) as $unsigned;
                self ^ (flipped | (1 << (<$unsigned>::BITS - 1)))
            }

            #[inline]
            fn to_plain(self) -> Self {
                let flipped = !(((self as $signed) >> (<$unsigned>::BITS - 1)) as $unsigned);
                self ^ (flipped | (1 << (<$unsigned>::BITS - 1)))
            }

            #[inline]
            fn step_by(self, code: Self) -> Self {
                self.wrapping_add((code >> 1) ^ (code & 1).wrapping_neg())
            }

            #[inline]
            fn code_to(self, next: Self) -> Self {
                let difference = next.wrapping_sub(self) as $signed;
                let code = (difference << 1) ^ (difference >> (<$unsigned>::BITS - 1));
                code as $unsigned
            }

            #[inline]
            fn read_le(bytes: &[u8]) -> Self {
                let mut element = [0; size_of::<$unsigned>()];
                element.copy_from_slice(bytes);
                <$unsigned>::from_le_bytes(element)
            }

            fn with_zeros<T>(len: usize, work: impl FnOnce(&mut [Self]) -> T) -> T {
                thread_local! {
                    static ZEROS: RefCell<Vec<$unsigned>> = const { RefCell::new(Vec::new()) };
                }
                // Taken out, so that whoever `work` calls may ask for some too.
                let mut zeros = ZEROS.take();
                zeros.clear();
                zeros.resize(len, 0);
                let result = work(&mut zeros);
                ZEROS.set(zeros);
                result
            }
        }
    };
}

element!(u16, i16);
element!(u32, i32);

/// Calls a function that is generic over the width of a layer's elements.
macro_rules! by_width {
    ($dtype:expr, $element:ident => $call:expr) => {
        if $dtype.size() == 2 {
            type $element = u16;
            $call
        } else {
            type $element = u32;
            $call
        }
    };
}
pub(crate) use by_width;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_bits_ascend_with_the_value() {
        let values = [
            f32::NEG_INFINITY,
            -2.0,
            -1.0,
            -1e-45,
            -0.0,
            0.0,
            1e-45,
            1.0,
            f32::INFINITY,
        ];
        let ordered: Vec<u32> = values
            .iter()
            .map(|value| value.to_bits().to_ordered())
            .collect();
        assert!(ordered.is_sorted());
        assert_eq!(ordered[4] + 1, ordered[5]);
    }

    #[test]
    fn every_pattern_comes_back_and_every_pair_has_a_code() {
        let mut other = 1u16;
        for bits in 0..=u16::MAX {
            assert_eq!(bits.to_ordered().to_plain(), bits);
            other = other.wrapping_mul(25173).wrapping_add(13849);
            let code = bits.to_ordered().code_to(other.to_ordered());
            assert_eq!(code == 0, bits == other);
            assert_eq!(bits.to_ordered().step_by(code).to_plain(), other);
        }
        for (from, to) in [
            (0, u32::MAX),
            (u32::MAX, 0),
            (0x8000_0000, 0),
            (0x7fc0_0000, 0xff80_0001),
        ] {
            let code = u32::to_ordered(from).code_to(u32::to_ordered(to));
            assert_eq!(u32::to_ordered(from).step_by(code).to_plain(), to);
        }
    }
}
