//! The rows of a store's tables, one kind a file, and the checksums that cover them.

mod blobs;
mod commit;
mod gap;
mod group;
mod keyframe;
mod layer;
mod settings;
mod tip;

pub(crate) use blobs::{BlobOwner, Blobs};
pub(crate) use commit::{CommitRow, Members, NewCommit, StateRow};
pub(crate) use gap::GapRow;
pub(crate) use group::GroupRow;
pub(crate) use keyframe::KeyframeRow;
pub(crate) use layer::LayerRow;
pub(crate) use settings::SettingsRow;
pub(crate) use tip::Tip;
