use super::bits::{BitReader, BitWriter};
use super::contexts::{CONTEXTS, VALUES};
use super::rans::{DecodeTables, EncodeTables, Frequencies, WHOLE};
use crate::coding::stream::{Reader, Writer};
use crate::coding::{Damage, Decoded};

/// What the dense coding of some groups has in common: which contexts share a table, and the tables.
pub(crate) struct Codebook {
    /// For each context its table, which there is.
    pub(super) map: Vec<u8>,
    frequencies: Vec<Frequencies>,
    pub(super) decode: DecodeTables,
}

impl Codebook {
    pub(super) fn new(map: Vec<u8>, frequencies: Vec<Frequencies>) -> Self {
        Codebook {
            map,
            decode: DecodeTables::new(&frequencies),
            frequencies,
        }
    }

    /// The tables of values.
    pub(super) fn values(&self) -> &[u8; VALUES.end - VALUES.start] {
        let values = &self.map[VALUES];
        values.try_into().expect("there are so many")
    }

    /// What coding with it needs.
    pub(crate) fn encode_tables(&self) -> EncodeTables {
        EncodeTables::new(&self.frequencies)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes.push(self.frequencies.len() as u8);
        writer.stream(&self.map);
        let mut bits = BitWriter::default();
        for table in &self.frequencies {
            let mut none = 1;
            for &frequency in table.all() {
                if frequency == 0 {
                    none += 1;
                } else {
                    put_gamma(&mut bits, none);
                    put_gamma(&mut bits, u32::from(frequency));
                    none = 1;
                }
            }
        }
        writer.bytes.extend(bits.finish());
        writer.bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Decoded<Self> {
        let mut reader = Reader::new(bytes);
        let count = reader.take(1)?[0];
        let map = reader.stream(CONTEXTS)?;
        if map.iter().any(|table| *table >= count) {
            return Err(Damage("the codebook names tables that are not there"));
        }
        let mut bits = BitReader::new(reader.rest());
        let mut frequencies = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            frequencies.push(take_frequencies(&mut bits)?);
        }
        bits.finish()?;
        Ok(Codebook::new(map, frequencies))
    }
}

/// Until they add up.
fn take_frequencies(bits: &mut BitReader) -> Decoded<Frequencies> {
    let mut of = [0; 256];
    let (mut symbol, mut sum) = (0, 0);
    while sum < WHOLE {
        symbol += take_gamma(bits)? as usize;
        let frequency = take_gamma(bits)?;
        sum += frequency;
        *of.get_mut(symbol - 1)
            .ok_or(Damage("a table has too many symbols"))? = frequency as u16;
    }
    Frequencies::new(of)
}

/// A number from 1 on (Elias, "Universal codeword sets and representations of the integers", 1975).
fn put_gamma(bits: &mut BitWriter, number: u32) {
    let below = 31 - number.leading_zeros();
    bits.put(1 << below, below + 1);
    bits.put(number & ((1 << below) - 1), below);
}

/// Below 2^13.
fn take_gamma(bits: &mut BitReader) -> Decoded<u32> {
    match bits.zeros()? {
        below @ 0..=12 => Ok(1 << below | bits.take(below)?),
        _ => Err(Damage("a table has an impossible frequency")),
    }
}
