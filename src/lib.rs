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

#[doc(hidden)]
pub mod baseline;
mod blocking;
mod coordinate;
mod delta;
mod dense_detector;
mod dense_weights;
mod detector;
mod dtype;
mod error;
mod evolution;
mod ffi;
mod figures;
mod float_mode;
#[doc(hidden)]
pub mod freed_memory;
mod grid;
mod history;
mod lattice;
mod layer;
mod nearest;
mod openvdb_storage;
mod progress;
mod region;
mod retention;
mod ring;
mod sparse_weights;
mod storage;
mod storage_options;
mod store;
mod tags;
mod temporal_layer;
mod temporal_queries;
mod tensor;
mod threads;
mod timeline;
mod together;
mod unit;
mod voxel;
mod watch;
mod zspan;

pub use coordinate::{Coordinate3D, TemporalCoordinate};
pub use delta::{Change, Delta};
pub use dense_detector::DenseDetector;
pub use dense_weights::DenseWeights;
pub use detector::DeltaDetector;
pub use dtype::Dtype;
pub use error::{Error, ErrorKind, Result};
pub use evolution::{Evolution, LayerEvolution, ModelEvolution};
pub use figures::Figures;
pub use layer::Layer;
pub use openvdb_storage::OpenVdbStorage;
pub use progress::Progress;
pub use region::Region;
pub use retention::{Retention, Tier};
pub use ring::{MAX_HISTORY, Ring, get_z_for_timestamp};
pub use sparse_weights::SparseWeights;
pub use storage::TemporalVDBStorage;
pub use storage_options::StorageOptions;
pub use store::{
    Codec, Durability, Favor, LayerInfo, LayerStats, ModelWeights, Note, RecordOptions, Recorded,
    StepInfo, StepWriter, StoreOptions, StoreStats, StoredLayer, TemporalStore, Threshold,
    Verified,
};
pub use temporal_layer::{Pruned, TemporalLayer};
pub use temporal_queries::TemporalQueries;
pub use tensor::{Checkpoint, Tensor};
pub use together::{CoOccurrence, Group, Pair, Pairs, Together};
pub use unit::{By, Unit};
pub use voxel::Voxel;
pub use watch::{StepEvent, StepStream};

/// The last step that can be stored: z ends at 2^31 - 1, and a step stays below it.
pub const MAX_STEP: usize = i32::MAX as usize - 1;

/// The README's example and those of the guide, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/guide/rust.md")]
#[doc = include_str!("../docs/guide/grids.md")]
struct Readme;
