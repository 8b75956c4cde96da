//! Volumes to look at: how layers moved, as fog that Houdini, Blender and OpenVDB's own viewers show at
//! once. Nothing here is read back; what is exact is `OpenVdbStorage::export_vdb`.
//!
//! `VolumeExport` is what is asked for. A `Movement` reads states and pools them to `Plane`s, rows and
//! columns being taken in an order of `Lines`; `Layout` says where in the file a layer lies, `Tone` how
//! bright a movement is, and `VolumeFile` is the one safe owner of the grids in C++.

mod export;
mod ffi;
mod frames;
mod layer;
mod layout;
mod lines;
mod look;
mod magnitudes;
mod movement;
mod options;
mod report;
mod request;
mod tone;
mod volume;
mod volume_file;

pub use export::VolumeExport;
pub use layer::VolumeLayer;
pub use options::{VolumeOrder, VolumePool, VolumeScale, VolumeUp, VolumeValue};
pub use report::{PicturedLayer, Volume};
