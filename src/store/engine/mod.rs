//! Where a store's three owners are put together, and the order in which they act.

mod handle;
mod store;

pub(crate) use handle::Handle;
