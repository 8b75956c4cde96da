//! What callers give and get: weights, their changes, where and when they are, and which stay.
//! Nothing here knows how any of it is kept.

mod coordinate;
mod delta;
mod dense_weights;
mod figures;
mod pruned;
mod region;
mod retention;
mod ring;
mod shape;
mod sparse_weights;
mod tags;
mod tensor;
mod tiling;
mod unit;
mod voxel;

pub use coordinate::{Coordinate3D, TemporalCoordinate};
pub use delta::{Change, Delta};
pub use dense_weights::DenseWeights;
pub use figures::Figures;
pub use pruned::Pruned;
pub use region::Region;
pub use retention::{Retention, Tier};
pub use ring::{MAX_HISTORY, Ring, get_z_for_timestamp};
pub(crate) use shape::{check_inside, check_shape, dense_len};
pub use sparse_weights::SparseWeights;
pub(crate) use tags::{Tags, check_tag};
pub(crate) use tensor::fold_shape;
pub use tensor::{Checkpoint, Tensor};
pub(crate) use tiling::{TILE, TileRect, Tiling};
pub use unit::{By, Unit};
pub use voxel::Voxel;
