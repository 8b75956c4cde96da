//! What changed from one set of weights to the next, and by how much it may be left out.

mod delta_detector;
mod dense_detector;
mod lattice;
mod step;
mod threshold;

pub use delta_detector::DeltaDetector;
pub use dense_detector::DenseDetector;
pub(crate) use lattice::Lattice;
pub(crate) use step::step_to;
pub(crate) use threshold::{check_snapped, check_threshold};
