//! Symbols coded by how often each comes: range asymmetric numeral systems (Duda, "Asymmetric
//! numeral systems", 2013) with static tables, in four interleaved lanes (Giesen, "Interleaved
//! entropy coders", 2014), so that a processor decodes four symbols at a time.

use crate::coding::{Damage, Decoded};

/// Frequencies of a table add up to 2 to the power of this.
const BITS: u32 = 12;
pub(super) const WHOLE: u32 = 1 << BITS;

/// A state is at least this; below it takes up 16 more bits.
const LOW: u32 = 1 << 16;

pub(super) const LANES: usize = 4;

/// Bytes of the states, which come first.
const STATES: usize = 4 * LANES;

/// How often each byte comes, of [`WHOLE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frequencies([u16; 256]);

impl Frequencies {
    /// For symbols that were counted; at least one.
    pub(super) fn of(counts: &[u32; 256]) -> Self {
        let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        let mut of = [0u16; 256];
        for (frequency, &count) in of.iter_mut().zip(counts) {
            if count > 0 {
                let share = (u64::from(count) * u64::from(WHOLE) + total / 2) / total.max(1);
                *frequency = share.max(1) as u16;
            }
        }
        // Rounding left some too many or too few: the most frequent one bears it best.
        loop {
            let sum: u32 = of.iter().map(|frequency| u32::from(*frequency)).sum();
            let Some(most) = of.iter_mut().max() else {
                break;
            };
            match sum.cmp(&WHOLE) {
                std::cmp::Ordering::Less => *most += (WHOLE - sum) as u16,
                std::cmp::Ordering::Equal => break,
                std::cmp::Ordering::Greater => {
                    // Not all of it from one, which others may come close to.
                    *most -= (sum - WHOLE).min(u32::from(*most / 8).max(1)) as u16;
                }
            }
        }
        Frequencies(of)
    }

    pub(super) fn new(of: [u16; 256]) -> Decoded<Self> {
        let sum: u32 = of.iter().map(|frequency| u32::from(*frequency)).sum();
        if sum == WHOLE {
            Ok(Frequencies(of))
        } else {
            Err(Damage("frequencies do not add up"))
        }
    }

    pub(super) fn all(&self) -> &[u16; 256] {
        &self.0
    }
}

/// Tables for coding, by number.
pub(crate) struct EncodeTables(Vec<Share>);

/// A symbol's share of the whole.
#[derive(Clone, Copy, Default)]
struct Share {
    /// 2^44 divided by the frequency, rounded up: multiplying by it is dividing by the frequency.
    reciprocal: u64,
    start: u32,
    frequency: u32,
}

const RECIPROCAL_BITS: u32 = 32 + BITS;

impl EncodeTables {
    pub(super) fn new(tables: &[Frequencies]) -> Self {
        let mut shares = Vec::with_capacity(256 * tables.len());
        for table in tables {
            let mut start = 0;
            shares.extend(table.0.iter().map(|&frequency| {
                let share = Share {
                    reciprocal: (1u64 << RECIPROCAL_BITS).div_ceil(u64::from(frequency).max(1)),
                    start,
                    frequency: u32::from(frequency),
                };
                start += u32::from(frequency);
                share
            }));
        }
        EncodeTables(shares)
    }
}

/// Takes symbols in the order in which they will be decoded.
#[derive(Default)]
pub(super) struct Encoder {
    /// Table, symbol and lane.
    symbols: Vec<u32>,
}

impl Encoder {
    /// Appends a symbol that its table knows.
    #[inline]
    pub(super) fn put(&mut self, table: u8, symbol: u8, lane: usize) {
        self.symbols
            .push(u32::from(table) << 10 | u32::from(symbol) << 2 | lane as u32);
    }

    /// The states with which a decoder begins, and the words that it takes up.
    pub(super) fn finish(self, tables: &EncodeTables) -> Vec<u8> {
        let mut states = [LOW; LANES];
        // From the last word to the first: each symbol gives one at most.
        let mut words = vec![0u16; self.symbols.len()];
        let mut count = 0;
        // What is put in last comes out first.
        for &symbol in self.symbols.iter().rev() {
            let share = tables.0[(symbol >> 2) as usize];
            let state = &mut states[(symbol & 3) as usize];
            // Whether it gives a word cannot be predicted, so there is no branch.
            let gives = u64::from(*state) >= u64::from(share.frequency) << (32 - BITS);
            words[count] = *state as u16;
            count += usize::from(gives);
            let low = if gives { *state >> 16 } else { *state };
            // Exact, as low is less than the frequency times 2^20, or is all of 2^32 where the
            // frequency is a power of two.
            let quotient = ((u64::from(low) * share.reciprocal) >> RECIPROCAL_BITS) as u32;
            *state = low + share.start + quotient * (WHOLE - share.frequency);
        }
        let mut bytes = Vec::with_capacity(STATES + 2 * count);
        states
            .iter()
            .for_each(|state| bytes.extend(state.to_le_bytes()));
        let words = words[..count].iter().rev();
        words.for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes
    }
}

