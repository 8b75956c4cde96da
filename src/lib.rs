//! Every step of a model's weights, in OpenVDB grids whose third axis is time.
//!
//! A *layer* is one weight matrix, rows x cols, over time. It lives in a real
//! `openvdb::FloatGrid`: voxel `Coord(row, col, t)` holds what was added to weight (row, col) at
//! step t; z = 0 is the base, and a step holds only what changed. The state at step t is the base
//! plus all deltas up to t, in that order, in IEEE binary32: the same bits whatever the number of
//! threads, before and after pruning.
//!
//! Two things hold layers, and both are used through [`TemporalVDBStorage`], [`TemporalLayer`] and
//! methods of their own. [`TemporalStore`] is durable: many named layers, whose history rests compressed in one file,
//! and any range of which becomes a grid again ([`StoredLayer::grid`]). [`OpenVdbStorage`] keeps one
//! layer in memory, all of it in grids, for live adaptation; [`DenseDetector`] and
//! [`DeltaDetector`] find what changed from one set of weights to the next for it.
//!
//! ```
//! use temporal_vdb::{DenseDetector, OpenVdbStorage, TemporalLayer, TemporalVDBStorage};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let storage = OpenVdbStorage::new("mlp.0", 2, 3)?;
//! let mut detector = DenseDetector::new(0.0, 2, 3)?;
//! let run = [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.1, 0.2, 0.7, 0.4, 0.5, 0.6]];
//! for (i, weights) in run.iter().enumerate() {
//!     storage.store_changes(i + 1, &detector.compute_changes(weights)?).await?;
//! }
//! assert_eq!(storage.dense_at_time(1).await?.values, run[0]);
//! assert_eq!(storage.weight_history(0, 2).await?, [(0, 0.0), (1, 0.3), (2, 0.7)]);
//! # Ok::<(), temporal_vdb::Error>(())
//! # }).unwrap();
//! ```

// The folders, in reading order; each imports only what stands below it.
mod coding; // states and changes as bytes, and back
mod detect; // what changed from one set of weights to the next
mod dtype; // the ground floor: what errors name
mod error;
mod grids; // one layer in memory, in FloatGrids: the bridge to OpenVDB and its safe owners
mod host; // the machine beneath: threads, float mode, memory, progress, watching
mod limits;
mod queries; // how weights moved, and which move together
mod store; // many layers in one durable file: what is recorded, read, sealed, pruned
mod traits; // what a layer can do, wherever it is kept
mod values; // what callers give and get: weights, deltas, tensors, regions, policies

#[doc(hidden)]
pub use grids::baseline;
#[doc(hidden)]
pub use host::freed_memory;

pub use detect::{DeltaDetector, DenseDetector};
pub use dtype::Dtype;
pub use error::{Error, ErrorKind, Result};
pub use grids::{Layer, OpenVdbStorage, StorageOptions};
pub use host::{Progress, StepEvent, StepStream};
pub use limits::MAX_STEP;
pub use queries::evolution::{Evolution, LayerEvolution, ModelEvolution};
pub use queries::together::{CoOccurrence, Group, Pair, Pairs, Together};
pub use store::{
    Codec, Durability, Favor, LayerInfo, LayerStats, ModelWeights, Note, RecordOptions, Recorded,
    StepInfo, StepWriter, StoreOptions, StoreStats, StoredLayer, TemporalStore, Threshold,
    Verified,
};
pub use traits::{TemporalLayer, TemporalQueries, TemporalVDBStorage};
pub use values::{
    By, Change, Checkpoint, Coordinate3D, Delta, DenseWeights, Figures, MAX_HISTORY, Pruned,
    Region, Retention, Ring, SparseWeights, TemporalCoordinate, Tensor, Tier, Unit, Voxel,
    get_z_for_timestamp,
};

/// The README's example and those of the guide, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/guide/rust.md")]
#[doc = include_str!("../docs/guide/grids.md")]
struct Readme;
