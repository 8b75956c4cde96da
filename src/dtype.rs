use std::fmt;

/// The type of a tensor's elements, by the names that safetensors files use.
///
/// F32, BF16 and F16 are *weights*: they are kept as matrices over time. Tensors of the other types
/// are kept whole, whenever they change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it
#[non_exhaustive]
pub enum Dtype {
    F32,
    Bf16,
    F16,
    F64,
    F8E5M2,
    F8E4M3,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

/// Every type with its name and the bytes of one element.
const TABLE: [(Dtype, &str, usize); 15] = [
    (Dtype::F32, "F32", 4),
    (Dtype::Bf16, "BF16", 2),
    (Dtype::F16, "F16", 2),
    (Dtype::F64, "F64", 8),
    (Dtype::F8E5M2, "F8_E5M2", 1),
    (Dtype::F8E4M3, "F8_E4M3", 1),
    (Dtype::I64, "I64", 8),
    (Dtype::I32, "I32", 4),
    (Dtype::I16, "I16", 2),
    (Dtype::I8, "I8", 1),
    (Dtype::U64, "U64", 8),
    (Dtype::U32, "U32", 4),
    (Dtype::U16, "U16", 2),
    (Dtype::U8, "U8", 1),
    (Dtype::Bool, "BOOL", 1),
];

impl Dtype {
    fn entry(self) -> &'static (Dtype, &'static str, usize) {
        &TABLE[self as usize]
    }