/// Tables for decoding, by number: for each value of the lowest bits of a state the symbol, and for
/// each symbol its frequency and where its share begins. Two small tables are faster than a large
/// one, of which less is in the first cache.
pub(super) struct DecodeTables {
    symbols: Vec<u8>,
    shares: Vec<u32>,
}

impl DecodeTables {
    pub(super) fn new(tables: &[Frequencies]) -> Self {
        let mut symbols = Vec::with_capacity(tables.len() << BITS);
        let mut shares = Vec::with_capacity(tables.len() << 8);
        for frequencies in tables {
            let mut start = 0;
            for (symbol, &frequency) in frequencies.0.iter().enumerate() {
                shares.push(u32::from(frequency) << 16 | start);
                start += u32::from(frequency);
                symbols.extend(std::iter::repeat_n(symbol as u8, usize::from(frequency)));
            }
        }
        DecodeTables { symbols, shares }
    }
}

impl DecodeTables {
    /// The symbol of a state, which goes on to the next one.
    #[inline(always)]
    fn step(&self, table: u8, state: &mut u32, window: &mut u64, taken: &mut usize) -> u8 {
        let slot = *state & (WHOLE - 1);
        let symbol = self.symbols[usize::from(table) << BITS | slot as usize];
        let share = self.shares[usize::from(table) << 8 | usize::from(symbol)];
        let next = (share >> 16) * (*state >> BITS) + slot - (share & 0xffff);
        // Whether it takes up a word cannot be predicted, so there is no branch.
        let short = next < LOW;
        let longer = next << 16 | u32::from(*window as u16);
        *state = if short { longer } else { next };
        *window >>= 16 * u32::from(short);
        *taken += usize::from(short);
        symbol
    }
}

/// Gives symbols back.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    states: [u32; LANES],
    words: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Decoded<Self> {
        let (first, words) = bytes
            .split_at_checked(STATES)
            .filter(|(_, words)| words.len() % 2 == 0)
            .ok_or(Damage("coded symbols are missing"))?;
        let mut states = [0; LANES];
        for (state, bytes) in states.iter_mut().zip(first.chunks_exact(4)) {
            *state = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        }
        if states.iter().any(|state| *state < LOW) {
            return Err(Damage("a state of coded symbols is impossible"));
        }
        Ok(Decoder { states, words })
    }

    /// The next symbol of each of four tables. Tables are among those that there are.
    #[inline(always)]
    pub(super) fn four(&mut self, tables: &DecodeTables, which: [u8; 4]) -> Decoded<[u8; 4]> {
        // Each symbol takes up a word at most.
        let mut window = match self.words.first_chunk() {
            Some(words) => u64::from_le_bytes(*words),
            None => last_words(self.words),
        };
        let mut taken = 0;
        let [a, b, c, d] = &mut self.states;
        // Written out, so that the states stay in registers.
        let symbols = [
            tables.step(which[0], a, &mut window, &mut taken),
            tables.step(which[1], b, &mut window, &mut taken),
            tables.step(which[2], c, &mut window, &mut taken),
            tables.step(which[3], d, &mut window, &mut taken),
        ];
        self.advance(taken)?;
        Ok(symbols)
    }

    /// The next symbol of a table, in a lane.
    pub(super) fn one(&mut self, tables: &DecodeTables, which: u8, lane: usize) -> Decoded<u8> {
        let mut window = last_words(&self.words[..self.words.len().min(2)]);
        let mut taken = 0;
        let symbol = tables.step(which, &mut self.states[lane], &mut window, &mut taken);
        self.advance(taken)?;
        Ok(symbol)
    }

    #[inline(always)]
    fn advance(&mut self, words: usize) -> Decoded<()> {
        let rest = self.words.get(2 * words..);
        self.words = rest.ok_or(Damage("coded symbols are missing"))?;
        Ok(())
    }

    /// The next symbols; `which` gives the table of each.
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        tables: &DecodeTables,
        symbols: &mut [u8],
        which: impl Fn(usize) -> u8,
    ) -> Decoded<()> {
        let (fours, last) = symbols.as_chunks_mut::<LANES>();
        // A copy of one's own can be kept in registers.
        let mut own = *self;
        let mut at = 0;
        for four in fours {
            let which = [which(at), which(at + 1), which(at + 2), which(at + 3)];
            *four = own.four(tables, which)?;
            at += LANES;
        }
        *self = own;
        for (lane, symbol) in last.iter_mut().enumerate() {
            *symbol = self.one(tables, which(at + lane), lane)?;
        }
        Ok(())
    }

    /// After the last symbol.
    pub(super) fn finish(self) -> Decoded<()> {
        if self.words.is_empty() && self.states == [LOW; LANES] {
            Ok(())
        } else {
            Err(Damage("coded symbols do not end where they should"))
        }
    }
}

