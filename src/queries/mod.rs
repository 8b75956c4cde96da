//! What can be asked about how weights moved, from their changes alone: nothing here knows where
//! those are kept.

pub(crate) mod evolution;
pub(crate) mod together;
