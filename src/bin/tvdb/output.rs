//! What goes to stdout.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Writes a verb's result to stdout. A reader who has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to stdout"),
    }
}
