//! The system calls by which a process changed the files in a folder, in their order.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{in_ci, skipped};

/// One that succeeded. Names are within the folder.
#[derive(Debug)]
pub enum Syscall {
    Create(String),
    Write(String, usize, Vec<u8>),
    Truncate(String, usize),
    /// Of a file, or of the folder where the name is empty.
    Sync(String),
    Rename(String, String),
    Unlink(String),
}

impl Syscall {
    /// The file that it is about, which has this name until then; empty for the folder.
    pub fn name(&self) -> &str {
        match self {
            Syscall::Create(name)
            | Syscall::Write(name, ..)
            | Syscall::Truncate(name, _)
            | Syscall::Sync(name)
            | Syscall::Rename(name, _)
            | Syscall::Unlink(name) => name,
        }
    }
}

/// The library that writes them down, made from `shim.c`; loudly none where there is no compiler.
pub fn shim(folder: &Path) -> Option<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/durability/shim.c");
    let library = folder.join("shim.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let compiled = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", source, "-o"])
        .arg(&library)
        .output();
    match compiled {
        Ok(output) if output.status.success() => Some(library),
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            assert!(!in_ci(), "a C compiler is needed in CI: {error}");
            skipped("power_loss", format!("no C compiler: {error}"));
            None
        }
    }
}

/// Lets a process write its system calls in `folder` to `log`.
pub fn watch(command: &mut Command, shim: &Path, folder: &Path, log: &Path) {
    command
        .env("LD_PRELOAD", shim)
        .env("TEMPORAL_VDB_SHIM_FOLDER", folder.canonicalize().unwrap())
        .env("TEMPORAL_VDB_SHIM_LOG", log);
}

/// Reads what the shim has written.
pub fn read_log(path: &Path) -> Vec<Syscall> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let mut take = |count: usize| {
        let (taken, others) = rest.split_at_checked(count)?;
        rest = others;
        Some(taken)
    };
    let mut calls = Vec::new();
    while let Some(head) = take(19) {
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap()) as usize;
        let (offset, length) = (number(3), number(11));
        let name = String::from_utf8(take(head[1].into()).unwrap().to_vec()).unwrap();
        let other = String::from_utf8(take(head[2].into()).unwrap().to_vec()).unwrap();
        calls.push(match head[0] {
            b'c' => Syscall::Create(name),
            b'w' => Syscall::Write(name, offset, take(length).unwrap().to_vec()),
            b't' => Syscall::Truncate(name, offset),
            b's' => Syscall::Sync(name),
            b'r' => Syscall::Rename(name, other),
            b'u' => Syscall::Unlink(name),
            what => panic!("a record of kind {what}"),
        });
    }
    calls
}
