//! What a file is, by its first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest header that readers of safetensors files accept.
const MAX_HEADER: u64 = 100_000_000;

/// What a file seems to be. It can still be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// An SQLite database: a store of ours, most likely.
    Database,
    /// A safetensors file.
    Safetensors,
    /// A zip archive, which is what PyTorch's own checkpoints are.
    Archive,
    /// Anything else, an empty file among them.
    Other,
}

impl FileKind {
    /// How many bytes of a file are looked at.
    pub(crate) const LOOK: usize = 16;

    /// By the first [`FileKind::LOOK`] bytes of a file, or all where it has fewer.
    pub(crate) fn of(start: &[u8]) -> Self {
        if start.starts_with(b"SQLite format 3\0") {
            return FileKind::Database;
        }
        if start.starts_with(b"PK\x03\x04") {
            return FileKind::Archive;
        }
        // The header's length, and a JSON object of that length: `{}` at least.
        match start.split_first_chunk() {
            Some((length, [b'{', ..]))
                if (2..=MAX_HEADER).contains(&u64::from_le_bytes(*length)) =>
            {
                FileKind::Safetensors
            }
            _ => FileKind::Other,
        }
    }

    /// That of a file, where it can be read.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        // Opening a pipe would wait for a writer, and take what it writes.
        if !path.metadata().ok()?.is_file() {
            return None;
        }
        let mut start = Vec::new();
        let file = File::open(path).ok()?;
        file.take(FileKind::LOOK as u64)
            .read_to_end(&mut start)
            .ok()?;
        Some(FileKind::of(&start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        assert_eq!(FileKind::of(b"SQLite format 3\0"), FileKind::Database);
        assert_eq!(FileKind::of(b"PK\x03\x04 and more"), FileKind::Archive);
        assert_eq!(FileKind::of(b"\x02\0\0\0\0\0\0\0{}"), FileKind::Safetensors);
        for other in [
            &b""[..],
            b"{}",
            &[0; 16],
            &[255; 16],
            b"\x02\0\0\0\0\0\0\0",
            b"SQLite",
        ] {
            assert_eq!(FileKind::of(other), FileKind::Other, "{other:?}");
        }
    }
}
