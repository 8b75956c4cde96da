//! Errors in words, and what to do about them.

use std::error::Error as StdError;
use std::fmt;

use anyhow::Error;

/// An error together with what to do about it.
#[derive(Debug)]
pub(crate) struct Hinted {
    error: Error,
    pub(crate) hint: String,
    /// Whether the arguments are what is wrong.
    pub(crate) is_usage: bool,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for Hinted {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Adds to an error what to do about it.
pub(crate) fn with_hint(error: impl Into<Error>, hint: impl Into<String>) -> Error {
    Error::new(Hinted {
        error: error.into(),
        hint: hint.into(),
        is_usage: false,
    })
}

/// Adds to an error of wrong arguments what to write instead.
pub(crate) fn wrong_usage(error: impl Into<Error>, hint: impl Into<String>) -> Error {
    Error::new(Hinted {
        error: error.into(),
        hint: hint.into(),
        is_usage: true,
    })
}

/// The error and its sources in one line. Some messages already end in their source's.
pub(crate) fn causes(error: &Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_joined_and_not_repeated() {
        let denied = || io::Error::new(io::ErrorKind::PermissionDenied, "not allowed");
        let error = Err::<(), _>(denied()).context("cannot write");
        assert_eq!(causes(&error.unwrap_err()), "cannot write: not allowed");
        let library = temporal_vdb::Error::Io {
            path: "a.vdb".into(),
            source: denied(),
        };
        let error = Error::new(library).context("exporting");
        assert_eq!(causes(&error), "exporting: a.vdb: not allowed");
    }
}
