/// How often movements of which size came: what a scale is read from, however many there are.
///
/// Sizes are told apart by the upper bits of their binary32 pattern, sign, exponent and 11 bits of the
/// mantissa: a quantile is right to within 2^-11 of itself, and depends on no order.
#[derive(Clone)]
pub(super) struct Magnitudes {
    /// By the exponent; most layers have few.
    pages: Vec<Option<Box<Page>>>,
    zeros: u64,
}

/// Counts by the bits of the mantissa.
type Page = [u64; 1 << MANTISSA];

/// Bits of the mantissa that are looked at.
const MANTISSA: u32 = 11;

/// Bits of a pattern that are not looked at.
const SHIFT: u32 = f32::MANTISSA_DIGITS - 1 - MANTISSA;

/// How many exponents there are, that of infinity left out.
const EXPONENTS: usize = 255;

impl Magnitudes {
    pub(super) fn new() -> Self {
        Magnitudes {
            pages: vec![None; EXPONENTS],
            zeros: 0,
        }
    }

    /// Adds some, each finite and at least 0.
    pub(super) fn add(&mut self, magnitudes: &[f32]) {
        for &magnitude in magnitudes {
            if magnitude == 0.0 {
                self.zeros += 1;
            } else {
                let bin = (magnitude.to_bits() >> SHIFT) as usize;
                let page = &mut self.pages[bin >> MANTISSA];
                let page = page.get_or_insert_with(|| Box::new([0; 1 << MANTISSA]));
                page[bin & ((1 << MANTISSA) - 1)] += 1;
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Magnitudes) {
        for (own, other) in self.pages.iter_mut().zip(&other.pages) {
            let Some(other) = other else { continue };
            let own = own.get_or_insert_with(|| Box::new([0; 1 << MANTISSA]));
            for (own, other) in own.iter_mut().zip(other.iter()) {
                *own += other;
            }
        }
        self.zeros += other.zeros;
    }

    /// The `share` quantile of those that are not 0; `None` where there are none.
    pub(super) fn quantile(&self, share: f64) -> Option<f32> {
        let all: u64 = self.counts().map(|(_, count)| count).sum();
        let rank = ((share * all as f64).ceil() as u64).clamp(1, all.max(1));
        let mut below = 0;
        for (bin, count) in self.counts() {
            below += count;
            if below >= rank {
                return Some(middle(bin));
            }
        }
        None
    }

    /// The bins that something was counted in, ascending.
    fn counts(&self) -> impl Iterator<Item = (usize, u64)> {
        let pages = self.pages.iter().enumerate();
        let pages = pages.filter_map(|(i, page)| Some((i, page.as_ref()?)));
        pages.flat_map(|(i, page)| {
            let own = page.iter().enumerate();
            let own = own.filter(|(_, count)| **count > 0);
            own.map(move |(slot, count)| (i << MANTISSA | slot, *count))
        })
    }

    /// The mean of what `tone` makes of them, those that are 0 counted as 0.
    pub(super) fn mean(&self, tone: impl Fn(f32) -> f32) -> f64 {
        let (mut sum, mut all) = (0.0, self.zeros);
        for (bin, count) in self.counts() {
            sum += count as f64 * f64::from(tone(middle(bin)));
            all += count;
        }
        sum / all.max(1) as f64
    }
}

/// The middle of the magnitudes that are counted together.
fn middle(bin: usize) -> f32 {
    f32::from_bits((bin as u32) << SHIFT | 1 << (SHIFT - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_that_of_the_sorted_magnitudes() {
        let mut magnitudes: Vec<f32> = (1..=2000)
            .map(|i| (i as f32 * 0.37).sin().abs().powi(9))
            .collect();
        let mut found = Magnitudes::new();
        found.add(&magnitudes);
        found.add(&[0.0; 500]);
        magnitudes.sort_by(f32::total_cmp);
        for share in [0.005, 0.5, 0.995, 1.0] {
            let own = magnitudes[(share * 2000.0) as usize - 1];
            let near = found.quantile(share).unwrap();
            assert!((near - own).abs() <= own / 2048.0, "{share}: {near}, {own}");
        }
        let mean = magnitudes.iter().sum::<f32>() / 2500.0;
        assert!((found.mean(|x| x) - f64::from(mean)).abs() < 1e-3 * f64::from(mean));
        assert_eq!(Magnitudes::new().quantile(0.995), None);
    }

    #[test]
    fn the_largest_and_smallest_floats_have_a_place() {
        let mut found = Magnitudes::new();
        found.add(&[f32::MAX, f32::from_bits(1)]);
        assert!(found.quantile(1.0).unwrap() > 3.3e38);
        assert!(found.quantile(0.1).unwrap() < 1e-40);
    }
}
