//! Bringing a store from one step to the next: what a step holds is checked against the heads, its
//! changes are encoded and written in one transaction, and the heads follow.

mod accumulate;
mod blob_writer;
mod commit;
mod contents;
mod create_layer;
mod first_state;
mod heads;
mod journal;
mod keyframe;
mod open_step;
mod recorder;
mod resolve;
mod settings;
mod updates;

pub(crate) use blob_writer::BlobWriter;
pub(crate) use contents::{Contribution, StepContents};
pub(crate) use first_state::put_whole;
pub(crate) use heads::{Heads, LayerHead};
pub(crate) use keyframe::{EncodedKeyframe, put_keyframe};
pub(crate) use recorder::Recorder;
