//! Progress of long work: on a terminal's stderr, and nowhere else.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// How often a sign of life moves.
const TICK: Duration = Duration::from_millis(100);

/// A bar that vanishes when it is dropped, so that results and errors begin on a clean line.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar of `length` units of work.
    pub(crate) fn new(length: u64) -> Self {
        let style = ProgressStyle::with_template("{msg:22} {wide_bar} {percent:>3} %")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress(
            ProgressBar::new(length)
                .with_style(style)
                .with_finish(ProgressFinish::AndClear),
        )
    }

    /// A sign of life, for one piece of work that does not say how far it is.
    pub(crate) fn endless(what: &'static str) -> Self {
        let style = ProgressStyle::with_template("{msg} {elapsed} {spinner}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let spinner = ProgressBar::new_spinner()
            .with_style(style)
            .with_message(what)
            .with_finish(ProgressFinish::AndClear);
        spinner.enable_steady_tick(TICK);
        Progress(spinner)
    }

    /// Says what is being done now.
    pub(crate) fn doing(&self, what: impl Into<Cow<'static, str>>) {
        self.0.set_message(what);
    }

    /// Counts one unit of work as done.
    pub(crate) fn advance(&self) {
        self.0.inc(1);
    }

    /// Shows that so many units of work are done, out of so many.
    pub(crate) fn at(&self, done: u64, length: u64) {
        self.0.set_length(length);
        self.0.set_position(done);
    }

    /// What the library is given, to show here how far it is.
    pub(crate) fn of_library(&self) -> temporal_vdb::Progress {
        let bar = Progress(self.0.clone());
        temporal_vdb::Progress::new(move |done, length| bar.at(done, length))
    }

    /// Takes the bar away while something is written to the terminal.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }
}
