//! The machine beneath: where heavy work may block, the threads it is spread over, the mode they
//! compute in, the memory they give back, what C++ throws, and how callers hear of what is going on.

mod allocation;
pub(crate) mod blocking;
mod exceptions;
mod ffi;
mod float_mode;
pub mod freed_memory;
mod nearest;
mod progress;
pub(crate) mod threads;
mod watch;

pub(crate) use allocation::vec_with_room;
pub(crate) use float_mode::{ieee, keep_ieee};
pub(crate) use nearest::nearest;
pub use progress::Progress;
pub(crate) use progress::Task;
pub(crate) use watch::{Committed, Watch};
pub use watch::{StepEvent, StepStream};
