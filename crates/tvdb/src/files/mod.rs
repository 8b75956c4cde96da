//! Files that are read and written beside stores.

pub(crate) mod checkpoint;
pub(crate) mod kind;
pub(crate) mod layer_file;
mod natural_order;
pub(crate) mod replacement;
pub(crate) mod target;
