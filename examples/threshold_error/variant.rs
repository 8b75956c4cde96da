//! The ways of recording that are compared.

use temporal_vdb::{RecordOptions, Threshold};

/// Thresholds, as shares of each tensor's standard deviation.
const SHARES: [f32; 6] = [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1];

/// A way of recording.
pub struct Variant {
    /// What it is called in the table and the picture, and, a little changed, its file.
    pub label: String,
    /// How each step is recorded.
    pub options: RecordOptions,
}

impl Variant {
    /// Those that are compared. The first one is lossless: the others are measured against it.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Variant {
            label: "lossless".into(),
            options: RecordOptions::default(),
        }];
        for share in SHARES {
            all.push(Variant {
                label: format!("{} %", share * 100.0),
                options: RecordOptions {
                    threshold: Threshold::Relative(share),
                    ..RecordOptions::default()
                },
            });
            all.push(Variant {
                label: format!("{} % snapped", share * 100.0),
                options: RecordOptions {
                    threshold: Threshold::SnappedRelative(share),
                    ..RecordOptions::default()
                },
            });
        }
        all
    }

    /// What may be off, as it was given; 0 where nothing may.
    pub fn share(&self) -> f32 {
        match self.options.threshold {
            Threshold::Lossless => 0.0,
            Threshold::Absolute(share) | Threshold::SnappedAbsolute(share) => share,
            Threshold::Relative(share) | Threshold::SnappedRelative(share) => share,
        }
    }

    /// How far a weight may be from the trained one, in a tensor of this standard deviation.
    pub fn bound(&self, deviation: f64) -> f64 {
        match self.options.threshold {
            Threshold::Lossless => 0.0,
            Threshold::Absolute(bound) | Threshold::SnappedAbsolute(bound) => f64::from(bound),
            // A store rounds its bound to f32.
            Threshold::Relative(share) | Threshold::SnappedRelative(share) => {
                f64::from(share) * deviation * (1.0 + f64::from(f32::EPSILON))
            }
        }
    }

    /// The name of its store, without characters that a shell would take for something else.
    pub fn file_name(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
        let words = self.label.split(|c| !plain(c));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        format!("{}.tvdb", words.join("-"))
    }
}
