//! How the program ends: the exit code, and what the user is told when something failed.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Error;
use temporal_vdb::ErrorKind;

use crate::files::kind::FileKind;
use crate::screen::failure::{Hinted, causes};

const FAILED: u8 = 1;

/// What clap ends with where the arguments are wrong.
const USAGE: u8 = 2;

/// A signal asked the program to end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interrupted {
    /// SIGINT: Ctrl-C was pressed.
    CtrlC,
    /// SIGTERM, which `docker stop` and service managers send.
    Terminated,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Interrupted::CtrlC => "interrupted",
            Interrupted::Terminated => "terminated",
        })
    }
}

impl StdError for Interrupted {}

/// Writes an error with its causes, and a hint where there is one, to stderr.
pub(crate) fn report(error: &Error) -> ExitCode {
    let mut text = format!("error: {}\n", causes(error));
    if let Some(hint) = hint_of(error) {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // Where stderr is closed there is nobody left to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
    code_of(error).into()
}

fn code_of(error: &Error) -> u8 {
    // What shells report for a program that a signal ended: 128 and its number.
    match error.downcast_ref() {
        Some(Interrupted::CtrlC) => return 130,
        Some(Interrupted::Terminated) => return 143,
        None => {}
    }
    let hinted = error.chain().find_map(|cause| cause.downcast_ref());
    match hinted {
        Some(Hinted { is_usage: true, .. }) => USAGE,
        _ => FAILED,
    }
}

fn hint_of(error: &Error) -> Option<&str> {
    error
        .chain()
        .find_map(|cause| match cause.downcast_ref::<Hinted>() {
            Some(hinted) => Some(hinted.hint.as_str()),
            None => hint_of_library(cause.downcast_ref()?),
        })
}

/// What can be done about an error of the library, whatever the verb.
fn hint_of_library(error: &temporal_vdb::Error) -> Option<&'static str> {
    use temporal_vdb::Error;
    Some(match error {
        Error::InUse { .. } => {
            "wait until it is done; log, stats, checkout and verify work beside it"
        }
        Error::NotAStore { path, .. } => match FileKind::of_file(path) {
            Some(FileKind::Safetensors) => {
                "it is a checkpoint: the store is another file, named first: `tvdb record RUN.tvdb CKPT...`"
            }
            _ => "name a file that `tvdb record` has made",
        },
        Error::NewerFormat { .. } => "update tvdb",
        Error::Damaged { .. } => {
            "`tvdb verify` names the first damage; what lies elsewhere can still be checked out"
        }
        Error::Pruned { .. } | Error::NoSuchStep { .. } => "`tvdb log` shows which steps there are",
        Error::NoSuchLayer { .. } | Error::NotAMatrix { .. } => {
            "`tvdb stats RUN.tvdb` lists the layers"
        }
        Error::NoSuchTag { .. } => "`tvdb tag RUN.tvdb` lists the tags",
        Error::TagExists { .. } | Error::Pinned { .. } => {
            "`tvdb tag RUN.tvdb --delete NAME` takes a tag away"
        }
        Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "is the path right, and the folder there?"
        }
        _ => match error.kind() {
            ErrorKind::Io => "is the folder there, may you write to it, and has the disk room?",
            ErrorKind::Internal => "this is a fault of tvdb or OpenVDB; please report it",
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::screen::failure::{with_hint, wrong_usage};

    fn denied() -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, "not allowed")
    }

    #[test]
    fn errors_of_the_library_have_hints() {
        let library = temporal_vdb::Error::Io {
            path: "a.vdb".into(),
            source: denied(),
        };
        let error = Error::new(library).context("exporting");
        assert!(hint_of(&error).unwrap().contains("folder"));
    }

    #[test]
    fn a_hint_is_found_below_later_context() {
        let error = with_hint(denied(), "use another folder").context("preparing");
        assert_eq!(causes(&error), "preparing: not allowed");
        assert_eq!(hint_of(&error), Some("use another folder"));
        assert_eq!(hint_of(&anyhow!("plain")), None);
        assert_eq!(code_of(&error), FAILED);
        let error = wrong_usage(anyhow!("what?"), "say it").context("later");
        assert_eq!(code_of(&error), USAGE);
    }
}
