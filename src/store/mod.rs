//! The durable store: many layers, every step of them, in one file.

// In reading order. Each imports only what stands below it.
//
//   temporal_store.rs, stored_layer.rs, step_writer.rs: what users hold
//   engine/     the three owners together, the order in which they act, the one door from async callers
//   upkeep/     behind recording: sealing, keyframes, merging, pruning, rolling back
//   recording/  one step after the other: resolve, encode, commit, and the heads follow
//   reading/    from rows and blobs to states, changes and answers
//   index/      layers, commits, and where each layer's history is
//   database/   rows and blobs by key; nothing else knows SQL
//   options.rs, report.rs, note.rs: what is set, and what is told

mod database;
mod engine;
mod index;
mod note;
mod options;
mod reading;
mod recording;
mod report;
mod step_writer;
mod stored_layer;
mod temporal_store;
mod upkeep;

pub use note::Note;
pub use options::{Codec, Durability, Favor, RecordOptions, StoreOptions, Threshold};
pub use report::{LayerInfo, LayerStats, ModelWeights, Recorded, StepInfo, StoreStats, Verified};
pub use step_writer::StepWriter;
pub use stored_layer::StoredLayer;
pub use temporal_store::TemporalStore;
