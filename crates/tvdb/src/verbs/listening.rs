//! A bar that measurements move.

use tvdb_bench::Listener;

use crate::screen::progress::Progress;

impl Listener for Progress {
    fn begin(&self, units: u64) {
        self.at(0, units);
    }

    fn doing(&self, what: &str) {
        Progress::doing(self, what.to_owned());
    }

    fn advance(&self) {
        Progress::advance(self);
    }
}
