//! What `tvdb bench` and `tvdb demo` measure, without the program around it: arguments, tables and
//! progress bars are the program's.
//!
//! - [`bench`] records a run of checkpoints and compares the store with what is used without it.
//! - [`demo`] trains a small network, records every step of it and reads steps back.
//! - [`training`] is that network: what it learns from, and what its weights are compared by.

mod background;
pub mod bench;
pub mod demo;
mod listener;
pub mod training;

pub use listener::Listener;
