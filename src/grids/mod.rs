//! Layers in memory, all of them in real `openvdb::FloatGrid`s: `ffi` is the bridge to the C++
//! kernels, `Grid` its one safe owner, `Layer` knows steps and rings, and `OpenVdbStorage` is a layer
//! under the async traits.

pub mod baseline;
mod ffi;
mod grid;
mod layer;
mod openvdb_storage;
mod storage_options;
mod timeline;
mod zspan;

pub use layer::Layer;
pub(crate) use layer::Origin;
pub use openvdb_storage::OpenVdbStorage;
pub use storage_options::StorageOptions;
