use rayon::prelude::*;
use xxhash_rust::xxh3::Xxh3Default;

use super::TimeMasks;
use crate::error::Result;
use crate::host::vec_with_room;

/// Units with the same set of steps, as one: on real runs thousands move as one. Classes ascend by
/// the size of their sets, and their order is always the same.
pub(super) struct Classes {
    /// The set of each class.
    pub(super) masks: TimeMasks,
    /// How many steps each set has.
    pub(super) sizes: Vec<u32>,
    /// For each class, and one more: where its members begin.
    offsets: Vec<usize>,
    /// Units, ascending within a class.
    members: Vec<u32>,
}

/// What brings equal sets side by side; the unit last, so that members ascend.
type Key = (u32, u64, u32);

impl Classes {
    /// Of all units but those that changed at no step.
    pub(super) fn new(masks: &TimeMasks) -> Result<Self> {
        let mut keys: Vec<Key> = vec_with_room(masks.len())?;
        let units = (0..masks.len()).into_par_iter();
        units
            .map(|unit| (masks.count(unit) as u32, hash(masks, unit), unit as u32))
            .collect_into_vec(&mut keys);
        keys.retain(|(size, ..)| *size > 0);
        keys.par_sort_unstable();
        let mut classes = Classes {
            masks: TimeMasks::new(),
            sizes: Vec::new(),
            offsets: vec![0],
            members: vec_with_room(keys.len())?,
        };
        for alike in keys.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            classes.add(masks, alike)?;
        }
        Ok(classes)
    }

    /// Units whose sets have one size and one hash: nearly always the same set.
    fn add(&mut self, masks: &TimeMasks, alike: &[Key]) -> Result<()> {
        let (size, _, first) = alike[0];
        let set = masks.words(first as usize);
        let same = |key: &&Key| masks.words(key.2 as usize) == set;
        self.members
            .extend(alike.iter().filter(same).map(|key| key.2));
        let words = set.0.iter().copied().zip(set.1.iter().copied());
        self.masks.push(words)?;
        self.sizes.push(size);
        let begin = self.offsets[self.offsets.len() - 1];
        self.offsets.push(self.members.len());
        if self.members.len() - begin < alike.len() {
            let others: Vec<Key> = alike.iter().filter(|key| !same(key)).copied().collect();
            self.add(masks, &others)?;
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    pub(super) fn members(&self, class: usize) -> &[u32] {
        &self.members[self.offsets[class]..self.offsets[class + 1]]
    }
}

fn hash(masks: &TimeMasks, unit: usize) -> u64 {
    let (places, words) = masks.words(unit);
    let mut hash = Xxh3Default::new();
    hash.update(bytemuck::cast_slice(places));
    hash.update(bytemuck::cast_slice(words));
    hash.digest()
}
