//! The z axis as a circular buffer: slot 0 is the base, the others are used again and again.

use crate::error::{Error, Result};
use crate::limits::MAX_STEP;

/// Length of the default ring: the base and 999 steps.
pub const MAX_HISTORY: i32 = 1000;

/// The slot of a timestep in a ring of [`MAX_HISTORY`]: 0 for the base, else
/// `1 + (timestep - 1) % (MAX_HISTORY - 1)`.
pub fn get_z_for_timestamp(timestamp: usize) -> i32 {
    DEFAULT.z_of(timestamp)
}

const DEFAULT: Ring = Ring {
    length: MAX_HISTORY,
};

/// A ring of some length: one slot for the base, the rest for steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    length: i32,
}

impl Ring {
    /// A ring of `length` slots, the base's included: 2 to 2^31 - 2. It keeps the steps of the
    /// newest `length - 1` timesteps.
    pub fn new(length: usize) -> Result<Self> {
        match i32::try_from(length) {
            Ok(slots) if slots >= 2 && length <= MAX_STEP => Ok(Ring { length: slots }),
            _ => Err(Error::InvalidRing { length }),
        }
    }

    /// Slots, the base's included.
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// How many timesteps have a slot at once.
    pub(crate) fn steps(&self) -> i32 {
        self.length - 1
    }

    /// The slot of a timestep: 0 for the base, else `1 + (timestamp - 1) % (length - 1)`.
    pub fn z_of(&self, timestamp: usize) -> i32 {
        match timestamp.checked_sub(1) {
            None => 0,
            Some(after_first) => 1 + (after_first % self.steps() as usize) as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_repeat_after_the_ring_s_length() {
        assert_eq!(get_z_for_timestamp(0), 0);
        assert_eq!(get_z_for_timestamp(1), 1);
        assert_eq!(get_z_for_timestamp(999), 999);
        assert_eq!(get_z_for_timestamp(1000), 1);
        assert_eq!(get_z_for_timestamp(1999), 1);
        let ring = Ring::new(4).unwrap();
        let slots: Vec<_> = (0..8).map(|t| ring.z_of(t)).collect();
        assert_eq!(slots, [0, 1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn a_ring_needs_a_slot_for_the_base_and_one_for_a_step() {
        for length in [0, 1, MAX_STEP + 1, usize::MAX] {
            assert!(
                matches!(Ring::new(length), Err(Error::InvalidRing { length: found }) if found == length)
            );
        }
        assert_eq!(Ring::new(2).unwrap().length(), 2);
        assert_eq!(Ring::new(MAX_STEP).unwrap().length(), MAX_STEP);
    }
}
