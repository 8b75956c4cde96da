//! A made-up training run for the guide: the same bytes every time and everywhere.
//!
//! `fc1.weight` has what there is to find in a run. Its inputs 60 to 63 are never used, and its units 5, 9
//! and 200 are dead: those weights never move. Units 0 to 7 move at every step, every eighth of the others at
//! every fourth step only, and the rest a few weights at a time.

use std::fs;
use std::io;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView, serialize};

/// Steps in the folder `checkpoints`; one more is in `next.safetensors`.
const STEPS: usize = 40;

/// Units of the hidden layer, and its inputs.
const UNITS: usize = 256;
const INPUTS: usize = 64;
const USED: usize = 60;
const DEAD: [usize; 3] = [5, 9, 200];
const CLASSES: usize = 10;

/// Writes `checkpoints/step_00.safetensors` to `checkpoints/step_39.safetensors`, and `next.safetensors`.
pub fn write(folder: &Path) -> io::Result<()> {
    let checkpoints = folder.join("checkpoints");
    fs::create_dir_all(&checkpoints)?;
    let mut network = Network::new();
    for step in 0..STEPS {
        let name = format!("step_{step:02}.safetensors");
        fs::write(checkpoints.join(name), network.file())?;
        network.train();
    }
    fs::write(folder.join("next.safetensors"), network.file())
}

struct Network {
    step: i64,
    first: Vec<f32>,
    bias: Vec<f32>,
    second: Vec<f32>,
    numbers: Numbers,
}

impl Network {
    fn new() -> Self {
        let mut numbers = Numbers(1);
        let mut weights = |count: usize| (0..count).map(|_| 0.25 * numbers.around_zero()).collect();
        let (first, second) = (weights(UNITS * INPUTS), weights(CLASSES * UNITS));
        Network {
            step: 0,
            first,
            bias: vec![0.0; UNITS],
            second,
            numbers,
        }
    }

    fn train(&mut self) {
        self.step += 1;
        let rate = 0.1 / (4.0 + self.step as f32);
        for unit in (0..UNITS).filter(|unit| !DEAD.contains(unit)) {
            for input in 0..USED {
                let weight = &mut self.first[unit * INPUTS + input];
                let moves = match unit {
                    0..=7 => true,
                    _ if unit % 8 == 7 => self.step % 4 == 0,
                    _ => self.numbers.next().is_multiple_of(16),
                };
                if moves {
                    *weight += rate * self.numbers.around_zero();
                }
            }
            self.bias[unit] += rate * self.numbers.around_zero();
        }
        for weight in &mut self.second {
            *weight += 0.1 * rate * self.numbers.around_zero();
        }
    }

    fn file(&self) -> Vec<u8> {
        let f32s = |values: &[f32]| -> Vec<u8> {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            bytes.collect()
        };
        let (first, bias) = (f32s(&self.first), f32s(&self.bias));
        let second = self.second.iter().flat_map(|value| bf16(*value));
        let (second, step) = (second.collect::<Vec<u8>>(), self.step.to_le_bytes());
        let view = |dtype, shape: &[usize], data| {
            TensorView::new(dtype, shape.to_vec(), data).expect("as many bytes as the shape has")
        };
        let tensors = [
            ("fc1.weight", view(Dtype::F32, &[UNITS, INPUTS], &first[..])),
            ("fc1.bias", view(Dtype::F32, &[UNITS], &bias[..])),
            (
                "fc2.weight",
                view(Dtype::BF16, &[CLASSES, UNITS], &second[..]),
            ),
            ("batches", view(Dtype::I64, &[], &step[..])),
        ];
        serialize(tensors, None).expect("tensors of different names")
    }
}

/// The nearest bf16, of two the even one.
fn bf16(value: f32) -> [u8; 2] {
    let bits = value.to_bits();
    let rounded = bits + 0x7fff + ((bits >> 16) & 1);
    ((rounded >> 16) as u16).to_le_bytes()
}

/// Numbers that look random and are the same each time (Steele and Vigna's SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above -1 and below 1.
    fn around_zero(&mut self) -> f32 {
        (self.next() >> 41) as f32 / (1u64 << 22) as f32 - 1.0
    }
}
