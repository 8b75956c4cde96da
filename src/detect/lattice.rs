use crate::dtype::Dtype;

/// Equally wide steps that changes may be told by: how many of them, instead of how far. Changes
/// that are nearly the same become the same.
///
/// Compared by bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lattice {
    /// Of an f32 that is finite and above 0.
    width: u32,
}

/// A lattice is kept from one step to the next while it is at least this share of the widest one.
const WIDE_ENOUGH: f32 = 0.875;

/// The bits of an f32 below its four significant ones. Multiples of a width that has few are exact
/// unless they are huge, and a bound that changes a little has the same width again.
const INSIGNIFICANT: u32 = 0x000f_ffff;

impl Lattice {
    /// Steps as wide as an f32 of these bits, if it is a width.
    pub(crate) fn from_bits(width: u32) -> Option<Self> {
        let value = f32::from_bits(width);
        (value.is_finite() && value > 0.0).then_some(Lattice { width })
    }

    /// About the widest lattice one of whose points is always within `bound`: twice that, or what
    /// comes a little below it. The one of the step before stays where it can. `None` where the
    /// bound is too small for any. Needs IEEE mode.
    pub(crate) fn widest(bound: f32, before: Option<Self>) -> Option<Self> {
        let widest = (2.0 * bound).min(f32::MAX);
        let fits = |before: &Self| (WIDE_ENOUGH * widest..=widest).contains(&before.width());
        if let Some(before) = before.filter(fits) {
            return Some(before);
        }
        let width = widest.to_bits() & !INSIGNIFICANT;
        (f32::from_bits(width) >= f32::MIN_POSITIVE).then_some(Lattice { width })
    }

    pub(crate) fn bits(self) -> u32 {
        self.width
    }

    pub(crate) fn width(self) -> f32 {
        f32::from_bits(self.width)
    }

    /// The bits in `dtype` after so many steps from a value; `None` where that is not finite. Needs
    /// IEEE mode.
    #[inline]
    pub(crate) fn after(self, dtype: Dtype, value: f32, count: i32) -> Option<u32> {
        let bits = dtype.nearest(value + self.times(count));
        dtype.widen(bits).is_finite().then_some(bits)
    }

    /// So many steps, as they are added.
    fn times(self, count: i32) -> f32 {
        count as f32 * self.width()
    }

    /// The delta, some steps, that leads from a value to within `bound` of the wanted one, in F32.
    /// `None` as for `snap`.
    pub(crate) fn multiple(self, value: f32, wanted: f32, bound: f32) -> Option<f32> {
        let (count, _) = self.snap(Dtype::F32, value, wanted, bound)?;
        Some(self.times(count))
    }

    /// How many steps lead from a value to within `bound` of the wanted one, not 0, and the bits
    /// that they lead to. `None` where none do: a value is not finite, too far away, or `dtype` too
    /// coarse there. Needs IEEE mode.
    pub(crate) fn snap(
        self,
        dtype: Dtype,
        value: f32,
        wanted: f32,
        bound: f32,
    ) -> Option<(i32, u32)> {
        let wanted = f64::from(wanted);
        let count = ((wanted - f64::from(value)) / f64::from(self.width())).round();
        // Its code must fit into an element.
        let most = f64::from(1 << (8 * dtype.size() - 2));
        if count.is_nan() || count.abs() >= most {
            return None;
        }
        let count = count as i32;
        let found = |count: i32| {
            let bits = self.after(dtype, value, count)?;
            let distance = (wanted - f64::from(dtype.widen(bits))).abs();
            (count != 0 && distance <= f64::from(bound)).then_some((count, bits))
        };
        // The nearest may be rounded out of the bound.
        [count, count - 1, count + 1].into_iter().find_map(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_at_most_twice_the_bound_and_stay_while_they_can() {
        let first = Lattice::widest(0.1, None).unwrap();
        assert_eq!(first.width(), 0.1875);
        assert_eq!(Lattice::widest(0.107, Some(first)), Some(first));
        assert_eq!(Lattice::widest(0.0938, Some(first)), Some(first));
        assert_eq!(
            Lattice::widest(0.12, Some(first)).unwrap().width(),
            0.234375
        );
        assert_eq!(
            Lattice::widest(0.0937, Some(first)).unwrap().width(),
            0.171875
        );
        assert_eq!(
            Lattice::widest(f32::MAX, None).unwrap().width(),
            3.1901472e38
        );
        assert_eq!(Lattice::widest(1e-45, None), None);
        for bits in [0, 0x8000_0000, 0xbf80_0000, 0x7f80_0000, 0x7fc0_0000] {
            assert_eq!(Lattice::from_bits(bits), None);
        }
    }

    #[test]
    fn what_is_snapped_is_within_the_bound_and_is_found_again() {
        let mut seed = 1u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from_bits(seed >> 8 & 0xff_ffff | (0x78 + (seed & 7)) << 23)
        };
        for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16] {
            let mut snapped = 0;
            for _ in 0..10_000 {
                let (value, wanted) = (random(), random());
                let (value, wanted) = (dtype.nearest(value), dtype.nearest(wanted));
                let (value, wanted) = (dtype.widen(value), dtype.widen(wanted));
                let bound = random() / 100.0;
                let lattice = Lattice::widest(bound, None).unwrap();
                let Some((count, bits)) = lattice.snap(dtype, value, wanted, bound) else {
                    continue;
                };
                snapped += 1;
                assert_ne!(count, 0);
                assert_eq!(lattice.after(dtype, value, count), Some(bits));
                let distance = f64::from(dtype.widen(bits)) - f64::from(wanted);
                assert!(distance.abs() <= f64::from(bound));
            }
            assert!(snapped > 8_000, "{dtype}: {snapped}");
        }
    }

    #[test]
    fn what_is_not_finite_or_too_far_is_not_snapped() {
        let lattice = Lattice::from_bits(1e-3f32.to_bits()).unwrap();
        for (value, wanted) in [
            (f32::NAN, 1.0),
            (1.0, f32::NAN),
            (f32::INFINITY, 1.0),
            (f32::INFINITY, f32::INFINITY),
            (1.0, f32::NEG_INFINITY),
            (-3e38, 3e38),
        ] {
            assert_eq!(lattice.snap(Dtype::F32, value, wanted, 5e-4), None);
        }
        assert_eq!(lattice.after(Dtype::F32, f32::NAN, 1), None);
        assert_eq!(lattice.after(Dtype::F16, 65504.0, i32::MAX), None);
        assert_eq!(lattice.snap(Dtype::F16, 0.0, 100.0, 5e-4), None);
    }
}
