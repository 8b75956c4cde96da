use crate::error::Result;
use crate::host::vec_with_room;

/// Some of the places 0, 1, ...: a bit for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Places(Vec<u64>);

impl Places {
    /// None of as many as a tile has.
    pub(super) fn new(count: usize) -> Self {
        Places(vec![0; count.div_ceil(64)])
    }

    /// None of any number of them.
    pub(super) fn try_new(count: usize) -> Result<Self> {
        let words = count.div_ceil(64);
        let mut places = vec_with_room(words)?;
        places.resize(words, 0);
        Ok(Places(places))
    }

    #[inline]
    pub(super) fn has(&self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }

    #[inline]
    pub(super) fn put(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    /// Ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(i, &word)| {
            let left = |word: &u64| Some(word & (word - 1)).filter(|left| *left != 0);
            std::iter::successors(Some(word).filter(|word| *word != 0), left)
                .map(move |word| i * 64 + word.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_in_order() {
        let mut places = Places::new(130);
        assert_eq!(places.iter().next(), None);
        for place in [129, 0, 63, 64, 63] {
            places.put(place);
        }
        assert!(places.iter().eq([0, 63, 64, 129]));
        assert!(places.has(64) && !places.has(65));
    }
}
