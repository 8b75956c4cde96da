//! What a store holds, without its weights: layers, commits, where each layer's history is, and what
//! was set. Made from rows, checked as a whole.

mod commits;
#[allow(clippy::module_inception)] // the noun that the folder is about
mod index;
mod layer_index;
mod layer_key;
mod settings;

pub(crate) use index::Index;
pub(crate) use layer_index::{Group, LONGEST_GROUP, LayerIndex};
pub(crate) use layer_key::LayerKey;
pub(crate) use settings::Settings;