    /// The name in safetensors files, such as `BF16`.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// The type of a name, if it is one of these.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|entry| entry.1 == name)
            .map(|entry| entry.0)
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        self.entry().2
    }

    /// Whether tensors of this type are kept as matrices over time.
    pub fn is_weights(self) -> bool {
        matches!(self, Dtype::F32 | Dtype::Bf16 | Dtype::F16)
    }

    /// The f32 of the same value as an element with these bits; a NaN keeps its payload. For
    /// weights.
    pub fn widen(self, bits: u32) -> f32 {
        match self {
            Dtype::Bf16 => f32::from_bits(bits << 16),
            Dtype::F16 => widen_half(bits),
            _ => f32::from_bits(bits),
        }
    }

    /// The bits of the element with exactly this value, if there is one. For weights.
    pub fn narrow(self, value: f32) -> Option<u32> {
        let wide = value.to_bits();
        let bits = match self {
            Dtype::Bf16 => wide >> 16,
            Dtype::F16 => truncate_to_half(wide),
            _ => wide,
        };
        (self.widen(bits).to_bits() == wide).then_some(bits)
    }

    /// The bits of the element nearest to a value, the even one of two; an infinity where it is too
    /// large, and for a NaN any. For weights. Needs IEEE mode.
    #[inline]
    pub(crate) fn nearest(self, value: f32) -> u32 {
        let wide = value.to_bits();
        match self {
            Dtype::Bf16 => wide.wrapping_add(0x7fff + (wide >> 16 & 1)) >> 16,
            Dtype::F16 => nearest_half(wide),
            _ => wide,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By bits alone: conversion instructions would turn signalling NaNs into quiet ones.
fn widen_half(bits: u32) -> f32 {
    let sign = (bits & 0x8000) << 16;
    let (exponent, mantissa) = ((bits >> 10) & 0x1f, bits & 0x3ff);
    let magnitude = match (exponent, mantissa) {
        (0, 0) => 0,
        (0, _) => {
            // A subnormal: shift its highest bit to where the hidden one is.
            let shift = mantissa.leading_zeros() - 21;
            let mantissa = (mantissa << shift) & 0x3ff;
            ((113 - shift) << 23) | (mantissa << 13)
        }
        (31, _) => (0xff << 23) | (mantissa << 13),
        _ => ((exponent + 112) << 23) | (mantissa << 13),
    };
    f32::from_bits(sign | magnitude)
}

/// The half of the same value where there is one, else any.
fn truncate_to_half(wide: u32) -> u32 {
    let sign = (wide >> 16) & 0x8000;
    let (exponent, mantissa) = ((wide >> 23) & 0xff, wide & 0x7f_ffff);
    let magnitude = match exponent {
        0xff => (31 << 10) | (mantissa >> 13),
        113..=142 => ((exponent - 112) << 10) | (mantissa >> 13),
        103..=112 => (0x80_0000 | mantissa) >> (126 - exponent),
        _ => 0,
    };
    sign | magnitude
}

/// The half nearest to a value, the even one of two.
fn nearest_half(wide: u32) -> u32 {
    let sign = (wide >> 16) & 0x8000;
    let magnitude = wide & 0x7fff_ffff;
    sign | match magnitude >> 23 {
        // A carry out of the mantissa is the next exponent, or infinity.
        113..=142 => (magnitude - (112 << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13,
        // Adding 0.5 rounds to multiples of the least subnormal.
        0..=112 => (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits(),
        _ => 31 << 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_types() {
        for (dtype, name, _) in TABLE {
            assert_eq!(dtype.name(), name);
            assert_eq!(Dtype::from_name(name), Some(dtype));
        }
    }

    #[test]
    fn every_half_goes_there_and_back() {
        for bits in 0..=u32::from(u16::MAX) {
            for dtype in [Dtype::F16, Dtype::Bf16] {
                let wide = dtype.widen(bits);
                assert_eq!(dtype.narrow(wide), Some(bits), "{dtype} {bits:#x} {wide}");
            }
        }
        let known = [
            (0x3c00, 1.0),
            (0x0001, 5.960_464_5e-8),
            (0xfbff, -65504.0),
            (0x0400, 6.103_515_6e-5),
        ];
        for (bits, value) in known {
            assert_eq!(Dtype::F16.widen(bits), value);
        }
    }

    #[test]
    fn what_lies_between_two_elements_goes_to_the_nearer_or_the_even_one() {
        for dtype in [Dtype::F16, Dtype::Bf16] {
            let last = if dtype == Dtype::F16 { 0x7bff } else { 0x7f7f };
            for bits in 0..last {
                let (low, high) = (dtype.widen(bits), dtype.widen(bits + 1));
                let middle = low / 2.0 + high / 2.0;
                let even = bits + (bits & 1);
                let next =
                    |value: f32, by: i32| f32::from_bits(value.to_bits().wrapping_add_signed(by));
                for (value, expected) in [
                    (low, bits),
                    (next(middle, -1), bits),
                    (middle, even),
                    (next(middle, 1), bits + 1),
                ] {
                    assert_eq!(dtype.nearest(value), expected, "{dtype} {value:e}");
                    assert_eq!(
                        dtype.nearest(-value),
                        expected | 0x8000,
                        "{dtype} -{value:e}"
                    );
                }
            }
        }
        assert_eq!(Dtype::F16.nearest(65519.996), 0x7bff);
        for (dtype, infinity) in [(Dtype::F16, 0x7c00), (Dtype::Bf16, 0x7f80)] {
            assert_eq!(dtype.nearest(f32::MAX), infinity);
            assert_eq!(dtype.nearest(f32::INFINITY), infinity);
        }
        assert_eq!(Dtype::F16.nearest(65520.0), 0x7c00);
        assert_eq!(Dtype::F32.nearest(0.1), 0.1f32.to_bits());
    }

    #[test]
    fn what_lies_between_two_elements_is_none() {
        for value in [0.1, 65505.0, 1e-8, f32::from_bits(0x7f80_0001), 1e30] {
            assert_eq!(Dtype::F16.narrow(value), None, "{value}");
        }
        assert_eq!(Dtype::Bf16.narrow(1.0 + f32::EPSILON), None);
        assert_eq!(Dtype::F16.narrow(-0.0), Some(0x8000));
    }
}
