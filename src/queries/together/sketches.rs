use super::TimeMasks;
use crate::error::Result;
use crate::host::vec_with_room;

/// Words of a sketch.
const WORDS: usize = 4;

/// Sets of steps made short: in how many bits the sketches of two differ is at most in how many
/// steps the sets do. So nearly all that have too little in common are told apart by two reads.
pub(super) struct Sketches {
    sketches: Vec<[u64; WORDS]>,
    /// Whether no step shares its bit with another: then the sketches say all.
    pub(super) exact: bool,
}

impl Sketches {
    /// Of sets of the first `steps` steps.
    pub(super) fn new(masks: &TimeMasks, steps: usize) -> Result<Self> {
        let mut sketches = vec_with_room(masks.len())?;
        sketches.extend((0..masks.len()).map(|set| {
            let (places, words) = masks.words(set);
            let mut sketch = [0; WORDS];
            for (place, word) in places.iter().zip(words) {
                // A bit is set where an odd number of steps fall on it: each step that two sets
                // differ in changes one bit's parity.
                sketch[*place as usize % WORDS] ^= word;
            }
            sketch
        }));
        Ok(Sketches {
            sketches,
            exact: steps <= WORDS * u64::BITS as usize,
        })
    }

    /// In how many bits two sketches differ; or `None` where it is more than `most`.
    #[inline]
    pub(super) fn difference(&self, a: usize, b: usize, most: u32) -> Option<u32> {
        let mut bits = 0;
        for (a, b) in self.sketches[a].iter().zip(&self.sketches[b]) {
            bits += (a ^ b).count_ones();
            if bits > most {
                return None;
            }
        }
        Some(bits)
    }
}
