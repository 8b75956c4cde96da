//! A block's bytes are a sequence of streams: arrays of bytes, each stored as it is, compressed, or
//! as one byte where all are the same.

use super::{Damage, Decoded};

const PLAIN: u8 = 0;
const CONSTANT: u8 = 1;
const ZSTD: u8 = 2;

/// On these arrays, which have been taken apart by meaning before, higher levels find nothing more.
const ZSTD_LEVEL: i32 = 1;

/// Below this compressing cannot win back its own header.
const SMALL: usize = 32;

/// Appends to a block.
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    zstd: zstd::bulk::Compressor<'static>,
    scratch: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Writer {
            bytes: Vec::new(),
            zstd: zstd::bulk::Compressor::new(ZSTD_LEVEL).expect("zstd has its lowest level"),
            scratch: Vec::new(),
        }
    }

    /// Appends a stream. Its length is for the reader to know.
    pub(crate) fn stream(&mut self, stream: &[u8]) {
        let Some(&first) = stream.first() else {
            return;
        };
        if stream.iter().all(|&byte| byte == first) {
            self.bytes.extend([CONSTANT, first]);
            return;
        }
        if stream.len() >= SMALL {
            self.scratch.clear();
            self.scratch
                .reserve(zstd::zstd_safe::compress_bound(stream.len()));
            let packed = self.zstd.compress_to_buffer(stream, &mut self.scratch);
            if packed.is_ok_and(|packed| packed + 4 < stream.len()) {
                self.bytes.push(ZSTD);
                self.bytes.extend((self.scratch.len() as u32).to_le_bytes());
                self.bytes.extend(&self.scratch);
                return;
            }
        }
        self.bytes.push(PLAIN);
        self.bytes.extend(stream);
    }

    /// Appends the bytes of numbers by their place: all the lowest bytes first. The reader knows
    /// how many there are.
    pub(crate) fn planes<const N: usize>(&mut self, numbers: impl Iterator<Item = u32> + Clone) {
        let mut plane = Vec::new();
        for byte in 0..N {
            plane.clear();
            plane.extend(numbers.clone().map(|number| (number >> (8 * byte)) as u8));
            self.stream(&plane);
        }
    }
}

/// Takes a block apart.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    zstd: zstd::bulk::Decompressor<'static>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader {
            bytes,
            zstd: zstd::bulk::Decompressor::new().expect("zstd can be set up"),
        }
    }

    pub(crate) fn take(&mut self, count: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(count)
            .ok_or(Damage("it ends too soon"))?;
        self.bytes = rest;
        Ok(taken)
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
                let stream = self.zstd.decompress(packed, len);
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

    /// `len` numbers of N bytes each, as [`Writer::planes`] wrote them.
    pub(crate) fn planes<const N: usize>(&mut self, len: usize) -> Decoded<Vec<u32>> {
        let mut numbers = vec![0u32; len];
        for byte in 0..N {
            if len > 0 && self.bytes.first() == Some(&CONSTANT) {
                let value = u32::from(self.take(2)?[1]) << (8 * byte);
                if value != 0 {
                    numbers.iter_mut().for_each(|number| *number |= value);
                }
                continue;
            }
            let plane = self.stream(len)?;
            for (number, byte_of) in numbers.iter_mut().zip(&plane) {
                *number |= u32::from(*byte_of) << (8 * byte);
            }
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
