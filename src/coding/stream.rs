//! A block's bytes are a sequence of streams: arrays of bytes, each stored as it is, compressed, or
//! as one byte where all are the same.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, Strategy};

use super::{Damage, Decoded, Element};

const PLAIN: u8 = 0;
const CONSTANT: u8 = 1;
const ZSTD: u8 = 2;

/// Before numbers that lie two to a byte.
const NIBBLES: u8 = 3;

/// The nibble of a number that does not fit into one: it follows in full.
const ESCAPE: u32 = 15;

/// Below this compressing cannot win back its own header.
const SMALL: usize = 32;

thread_local! {
    /// Setting these up costs more than a block of a small layer.
    static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::new(compressor());
    static DECOMPRESSOR: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("zstd can be set up"));
}

/// The streams have been taken apart by meaning before, so entropy coding finds most of what there
/// is to find. Short repetitions are chance: looking for long ones only makes the result smaller by
/// 1 to 4 % and reading it faster than level 1 as it comes. Small tables suit short streams.
fn compressor() -> Compressor<'static> {
    let mut compressor = Compressor::new(1).expect("zstd has a level 1");
    for parameter in [
        CParameter::Strategy(Strategy::ZSTD_fast),
        CParameter::MinMatch(7),
        CParameter::WindowLog(18),
        CParameter::HashLog(12),
    ] {
        compressor
            .set_parameter(parameter)
            .expect("zstd knows its own parameters");
    }
    compressor
}

/// Appends to a block.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    /// Appends a stream. Its length is for the reader to know.
    pub(crate) fn stream(&mut self, stream: &[u8]) {
        let Some(&first) = stream.first() else {
            return;
        };
        if stream.iter().all(|&byte| byte == first) {
            self.bytes.extend([CONSTANT, first]);
            return;
        }
        if stream.len() >= SMALL && !looks_random(stream) {
            let packed = COMPRESSOR.with_borrow_mut(|zstd| zstd.compress(stream));
            if let Some(packed) = packed.ok().filter(|packed| packed.len() + 4 < stream.len()) {
                self.bytes.push(ZSTD);
                self.bytes.extend((packed.len() as u32).to_le_bytes());
                self.bytes.extend(packed);
                return;
            }
        }
        self.bytes.push(PLAIN);
        self.bytes.extend(stream);
    }

    /// Appends numbers: the bytes by their place, all the lowest first, or where nearly all are below
    /// 15 two to a byte. The reader knows how many there are.
    pub(crate) fn numbers<E: Element>(&mut self, numbers: &[E]) {
        let large = |number: &&E| number.to_u32() >= ESCAPE;
        if numbers.len() < SMALL || numbers.iter().filter(large).count() * 16 > numbers.len() {
            return self.planes(numbers);
        }
        self.bytes.push(NIBBLES);
        let nibble = |number: &E| number.to_u32().min(ESCAPE) as u8;
        let pair = |pair: &[E]| nibble(&pair[0]) | pair.get(1).map_or(0, nibble) << 4;
        self.stream(&numbers.chunks(2).map(pair).collect::<Vec<_>>());
        self.planes(&numbers.iter().filter(large).copied().collect::<Vec<_>>());
    }

    fn planes<E: Element>(&mut self, numbers: &[E]) {
        let mut plane = Vec::with_capacity(numbers.len());
        for byte in 0..E::BYTES {
            plane.clear();
            plane.extend(
                numbers
                    .iter()
                    .map(|number| (number.to_u32() >> (8 * byte)) as u8),
            );
            self.stream(&plane);
        }
    }
}

/// Whether a sample of a long stream is as even as chance would have it: the low bytes of floats are,
/// and compressing them takes longer than all else and wins nothing.
fn looks_random(stream: &[u8]) -> bool {
    const SAMPLE: usize = 4096;
    if stream.len() < SAMPLE {
        return false;
    }
    let mut counts = [0u32; 256];
    for &byte in stream.iter().step_by(stream.len() / SAMPLE).take(SAMPLE) {
        counts[usize::from(byte)] += 1;
    }
    // Of evenly distributed bytes the squares add up to about SAMPLE^2 / 256 + SAMPLE, give or take
    // 180; 3 % more than that means an entropy less than 0.03 bits below eight.
    let squares: u32 = counts.iter().map(|count| count * count).sum();
    let even = (SAMPLE * SAMPLE / 256 + SAMPLE) as u32;
    squares < even + even / 32
}

