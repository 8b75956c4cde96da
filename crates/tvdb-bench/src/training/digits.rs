//! The handwritten digits the network learns from, embedded in the program.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use ndarray::{Array2, Axis};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Pixels of one image: 8 rows of 8.
pub const PIXELS: usize = 64;

/// Number of different labels: the digits 0..=9.
pub const CLASSES: usize = 10;

/// Source and licence: `digits.LICENSE.md`.
static FILE: &[u8] = include_bytes!("digits.csv.gz");

/// The largest pixel value in the file.
const INK: u8 = 16;

const TEST_IMAGES: usize = 360;

/// Fixed, so that every run trains on and tests with the same images.
const SPLIT_SEED: u64 = 1;

/// The data set in two parts that share no image: 1,437 to train on and 360 to test with.
pub struct Digits {
    /// What the network learns from.
    pub train: Images,
    /// What it is tested with.
    pub test: Images,
}

impl Digits {
    /// Unpacks the embedded data. The split is the same on every call.
    ///
    /// # Errors
    ///
    /// If the embedded data is damaged, which tests rule out.
    pub fn load() -> Result<Self> {
        let mut text = String::new();
        GzDecoder::new(FILE)
            .read_to_string(&mut text)
            .context("unpacking the digits data")?;
        let all = Images::parse(&text).context("reading the digits data")?;

        let mut order: Vec<usize> = (0..all.labels.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(SPLIT_SEED));
        let (test, train) = order.split_at(TEST_IMAGES);
        Ok(Self {
            train: all.select(train),
            test: all.select(test),
        })
    }
}

/// Images with the digit each one shows.
#[derive(Debug)]
pub struct Images {
    /// One row per image: [`PIXELS`] values in 0..=1, 0 being blank paper.
    pub pixels: Array2<f32>,
    /// One digit per image, below [`CLASSES`].
    pub labels: Vec<u8>,
}

impl Images {
    /// Reads one image per line: the pixels row by row, each 0..=16, then the label.
    fn parse(text: &str) -> Result<Self> {
        let mut pixels = Vec::new();
        let mut labels = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let (image, label) = parse_line(line).with_context(|| format!("line {}", index + 1))?;
            pixels.extend(image.iter().map(|&ink| f32::from(ink) / f32::from(INK)));
            labels.push(label);
        }
        let pixels = Array2::from_shape_vec((labels.len(), PIXELS), pixels)?;
        Ok(Self { pixels, labels })
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self {
            pixels: self.pixels.select(Axis(0), rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
        }
    }

    /// Batches of `size` images without end, the same ones for the same `seed`.
    ///
    /// # Panics
    ///
    /// If `size` is 0 or more than there are images.
    pub fn batches(&self, size: usize, seed: u64) -> Batches<'_> {
        assert!(
            (1..=self.labels.len()).contains(&size),
            "a batch of {size} out of {} images",
            self.labels.len()
        );
        Batches {
            images: self,
            size,
            order: (0..self.labels.len()).collect(),
            next: self.labels.len(),
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }
}

fn parse_line(line: &str) -> Result<(Vec<u8>, u8)> {
    let mut fields = line
        .split(',')
        .map(|field| field.parse().with_context(|| format!("field {field:?}")))
        .collect::<Result<Vec<u8>>>()?;
    ensure!(
        fields.len() == PIXELS + 1,
        "{} fields instead of {}",
        fields.len(),
        PIXELS + 1
    );
    let label = fields.remove(PIXELS);
    ensure!(usize::from(label) < CLASSES, "label {label} is no digit");
    if let Some(ink) = fields.iter().find(|&&ink| ink > INK) {
        bail!("pixel {ink} is above {INK}");
    }
    Ok((fields, label))
}

/// Random batches from [`Images::batches`]. Each pass over the images is shuffled anew and shows an
/// image at most once.
pub struct Batches<'a> {
    images: &'a Images,
    size: usize,
    order: Vec<usize>,
    next: usize,
    random: ChaCha8Rng,
}

impl Iterator for Batches<'_> {
    type Item = Images;

    fn next(&mut self) -> Option<Images> {
        // Every batch is full, so a pass leaves out the few images at its end.
        if self.next + self.size > self.order.len() {
            self.order.shuffle(&mut self.random);
            self.next = 0;
        }
        let rows = &self.order[self.next..self.next + self.size];
        self.next += self.size;
        Some(self.images.select(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pixel: &str, label: &str) -> String {
        format!("{}{label}\n", format!("{pixel},").repeat(PIXELS))
    }

    #[test]
    fn embedded_data_is_complete() {
        let digits = Digits::load().unwrap();
        for (part, len) in [(&digits.train, 1437), (&digits.test, 360)] {
            assert_eq!(part.pixels.dim(), (len, PIXELS));
            assert_eq!(part.labels.len(), len);
            for digit in 0..CLASSES as u8 {
                assert!(part.labels.contains(&digit));
            }
            assert_eq!(part.pixels.iter().copied().fold(f32::MAX, f32::min), 0.0);
            assert_eq!(part.pixels.iter().copied().fold(f32::MIN, f32::max), 1.0);
        }
    }

    #[test]
    fn pixels_are_scaled() {
        let images = Images::parse(&(line("4", "7") + &line("16", "0"))).unwrap();
        assert_eq!(images.labels, [7, 0]);
        assert!(images.pixels.row(0).iter().all(|&pixel| pixel == 0.25));
        assert!(images.pixels.row(1).iter().all(|&pixel| pixel == 1.0));
    }

    #[test]
    fn malformed_lines_are_rejected() {
        for bad in [
            line("17", "0"),
            line("-1", "0"),
            line("0.5", "0"),
            line("x", "0"),
            line("0", "10"),
            line("0", ""),
            line("0", "1,2"),
            "1,2,3\n".into(),
            "\n".into(),
        ] {
            let error = Images::parse(&(line("0", "0") + &bad)).unwrap_err();
            assert_eq!(error.to_string(), "line 2", "{bad}");
        }
    }

    #[test]
    fn a_pass_shows_no_image_twice_and_differs_from_the_next() {
        let text: String = (0..10).map(|n| line("0", &n.to_string())).collect();
        let images = Images::parse(&text).unwrap();
        let mut batches = images.batches(3, 1);
        let mut pass = || -> Vec<u8> { batches.by_ref().take(3).flat_map(|b| b.labels).collect() };
        let (first, second) = (pass(), pass());
        assert_ne!(first, second);
        for mut labels in [first, second] {
            labels.sort();
            labels.dedup();
            assert_eq!(labels.len(), 9);
        }
    }

    #[test]
    fn batches_depend_on_the_seed_only() {
        let train = Digits::load().unwrap().train;
        let labels = |seed| -> Vec<u8> {
            let batches = train.batches(32, seed).take(50);
            batches.flat_map(|batch| batch.labels).collect()
        };
        assert_eq!(labels(1), labels(1));
        assert_ne!(labels(1), labels(2));
    }
}
