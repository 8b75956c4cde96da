//! How far a weight may be from what is recorded of it.

use crate::error::{Error, Result};

/// A bound is a finite number of at least 0.
pub(crate) fn check_threshold(threshold: f32) -> Result<()> {
    if threshold.is_finite() && threshold >= 0.0 {
        Ok(())
    } else {
        Err(Error::InvalidThreshold { threshold })
    }
}

/// For changes that are snapped.
pub(crate) fn check_snapped(threshold: f32) -> Result<()> {
    check_threshold(threshold)?;
    if threshold > 0.0 {
        Ok(())
    } else {
        Err(Error::NothingToSnap)
    }
}
