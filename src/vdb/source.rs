use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The bytes of a file, of which none beyond a known end are asked for.
pub(super) struct Source {
    file: BufReader<File>,
    path: PathBuf,
    at: u64,
    end: u64,
    size: u64,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        // Opening a pipe would wait for a writer.
        let metadata = fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(refusal(path, "it is no regular file"));
        }
        let file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        if size == 0 {
            return Err(refusal(path, "the file is empty"));
        }
        Ok(Source {
            file: BufReader::with_capacity(1 << 16, file),
            path: path.to_owned(),
            at: 0,
            end: size,
            size,
        })
    }

    /// What is wrong with the file.
    pub(super) fn refuse(&self, reason: impl Into<String>) -> Error {
        refusal(&self.path, reason)
    }

    fn failed(&self, source: io::Error) -> Error {
        // It was longer when it was opened.
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return self.refuse("the file became shorter while it was read");
        }
        Error::Io {
            path: self.path.clone(),
            source,
        }
    }

    /// Where the next byte is.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that can still be asked for.
    pub(super) fn left(&self) -> u64 {
        self.end - self.at
    }

    /// Goes on at `at`, up to `end`: both have been checked against the size.
    pub(super) fn within(&mut self, at: u64, end: u64) -> Result<()> {
        if at > end || end > self.size {
            return Err(self.refuse(format!(
                "the file is damaged or cut off: bytes {at} to {end} are named, and it has {}",
                self.size
            )));
        }
        self.end = end;
        if at != self.at {
            self.file
                .seek(SeekFrom::Start(at))
                .map_err(|error| self.failed(error))?;
            self.at = at;
        }
        Ok(())
    }

    /// That `count` bytes are there; `what` names them.
    pub(super) fn need(&self, count: u64, what: &str) -> Result<()> {
        if count <= self.left() {
            return Ok(());
        }
        Err(self.refuse(format!(
            "the file is damaged or cut off: {count} bytes are expected for {what} from byte {} on, and {} are left",
            self.at,
            self.left()
        )))
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<()> {
        self.need(bytes.len() as u64, what)?;
        self.file
            .read_exact(bytes)
            .map_err(|error| self.failed(error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn u8(&mut self, what: &str) -> Result<u8> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn i32(&mut self, what: &str) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn i64(&mut self, what: &str) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    /// So many bytes, which the file has.
    pub(super) fn bytes(&mut self, count: u64, what: &str) -> Result<Vec<u8>> {
        self.need(count, what)?;
        let mut bytes = vec![0; count as usize];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn skip(&mut self, count: u64, what: &str) -> Result<()> {
        self.need(count, what)?;
        // A file's size is below 2^63.
        self.file
            .seek_relative(count as i64)
            .map_err(|error| self.failed(error))?;
        self.at += count;
        Ok(())
    }

    /// A text: its length in four bytes, then its bytes. Names need not be UTF-8.
    pub(super) fn text(&mut self, what: &str) -> Result<String> {
        let length = self.u32(what)?;
        let bytes = self.bytes(length.into(), what)?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }
}

pub(super) fn refusal(path: &Path, reason: impl Into<String>) -> Error {
    Error::NotALayer {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// A name as it is put into a message.
pub(super) fn shown(name: &str) -> String {
    const LETTERS: usize = 200;
    let start: String = name.chars().take(LETTERS).collect();
    let dots = if start.len() < name.len() { "..." } else { "" };
    format!("{}{dots}", start.escape_debug())
}
