//! What proves that bytes are what was written.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// A 128-bit xxh3.
pub(crate) type Digest = [u8; 16];

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    xxh3_128(bytes).to_le_bytes()
}

/// The digest of a layer's state, from those of its tiles.
pub(crate) fn layer_digest(tiles: &[Digest]) -> Digest {
    digest_of(tiles.as_flattened())
}

/// A checksum over fields, each with its length, so that none runs into the next.
pub(super) struct Sum(Xxh3);

impl Sum {
    pub(super) fn of(table: &str) -> Self {
        Sum(Xxh3::new()).text(table)
    }

    pub(super) fn number(mut self, number: impl Into<i64>) -> Self {
        self.0.update(&number.into().to_le_bytes());
        self
    }

    pub(super) fn count(self, count: u64) -> Self {
        self.number(count as i64)
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(super) fn sum(self) -> i64 {
        self.0.digest() as i64
    }

    pub(super) fn digest(self) -> Digest {
        self.0.digest128().to_le_bytes()
    }
}
