//! Arguments that several verbs share, and what they lead to in a store.

pub(crate) mod at;
pub(crate) mod axes;
pub(crate) mod codec_name;
pub(crate) mod layer;
pub(crate) mod selection;
pub(crate) mod times;
pub(crate) mod unit;
