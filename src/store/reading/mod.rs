//! From rows and blobs to states, changes and answers. Nothing here writes.
//!
//! `Sources` are what all of it is read from; a `Reader` answers for one layer in one consistent state
//! of the store; a `Plan` says how a state comes about, chunk by chunk of tiles; a walk goes through
//! the changes.

mod cache;
mod chunks;
mod codebooks;
mod decoder;
mod deltas;
mod layer;
mod layer_state;
mod model;
mod movement;
mod plan;
mod reader;
mod settings;
mod sources;
mod states;
mod stats;
mod verify;
mod walk;
mod weights;
mod whole_state;

pub(crate) use chunks::{CHUNK_TILES, chunks_mut, row_major};
pub(crate) use decoder::{Decoder, Part, run_of};
pub(crate) use layer_state::{LayerState, Matrix, StateElement, copied, zeros};
pub(crate) use model::tensor_of;
pub(crate) use reader::Reader;
pub(crate) use sources::Sources;
