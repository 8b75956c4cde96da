use super::magnitudes::Magnitudes;
use super::options::VolumeScale;

/// Movements below this share of the scale, after gamma, are not shown.
pub(super) const FAINTEST: f32 = 0.02;

/// The quantile of the movements that are not 0 which is shown as 1.
const BRIGHT: f64 = 0.995;

/// How bright a movement is: 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tone {
    /// The movement that is shown as 1; larger ones are, too.
    pub(super) scale: f32,
    gamma: f32,
}

impl Tone {
    pub(super) fn brightness(self, movement: f32) -> f32 {
        let share = (movement / self.scale).min(1.0);
        // Roots are the same bits on every machine, other powers are a library's.
        let bright = match self.gamma {
            1.0 => share,
            0.5 => share.sqrt(),
            gamma => share.powf(gamma),
        };
        if bright < FAINTEST { 0.0 } else { bright }
    }

    /// Those of some layers, of which `found` are the movements; `None` where nothing moved.
    pub(super) fn of_layers(
        scale: VolumeScale,
        gamma: f32,
        found: &[Magnitudes],
    ) -> Option<Vec<Tone>> {
        let own: Vec<_> = found.iter().map(|own| own.quantile(BRIGHT)).collect();
        let all = || {
            let mut all = Magnitudes::new();
            found.iter().for_each(|own| all.merge(own));
            all.quantile(BRIGHT)
        };
        own.iter().flatten().next()?;
        let common = match scale {
            VolumeScale::Layer => None,
            VolumeScale::Model => all(),
            VolumeScale::Fixed(scale) => Some(scale),
        };
        // A layer that does not move is dark whatever its scale.
        let scale = |own: &Option<f32>| common.or(*own).unwrap_or(1.0);
        Some(
            own.iter()
                .map(|own| Tone {
                    scale: scale(own),
                    gamma,
                })
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_ends_at_one_and_begins_above_the_faintest() {
        let mut found = Magnitudes::new();
        found.add(&[4.0; 100]);
        let mut quiet = Magnitudes::new();
        quiet.add(&[0.0, 0.25]);
        let both = [found, quiet, Magnitudes::new()];
        let own = Tone::of_layers(VolumeScale::Layer, 1.0, &both).unwrap();
        assert!((own[0].scale - 4.0).abs() < 0.002 && (own[1].scale - 0.25).abs() < 0.001);
        assert_eq!(
            (own[0].brightness(9.0), own[0].brightness(0.05)),
            (1.0, 0.0)
        );
        let model = Tone::of_layers(VolumeScale::Model, 0.5, &both).unwrap();
        assert!((model[1].brightness(1.0) - 0.5).abs() < 0.001);
        assert!(Tone::of_layers(VolumeScale::Fixed(2.0), 1.0, &both[2..]).is_none());
    }
}
