use std::num::NonZeroUsize;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::float_mode::keep_ieee;
use crate::error::{Error, Result};

/// A pool of so many threads, which compute in IEEE 754's default mode; `None` is one per core.
pub(crate) fn pool(threads: Option<NonZeroUsize>, name: &'static str) -> Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads.map_or(0, NonZeroUsize::get))
        .thread_name(move |i| format!("{name}-{i}"))
        .start_handler(|_| keep_ieee())
        .build()
        .map_err(|error| Error::Unexpected {
            message: error.to_string(),
        })
}
