//! What a layer can do, wherever it is kept.

mod storage;
mod temporal_layer;
mod temporal_queries;

pub use storage::TemporalVDBStorage;
pub use temporal_layer::TemporalLayer;
pub use temporal_queries::TemporalQueries;
