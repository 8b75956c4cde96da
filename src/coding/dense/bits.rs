//! Bits that are stored as they are, lowest first.

use crate::coding::{Damage, Decoded};

/// Appends bits to bytes.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that are not a whole byte yet, and how many.
    open: u64,
    filled: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits, at most 32.
    #[inline]
    pub(super) fn put(&mut self, bits: u32, count: u32) {
        self.open |= u64::from(bits) << self.filled;
        self.filled += count;
        if self.filled >= 32 {
            self.bytes.extend((self.open as u32).to_le_bytes());
            self.open >>= 32;
            self.filled -= 32;
        }
    }

    /// The bytes; what is left of the last one is 0.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let rest = self.filled.div_ceil(8) as usize;
        self.bytes.extend(&self.open.to_le_bytes()[..rest]);
        self.bytes
    }
}

/// Takes bits from bytes.
#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at: 0 }
    }

    /// The next `count` bits, at most 32.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> Decoded<u32> {
        let bits = self.window(count)? & ((1 << count) - 1);
        self.at += count as usize;
        Ok(bits as u32)
    }

    /// How many of the next bits are 0 until there is a 1, which is taken too. Up to 32; more are
    /// not counted.
    pub(super) fn zeros(&mut self) -> Decoded<u32> {
        let zeros = self.window(0)?.trailing_zeros().min(32);
        self.take(zeros)?;
        self.take(1)?;
        Ok(zeros)
    }

    /// The bits from here on, at least so many.
    #[inline(always)]
    fn window(&self, count: u32) -> Decoded<u64> {
        let byte = self.at / 8;
        let window = match self.bytes.get(byte..byte + 8) {
            Some(window) => u64::from_le_bytes(window.try_into().expect("eight bytes")),
            None => self.last_bytes(byte, count)?,
        };
        Ok(window >> (self.at % 8))
    }

    #[cold]
    fn last_bytes(&self, byte: usize, count: u32) -> Decoded<u64> {
        if self.at + count as usize > 8 * self.bytes.len() {
            return Err(Damage("bits are missing"));
        }
        let rest = &self.bytes[byte.min(self.bytes.len())..];
        let mut window = [0; 8];
        window[..rest.len()].copy_from_slice(rest);
        Ok(u64::from_le_bytes(window))
    }

    /// After the last bits.
    pub(super) fn finish(mut self) -> Decoded<()> {
        let left = 8 * self.bytes.len() - self.at;
        if left < 8 && self.take(left as u32)? == 0 {
            Ok(())
        } else {
            Err(Damage("bits are left over"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back() {
        let numbers: Vec<(u32, u32)> = (0..500u32)
            .map(|i| (i * 7 % 33, i.wrapping_mul(0x9e37_79b9)))
            .map(|(count, bits)| (count, (u64::from(bits) & ((1 << count) - 1)) as u32))
            .collect();
        let mut writer = BitWriter::default();
        numbers
            .iter()
            .for_each(|&(count, bits)| writer.put(bits, count));
        let bytes = writer.finish();
        let mut reader = BitReader::new(&bytes);
        for &(count, bits) in &numbers {
            assert_eq!(reader.take(count).unwrap(), bits);
        }
        reader.finish().unwrap();

        let mut reader = BitReader::new(&bytes[..bytes.len() - 1]);
        let all = numbers
            .iter()
            .try_for_each(|&(count, _)| reader.take(count).map(drop));
        assert_eq!(all, Err(Damage("bits are missing")));
        let mut reader = BitReader::new(&bytes);
        reader.take(1).unwrap();
        assert!(reader.finish().is_err());
    }
}