/// Takes a block apart.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(Damage("it ends too soon"))?;
        self.bytes = rest;
        Ok(taken)
    }

    /// What has not been taken yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.bytes
    }

    /// The next stream, which has `len` bytes.
    pub(crate) fn stream(&mut self, len: usize) -> Decoded<Vec<u8>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        match self.take(1)?[0] {
            PLAIN => Ok(self.take(len)?.to_vec()),
            CONSTANT => {
                let byte = self.take(1)?[0];
                Ok(vec![byte; len])
            }
            ZSTD => {
                let size = u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes"));
                let packed = self.take(size as usize)?;
                let stream = DECOMPRESSOR.with_borrow_mut(|zstd| zstd.decompress(packed, len));
                let stream = stream.map_err(|_| Damage("a stream does not decompress"))?;
                if stream.len() == len {
                    Ok(stream)
                } else {
                    Err(Damage("a stream has another length"))
                }
            }
            _ => Err(Damage("a stream is of an unknown kind")),
        }
    }

    /// `len` numbers, as [`Writer::numbers`] wrote them.
    pub(crate) fn numbers<E: Element>(&mut self, len: usize) -> Decoded<Vec<E>> {
        if len == 0 || self.bytes.first() != Some(&NIBBLES) {
            return self.planes(len);
        }
        self.take(1)?;
        let pairs = self.stream(len.div_ceil(2))?;
        let mut numbers = vec![E::default(); 2 * pairs.len()];
        for (pair, nibbles) in numbers.chunks_exact_mut(2).zip(&pairs) {
            pair[0] = E::from_u32(u32::from(nibbles & 15));
            pair[1] = E::from_u32(u32::from(nibbles >> 4));
        }
        if len % 2 == 1 && numbers.pop() != Some(E::default()) {
            return Err(Damage("there is a number too many"));
        }
        let escape = E::from_u32(ESCAPE);
        let escaped = numbers.iter().filter(|number| **number == escape).count();
        let large = self.planes::<E>(escaped)?;
        if large.iter().any(|number| number.to_u32() < ESCAPE) {
            return Err(Damage("a small number is stored as a large one"));
        }
        let mut large = large.into_iter();
        // Most chunks have none, which is seen at a glance.
        for chunk in numbers
            .chunks_mut(16)
            .filter(|chunk| chunk.contains(&escape))
        {
            for place in chunk.iter_mut().filter(|number| **number == escape) {
                *place = large.next().unwrap_or(escape);
            }
        }
        Ok(numbers)
    }

    fn planes<E: Element>(&mut self, len: usize) -> Decoded<Vec<E>> {
        let mut numbers = Vec::new();
        let mut constant = 0;
        for byte in 0..E::BYTES {
            if len > 0 && self.bytes.first() == Some(&CONSTANT) {
                constant |= u32::from(self.take(2)?[1]) << (8 * byte);
                continue;
            }
            let plane = self.stream(len)?;
            let place = |byte_of: &u8| E::from_u32(u32::from(*byte_of) << (8 * byte));
            if numbers.is_empty() {
                numbers = plane.iter().map(place).collect();
            } else {
                for (number, byte_of) in numbers.iter_mut().zip(&plane) {
                    *number = *number | place(byte_of);
                }
            }
        }
        let constant = E::from_u32(constant);
        if numbers.is_empty() {
            numbers = vec![constant; len];
        } else if constant != E::default() {
            numbers
                .iter_mut()
                .for_each(|number| *number = *number | constant);
        }
        Ok(numbers)
    }

    /// After the last stream.
    pub(crate) fn finish(self) -> Decoded<()> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(Damage("bytes are left over"))
        }
    }
}