#[cold]
fn last_words(words: &[u8]) -> u64 {
    let mut window = [0; 8];
    window[..words.len()].copy_from_slice(words);
    u64::from_le_bytes(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symbols of three very different tables: even, skewed, and always the same.
    fn symbols() -> Vec<(u8, u8)> {
        let mut seed = 1u64;
        let mut next = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 40) as u32
        };
        let symbol = |_| match next() % 3 {
            0 => (0, next() as u8),
            1 => (1, if next() % 500 == 0 { 200 } else { 7 }),
            _ => (2, 9),
        };
        (0..10_001).map(symbol).collect()
    }

    fn tables(symbols: &[(u8, u8)]) -> Vec<Frequencies> {
        let mut counts = vec![[0u32; 256]; 3];
        for (table, symbol) in symbols {
            counts[usize::from(*table)][usize::from(*symbol)] += 1;
        }
        counts.iter().map(Frequencies::of).collect()
    }

    #[test]
    fn symbols_come_back_in_about_their_entropy() {
        let symbols = symbols();
        let tables = tables(&symbols);
        let encode = EncodeTables::new(&tables);
        let mut encoder = Encoder::default();
        for (i, (table, symbol)) in symbols.iter().enumerate() {
            encoder.put(*table, *symbol, i % LANES);
        }
        let bytes = encoder.finish(&encode);
        let of_table = |table| symbols.iter().filter(|symbol| symbol.0 == table).count();
        let expected = of_table(0) * 98 / 100 + of_table(1) / 300;
        assert!(
            (expected..expected + 200).contains(&bytes.len()),
            "{}",
            bytes.len()
        );

        let decode = DecodeTables::new(&tables);
        let which: Vec<u8> = symbols.iter().map(|symbol| symbol.0).collect();
        let mut found = vec![0; symbols.len()];
        let mut decoder = Decoder::new(&bytes).unwrap();
        decoder.fill(&decode, &mut found, |i| which[i]).unwrap();
        decoder.finish().unwrap();
        assert!(
            found
                .iter()
                .zip(&symbols)
                .all(|(found, symbol)| *found == symbol.1)
        );

        // Cut off anywhere, and one too many.
        for length in 0..bytes.len() {
            let cut = Decoder::new(&bytes[..length]).and_then(|mut decoder| {
                decoder.fill(&decode, &mut found, |i| which[i])?;
                decoder.finish()
            });
            assert!(cut.is_err(), "{length}");
        }
        let mut decoder = Decoder::new(&bytes).unwrap();
        let early = decoder.fill(&decode, &mut found[..10_000], |i| which[i]);
        assert!(early.is_ok() && decoder.finish().is_err());
    }

    #[test]
    fn frequencies_add_up() {
        let mut even = [1u32; 256];
        Frequencies::of(&even);
        even[0] = u32::MAX;
        let skewed = Frequencies::of(&even);
        assert_eq!(u32::from(skewed.0[0]), WHOLE - 255);
        let mut steep = [0u32; 256];
        steep
            .iter_mut()
            .enumerate()
            .for_each(|(i, count)| *count = i as u32 * i as u32);
        let steep = Frequencies::of(&steep);
        assert_eq!((steep.0[0], steep.0[1]), (0, 1));
        for frequencies in [skewed, steep] {
            assert_eq!(Frequencies::new(frequencies.0), Ok(frequencies));
        }
        assert!(Frequencies::new([(WHOLE / 256) as u16; 256]).is_ok());
        assert!(Frequencies::new([(WHOLE / 256 - 1) as u16; 256]).is_err());
    }
}
