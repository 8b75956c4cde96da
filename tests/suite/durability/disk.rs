//! A disk that loses power: what is on it for certain, and what may be.

use std::collections::BTreeMap;

use super::Random;
use super::syscall::Syscall;

/// Which part of what was not synced has got onto the disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kept {
    All,
    Nothing,
    /// Creations, renames and deletions.
    NamesOnly,
    /// What was written into files.
    ContentsOnly,
    /// All but the end of the last write.
    Torn,
    /// Any writes, some of them in part, and the first few changes of names.
    Random,
}

/// The files of a folder.
#[derive(Default)]
pub struct Disk<'c> {
    files: Vec<File<'c>>,
    /// Names and numbers of files: those that are certain, then after each change since.
    names: Vec<BTreeMap<&'c str, usize>>,
}

#[derive(Default)]
struct File<'c> {
    certain: Vec<u8>,
    pending: Vec<Change<'c>>,
}

enum Change<'c> {
    Write(usize, &'c [u8]),
    Truncate(usize),
}

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

impl<'c> Disk<'c> {
    pub fn new() -> Self {
        Disk {
            files: Vec::new(),
            names: vec![BTreeMap::new()],
        }
    }

    pub fn apply(&mut self, call: &'c Syscall) {
        let names = &self.names[self.names.len() - 1];
        match call {
            Syscall::Create(name) => {
                let mut names = names.clone();
                names.insert(name, self.files.len());
                self.files.push(File::default());
                self.names.push(names);
            }
            Syscall::Write(name, offset, data) => {
                self.file(name).pending.push(Change::Write(*offset, data));
            }
            Syscall::Truncate(name, length) => {
                self.file(name).pending.push(Change::Truncate(*length));
            }
            Syscall::Sync(name) if name.is_empty() => {
                self.names.drain(..self.names.len() - 1);
            }
            Syscall::Sync(name) => {
                let file = self.file(name);
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.certain, None);
                }
            }
            Syscall::Rename(from, to) => {
                let mut names = names.clone();
                let file = names.remove(from.as_str()).expect(from);
                names.insert(to, file);
                self.names.push(names);
            }
            Syscall::Unlink(name) => {
                let mut names = names.clone();
                names.remove(name.as_str()).expect(name);
                self.names.push(names);
            }
        }
    }

    fn file(&mut self, name: &str) -> &mut File<'c> {
        let file = self.names[self.names.len() - 1].get(name).expect(name);
        &mut self.files[*file]
    }

    /// Whether all that was done is certain.
    pub fn is_certain(&self) -> bool {
        self.names.len() == 1 && self.files.iter().all(|file| file.pending.is_empty())
    }

    /// The files that are there once power is back.
    pub fn after_power_loss(&self, kept: Kept, random: &mut Random) -> Vec<(&'c str, Vec<u8>)> {
        let newest = self.names.len() - 1;
        let names = match kept {
            Kept::All | Kept::NamesOnly | Kept::Torn => newest,
            Kept::Nothing | Kept::ContentsOnly => 0,
            Kept::Random => random.below(newest + 1),
        };
        let names = self.names[names].iter();
        names
            .map(|(&name, &file)| (name, self.files[file].after_power_loss(kept, random)))
            .collect()
    }
}

impl File<'_> {
    fn after_power_loss(&self, kept: Kept, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.certain.clone();
        // Of some files nearly all, of others nearly nothing.
        let share = 1 + random.below(8);
        for (i, change) in self.pending.iter().enumerate() {
            let last = i + 1 == self.pending.len();
            let torn = match kept {
                Kept::Nothing | Kept::NamesOnly => continue,
                Kept::All | Kept::ContentsOnly => false,
                Kept::Torn => last,
                Kept::Random if random.below(9) >= share => continue,
                Kept::Random => random.below(4) == 0,
            };
            change.apply(&mut bytes, torn.then_some(random));
        }
        bytes
    }
}

impl Change<'_> {
    /// Does it, with `random` not to its end.
    fn apply(&self, bytes: &mut Vec<u8>, random: Option<&mut Random>) {
        match *self {
            Change::Truncate(length) => bytes.resize(length, 0),
            Change::Write(offset, data) => {
                let mut end = offset + data.len();
                if let Some(random) = random {
                    let sectors = offset / SECTOR..end.div_ceil(SECTOR);
                    let whole = sectors.start + random.below(sectors.len());
                    end = (whole * SECTOR).max(offset);
                }
                bytes.resize(bytes.len().max(end), 0);
                bytes[offset..end].copy_from_slice(&data[..end - offset]);
            }
        }
    }
}
