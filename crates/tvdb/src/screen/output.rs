//! What goes to stdout.

use std::io::{self, BufWriter, ErrorKind, Stdout, Write};

use anyhow::{Context, Result};
use serde_json::Value;

/// Writes a verb's result to stdout. A reader who has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to stdout"),
    }
}

/// A result that is written as it is found.
pub(crate) struct Listing {
    out: BufWriter<Stdout>,
    /// Whether somebody still reads it.
    is_read: bool,
    /// Elements of the array so far.
    elements: u64,
}

impl Listing {
    pub(crate) fn new() -> Self {
        Listing {
            out: BufWriter::new(io::stdout()),
            is_read: true,
            elements: 0,
        }
    }

    /// Writes a line, and says whether somebody wants more.
    pub(crate) fn line(&mut self, text: &str) -> Result<bool> {
        self.write(text)?;
        self.write("\n")
    }

    /// Writes what comes last.
    pub(crate) fn end(&mut self, text: &str) -> Result<()> {
        self.write(text)?;
        let result = self.out.flush();
        self.check(result)?;
        Ok(())
    }

    /// Begins a JSON object: its other fields, and an array whose elements follow, which comes last.
    pub(crate) fn begin_array(&mut self, fields: &Value, name: &str) -> Result<bool> {
        let fields = format!("{fields:#}");
        let open = fields.strip_suffix("\n}").unwrap_or("{");
        let comma = if open == "{" { "" } else { "," };
        self.write(&format!("{open}{comma}\n  {}: [", Value::from(name)))
    }

    /// Writes an element of the array, and says whether somebody wants more.
    pub(crate) fn element(&mut self, element: &Value) -> Result<bool> {
        let comma = if self.elements > 0 { "," } else { "" };
        self.elements += 1;
        self.write(&format!("{comma}\n    {element}"))
    }

    pub(crate) fn end_array(&mut self) -> Result<()> {
        let close = if self.elements > 0 { "\n  ]" } else { "]" };
        self.end(&format!("{close}\n}}\n"))
    }

    fn write(&mut self, text: &str) -> Result<bool> {
        if self.is_read {
            let result = self.out.write_all(text.as_bytes());
            self.check(result)?;
        }
        Ok(self.is_read)
    }

    fn check(&mut self, result: io::Result<()>) -> Result<()> {
        match result {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_read = false;
                Ok(())
            }
            result => result.context("cannot write to stdout"),
        }
    }
}
