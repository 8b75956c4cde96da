//! The durable store: many layers, every step of them, in one file.

// What users hold.
mod step_writer; // a step that is being put together
mod stored_layer; // one layer
mod temporal_store; // the store

// How it works, in reading order; each imports only what stands below it.
mod database;
mod engine; // three owners, and the order in which they act; the one door from async callers
mod index; // layers, commits, and where each layer's history is
mod reading; // from rows and blobs to states, changes and answers
mod recording; // one step after the other: resolve, encode, commit, and the heads follow
mod upkeep; // behind recording: sealing, keyframes, merging, pruning, rolling back // rows and blobs by key, and nothing else knows SQL

// What is set, and what is told.
mod note;
mod options;
mod report;

pub use note::Note;
pub use options::{Codec, Durability, Favor, RecordOptions, StoreOptions, Threshold};
pub use report::{LayerInfo, LayerStats, ModelWeights, Recorded, StepInfo, StoreStats, Verified};
pub use step_writer::StepWriter;
pub use stored_layer::StoredLayer;
pub use temporal_store::TemporalStore;
