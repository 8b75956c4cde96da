use crate::error::Result;

/// Steps of a word of a mask.
pub(crate) const WORD_STEPS: usize = u64::BITS as usize;

/// For each of some units, at which of some steps it changed: bit i of word w is step 64 w + i.
/// Words without a bit are left out, so that a unit costs what it changed, however long the history.
#[derive(Clone, Debug)]
pub(crate) struct TimeMasks {
    /// For each unit, and one more: where its words begin.
    offsets: Vec<usize>,
    places: Vec<u32>,
    words: Vec<u64>,
}

impl TimeMasks {
    pub(crate) fn new() -> Self {
        TimeMasks {
            offsets: vec![0],
            places: Vec::new(),
            words: Vec::new(),
        }
    }

    /// How many units there are.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Adds a unit: its words that have a bit, each with its place, ascending.
    pub(crate) fn push(&mut self, words: impl IntoIterator<Item = (u32, u64)>) -> Result<()> {
        for (place, word) in words {
            reserve(&mut self.places)?;
            reserve(&mut self.words)?;
            self.places.push(place);
            self.words.push(word);
        }
        reserve(&mut self.offsets)?;
        self.offsets.push(self.words.len());
        Ok(())
    }

    /// The words of a unit that have a bit, and their places.
    pub(crate) fn words(&self, unit: usize) -> (&[u32], &[u64]) {
        let span = self.offsets[unit]..self.offsets[unit + 1];
        (&self.places[span.clone()], &self.words[span])
    }

    /// At how many steps a unit changed.
    pub(crate) fn count(&self, unit: usize) -> usize {
        let (_, words) = self.words(unit);
        words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The steps at which a unit changed, ascending.
    pub(crate) fn steps(&self, unit: usize) -> impl Iterator<Item = usize> {
        let (places, words) = self.words(unit);
        places.iter().zip(words).flat_map(|(&place, &word)| {
            let left = |word: &u64| Some(word & (word - 1)).filter(|left| *left != 0);
            std::iter::successors(Some(word), left)
                .map(move |word| place as usize * WORD_STEPS + word.trailing_zeros() as usize)
        })
    }

    /// At how many steps both of two units changed.
    pub(crate) fn shared(&self, a: usize, b: usize) -> usize {
        let ((places, words), (other_places, other_words)) = (self.words(a), self.words(b));
        let (mut i, mut j, mut count) = (0, 0, 0);
        while i < places.len() && j < other_places.len() {
            match places[i].cmp(&other_places[j]) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => {
                    count += (words[i] & other_words[j]).count_ones() as usize;
                    (i, j) = (i + 1, j + 1);
                }
            }
        }
        count
    }
}

/// |a and b| / |a or b| of two sets, from how many elements they share and have. 0 for two empty
/// ones.
pub(crate) fn jaccard(shared: usize, a: usize, b: usize) -> f64 {
    match a + b - shared {
        0 => 0.0,
        union => shared as f64 / union as f64,
    }
}

/// Room for one more.
fn reserve<T>(vec: &mut Vec<T>) -> Result<()> {
    vec.try_reserve(1).map_err(|_| crate::Error::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From steps, ascending.
    fn words(steps: &[usize]) -> Vec<(u32, u64)> {
        let mut words: Vec<(u32, u64)> = Vec::new();
        for step in steps {
            let (place, bit) = ((step / WORD_STEPS) as u32, 1 << (step % WORD_STEPS));
            match words.last_mut() {
                Some((last, word)) if *last == place => *word |= bit,
                _ => words.push((place, bit)),
            }
        }
        words
    }

    #[test]
    fn units_give_back_their_steps_and_scores() {
        let mut masks = TimeMasks::new();
        let sets: [&[usize]; 4] = [&[0, 3, 63, 64, 900], &[], &[3, 64, 900, 901], &[3, 64]];
        for set in &sets {
            masks.push(words(set)).unwrap();
        }
        assert_eq!(masks.len(), 4);
        for (unit, set) in sets.iter().enumerate() {
            assert!(masks.steps(unit).eq(set.iter().copied()));
            assert_eq!(masks.count(unit), set.len());
        }
        let score = |a, b| jaccard(masks.shared(a, b), masks.count(a), masks.count(b));
        assert_eq!(score(0, 2), 3.0 / 6.0);
        assert_eq!(score(2, 0), 3.0 / 6.0);
        assert_eq!(score(0, 0), 1.0);
        assert_eq!(score(1, 1), 0.0);
        assert_eq!(score(3, 2), 2.0 / 4.0);
    }
}
