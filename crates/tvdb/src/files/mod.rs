//! Files that are read and written beside stores.

pub(crate) mod checkpoint;
pub(crate) mod kind;
mod natural_order;
pub(crate) mod replacement;
pub(crate) mod target;
