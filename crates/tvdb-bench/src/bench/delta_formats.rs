//! The forms in which people keep what changed from one checkpoint to the next, with zstd.
//!
//! Every one of them can be decoded, given the tensor before; the tests do so. They are taken at
//! their best: places and differences are compressed apart, the names of tensors and lengths are
//! not counted, and a tensor that did not change takes nothing.

use anyhow::{Context, Result};

/// The level of zstd.
const LEVEL: i32 = 3;

/// The elements of a tensor that changed at a step.
pub(super) struct Changed {
    /// Positions in the tensor, ascending.
    places: Vec<u32>,
    /// By how many units in the last place, zig-zag: 0, -1, 1, -2, ...
    differences: Vec<u32>,
    /// Bytes of an element.
    size: usize,
    /// Elements of the tensor.
    elements: usize,
}

impl Changed {
    /// What changed between two states of a tensor whose little-endian elements have 2 or 4 bytes.
    /// Bit patterns are compared, so that +0.0 and -0.0 differ. Errors: over 2^32 elements.
    pub(super) fn between(before: &[u8], after: &[u8], size: usize) -> Result<Self> {
        let elements = after.len() / size;
        u32::try_from(elements).context("the alternatives count up to 2^32 elements")?;
        let (mut places, mut differences) = (Vec::new(), Vec::new());
        let pairs = before.chunks_exact(size).zip(after.chunks_exact(size));
        for (place, (before, after)) in pairs.enumerate() {
            if before != after {
                let (before, after) = (ordered(before), ordered(after));
                places.push(place as u32);
                differences.push(zigzag(after.wrapping_sub(before), size));
            }
        }
        Ok(Changed {
            places,
            differences,
            size,
            elements,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// *gap_coded*: from one changed element to the next as u32, and the differences; both
    /// byte-shuffled.
    pub(super) fn gap_coded(&self) -> Result<[Vec<u8>; 2]> {
        let mut next = 0;
        let gaps = self.places.iter().map(|&place| {
            let gap = place - next;
            next = place + 1;
            gap
        });
        let gaps: Vec<u32> = gaps.collect();
        Ok([
            compress(&shuffle(&gaps, size_of::<u32>()))?,
            compress(&shuffle(&self.differences, self.size))?,
        ])
    }

    /// *bitmap*: a bit for each element, set where it changed, and the differences, shuffled.
    pub(super) fn bitmap(&self) -> Result<[Vec<u8>; 2]> {
        let mut bits = vec![0u8; self.elements.div_ceil(8)];
        for &place in &self.places {
            bits[place as usize / 8] |= 1 << (place % 8);
        }
        Ok([
            compress(&bits)?,
            compress(&shuffle(&self.differences, self.size))?,
        ])
    }
}

/// *xor*: the bits of all elements that differ, shuffled.
pub(super) fn xor(before: &[u8], after: &[u8], size: usize) -> Result<Vec<u8>> {
    let mut planes = Vec::with_capacity(after.len());
    for plane in 0..size {
        let bytes = before.iter().zip(after).skip(plane).step_by(size);
        planes.extend(bytes.map(|(before, after)| before ^ after));
    }
    compress(&planes)
}

/// An element's bits as a number that grows with its value, a unit in the last place for 1.
fn ordered(element: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    bytes[..element.len()].copy_from_slice(element);
    let (bits, sign) = (
        u32::from_le_bytes(bytes),
        0x80 << (8 * (element.len() - 1)) as u32,
    );
    if bits & sign == 0 {
        bits | sign
    } else {
        !bits & (sign | (sign - 1))
    }
}

/// A difference of `size` bytes, wrapped, so that small ones of either sign are small numbers.
fn zigzag(difference: u32, size: usize) -> u32 {
    let unused = 32 - 8 * size as u32;
    let signed = (difference << unused) as i32 >> unused;
    ((signed << 1) ^ (signed >> 31)) as u32 & (u32::MAX >> unused)
}

/// The lowest bytes of all values, then the next ones: bytes that are alike come together.
fn shuffle(values: &[u32], size: usize) -> Vec<u8> {
    let mut planes = Vec::with_capacity(values.len() * size);
    for plane in 0..size {
        planes.extend(values.iter().map(|value| (value >> (8 * plane)) as u8));
    }
    planes
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(bytes, LEVEL).context("zstd cannot compress an alternative's bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decompress(bytes: &[u8]) -> Vec<u8> {
        zstd::stream::decode_all(bytes).unwrap()
    }

    fn unshuffle(planes: &[u8], size: usize) -> Vec<u32> {
        let mut values = vec![0; planes.len() / size];
        for (plane, bytes) in planes.chunks_exact(values.len().max(1)).enumerate() {
            for (value, byte) in values.iter_mut().zip(bytes) {
                *value |= u32::from(*byte) << (8 * plane);
            }
        }
        values
    }

    /// Adds a zig-zag difference to the element at `place`.
    fn apply(data: &mut [u8], size: usize, place: usize, difference: u32) {
        let element = &mut data[place * size..][..size];
        let magnitude = difference >> 1;
        let signed = if difference & 1 == 0 {
            magnitude
        } else {
            !magnitude
        };
        let key = ordered(element).wrapping_add(signed);
        let sign = 1u32 << (8 * size - 1);
        let bits = if key & sign == 0 { !key } else { key ^ sign };
        element.copy_from_slice(&bits.to_le_bytes()[..size]);
    }

    fn decode_gap_coded(before: &[u8], [gaps, differences]: &[Vec<u8>; 2], size: usize) -> Vec<u8> {
        let gaps = unshuffle(&decompress(gaps), 4);
        let differences = unshuffle(&decompress(differences), size);
        assert_eq!(gaps.len(), differences.len());
        let (mut data, mut next) = (before.to_vec(), 0);
        for (gap, difference) in gaps.into_iter().zip(differences) {
            let place = next + gap as usize;
            apply(&mut data, size, place, difference);
            next = place + 1;
        }
        data
    }

    fn decode_bitmap(before: &[u8], [bits, differences]: &[Vec<u8>; 2], size: usize) -> Vec<u8> {
        let bits = decompress(bits);
        let mut differences = unshuffle(&decompress(differences), size).into_iter();
        let mut data = before.to_vec();
        for place in 0..data.len() / size {
            if bits[place / 8] & (1 << (place % 8)) != 0 {
                apply(&mut data, size, place, differences.next().unwrap());
            }
        }
        assert_eq!(differences.next(), None);
        data
    }

    fn decode_xor(before: &[u8], bytes: &[u8], size: usize) -> Vec<u8> {
        let values = unshuffle(&decompress(bytes), size);
        let difference = values
            .into_iter()
            .flat_map(|value| value.to_le_bytes()[..size].to_vec());
        before
            .iter()
            .zip(difference)
            .map(|(byte, difference)| byte ^ difference)
            .collect()
    }

    fn assert_decodable(before: &[u8], after: &[u8], size: usize) {
        let changed = Changed::between(before, after, size).unwrap();
        let coded = changed.gap_coded().unwrap();
        assert_eq!(decode_gap_coded(before, &coded, size), after);
        assert_eq!(
            decode_bitmap(before, &changed.bitmap().unwrap(), size),
            after
        );
        assert_eq!(
            decode_xor(before, &xor(before, after, size).unwrap(), size),
            after
        );
    }

    #[test]
    fn every_pair_of_kinds_of_values_is_decodable() {
        let values = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            1e-45,
            -1e-45,
            f32::MAX,
            f32::MIN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            -f32::NAN,
            f32::from_bits(0x7f80_0001),
            0.02,
        ];
        let pairs = || {
            values
                .iter()
                .flat_map(|a| values.iter().map(move |b| (*a, *b)))
        };
        let bytes = |keep: std::ops::Range<usize>, first: bool| -> Vec<u8> {
            let chosen = pairs().map(|(a, b)| if first { a } else { b });
            chosen
                .flat_map(|value| value.to_le_bytes()[keep.clone()].to_vec())
                .collect()
        };
        assert_decodable(&bytes(0..4, true), &bytes(0..4, false), 4);
        // The upper halves are bf16 values, and f16 values of other sizes.
        assert_decodable(&bytes(2..4, true), &bytes(2..4, false), 2);
    }

    #[test]
    fn runs_of_any_length_are_decodable() {
        for length in [0, 1, 7, 8, 9, 1000] {
            for every in [1, 3, 500, 2000] {
                let before: Vec<f32> = (0..length).map(|i| (i as f32).sin()).collect();
                let mut after = before.clone();
                for weight in after.iter_mut().step_by(every) {
                    *weight = weight.next_up();
                }
                let bytes = |values: &[f32]| -> Vec<u8> {
                    values
                        .iter()
                        .flat_map(|value| value.to_le_bytes())
                        .collect()
                };
                let (before, after) = (bytes(&before), bytes(&after));
                assert_decodable(&before, &after, 4);
                assert_decodable(&before, &before, 4);
            }
        }
    }

    #[test]
    fn a_step_of_one_ulp_is_one() {
        let neighbours = |a: f32, b: f32| {
            zigzag(
                ordered(&b.to_le_bytes()).wrapping_sub(ordered(&a.to_le_bytes())),
                4,
            )
        };
        assert_eq!(neighbours(1.0, 1.0f32.next_up()), 2);
        assert_eq!(neighbours(1.0, 1.0f32.next_down()), 1);
        assert_eq!(neighbours(-1.0, (-1.0f32).next_up()), 2);
        assert_eq!(neighbours(0.0, -0.0), 1);
        let (zero, minus_zero) = ([0, 0], [0, 0x80]);
        assert_eq!(
            zigzag(ordered(&minus_zero).wrapping_sub(ordered(&zero)), 2),
            1
        );
    }
}
