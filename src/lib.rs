//! Every step of a model's weights: in one file, and as OpenVDB grids whose third axis is time.
//!
//! A *layer* is one weight matrix, rows x cols, over time. In memory it lives in a real
//! `openvdb::FloatGrid`; a store keeps it in its file, and makes such a grid of any range of steps.
//! Voxel `Coord(row, col, t)` holds what was added to weight (row, col) at step t; z = 0 is the base,
//! and a step holds only what changed. The state at step t is the base
//! plus all deltas up to t, in that order, in IEEE binary32: the same bits whatever the number of
//! threads, before and after pruning.
//!
//! # What there is
//!
//! *Storage*, a layer wherever it is kept. [`OpenVdbStorage`] keeps one in memory, all of it in grids, for
//! live adaptation ([`StorageOptions`]; [`Layer`] is the same without async). [`StoredLayer`] is one of a
//! store. Both are used through three traits: [`TemporalVDBStorage`] (base, deltas, states, a weight's
//! history), [`TemporalLayer`] (all else that is done with time: accumulating, rolling back, tags,
//! policies, many states at once) and [`TemporalQueries`].
//!
//! *Store*, many named layers in one durable file, any range of which becomes a grid again
//! ([`StoredLayer::grid`]). [`TemporalStore`] records checkpoints and gives them back; [`StepWriter`] puts a
//! step together. Set: [`StoreOptions`] with [`Durability`], [`Favor`] and [`Codec`]; [`RecordOptions`] with
//! [`Threshold`] and [`Note`]. Told: [`Recorded`], [`ModelWeights`], [`LayerInfo`], [`StepInfo`],
//! [`StoreStats`], [`LayerStats`], [`Verified`]; as it happens, [`StepStream`] of [`StepEvent`].
//!
//! *Values*. Weights: [`SparseWeights`], [`DenseWeights`]. What changed: [`Delta`] of [`Change`]s. Whole
//! models: [`Checkpoint`] of [`Tensor`]s, with their [`Dtype`]. Where: [`Region`], [`Unit`] ([`By`]),
//! [`Voxel`], [`TemporalCoordinate`], [`Coordinate3D`]. What stays: [`Retention`], [`Tier`], [`Pruned`],
//! [`Ring`] ([`MAX_HISTORY`], [`get_z_for_timestamp`]). Steps end at [`MAX_STEP`]. Sizes of grids:
//! [`Figures`]. What a `.vdb` file holds, checked before it is read: [`VdbGrid`].
//!
//! *Volumes* to look at: [`VolumeExport`] writes how layers ([`VolumeLayer`]) moved as fog for Houdini and
//! Blender, and says what it wrote ([`Volume`], [`PicturedLayer`]). Set: [`VolumeValue`], [`VolumeScale`],
//! [`VolumeOrder`], [`VolumePool`], [`VolumeUp`].
//!
//! *Detectors* find what changed from one set of weights to the next: [`DenseDetector`] in arrays, bit for
//! bit; [`DeltaDetector`] in hash maps.
//!
//! *Queries*. How weights moved: [`Evolution`], [`LayerEvolution`], [`ModelEvolution`]. Which change at the
//! same steps: [`CoOccurrence`] asks, [`Together`] answers with [`Group`]s and [`Pairs`] of [`Pair`]s. Long
//! ones tell how far they are, and can be stopped: [`Progress`].
//!
//! What fails is an [`Error`]; its [`ErrorKind`] says what can be done about it.
//!
//! # An example
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

// The folders, in reading order. Each imports only what stands below it.
//
//   volumes/  pictures: how layers moved, as fog for Houdini and Blender
//   store/    many layers in one durable file: recorded, read, sealed, pruned
//   grids/    one layer in memory, in FloatGrids: the bridge to OpenVDB, and its safe owners
//   vdb/      .vdb files, checked before OpenVDB reads them
//   traits/   what a layer can do, wherever it is kept
//   queries/  how weights moved, and which move together
//   coding/   states and changes as bytes, and back
//   detect/   what changed from one set of weights to the next
//   values/   what callers give and get: weights, deltas, tensors, regions, policies
//   host/     the machine beneath: threads, float mode, memory, progress, watching
//   dtype.rs, limits.rs, error.rs: the ground floor, what errors can name

mod coding;
mod detect;
mod dtype;
mod error;
mod grids;
mod host;
mod limits;
mod queries;
mod store;
mod traits;
mod values;
mod vdb;
mod volumes;

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
pub use vdb::VdbGrid;
pub use volumes::{
    PicturedLayer, Volume, VolumeExport, VolumeLayer, VolumeOrder, VolumePool, VolumeScale,
    VolumeUp, VolumeValue,
};

/// The README's example and those of the guide, compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/guide/rust.md")]
#[doc = include_str!("../docs/guide/grids.md")]
struct Readme;
