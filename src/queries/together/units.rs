use super::TimeMasks;
use super::masks::WORD_STEPS;
use crate::error::Result;
use crate::host::vec_with_room;
use crate::values::{By, TileRect, Unit};

/// Units that changed, ascending, each once, and when.
#[derive(Clone, Debug)]
pub(crate) struct UnitMasks {
    pub(crate) units: Vec<Unit>,
    pub(crate) masks: TimeMasks,
}

/// At how many steps a unit changed.
pub(crate) fn change_count(words: &[(u32, u64)]) -> usize {
    let bits = words.iter().map(|(_, word)| word.count_ones() as usize);
    bits.sum()
}

impl UnitMasks {
    /// Puts parts of a layer together: of a line that several of them have, it is when it changed in
    /// any. Keeps those that `keep` says so of.
    pub(crate) fn merge(
        parts: &[UnitMasks],
        mut keep: impl FnMut(Unit, &[(u32, u64)]) -> bool,
    ) -> Result<Self> {
        let count = parts.iter().map(|part| part.units.len()).sum();
        let mut order = vec_with_room(count)?;
        for (number, part) in parts.iter().enumerate() {
            let units = part.units.iter().enumerate();
            order.extend(units.map(|(i, unit)| (*unit, number as u32, i as u32)));
        }
        order.sort_unstable();
        let mut merged = UnitMasks {
            units: Vec::new(),
            masks: TimeMasks::new(),
        };
        let mut words: Vec<(u32, u64)> = Vec::new();
        for same in order.chunk_by(|a, b| a.0 == b.0) {
            words.clear();
            for &(_, part, i) in same {
                let (places, own) = parts[part as usize].masks.words(i as usize);
                words.extend(places.iter().copied().zip(own.iter().copied()));
            }
            if same.len() > 1 {
                words.sort_unstable_by_key(|(place, _)| *place);
                words.dedup_by(|(place, word), (kept, all)| {
                    let same = place == kept;
                    if same {
                        *all |= *word;
                    }
                    same
                });
            }
            if keep(same[0].0, &words) {
                merged.masks.push(words.iter().copied())?;
                merged.units.push(same[0].0);
            }
        }
        Ok(merged)
    }
}

/// When the weights of a tile changed, as it is come upon: those of one weight in the order of time.
#[derive(Default)]
pub(crate) struct TileTimes {
    seen: Vec<Seen>,
}

/// A weight that changed in up to eight steps, the first of which is `at`; it can be negative where
/// the mask's lower bits are 0.
#[derive(Clone, Copy, Default)]
struct Seen {
    place: u16,
    mask: u8,
    at: i32,
}

impl TileTimes {
    #[inline]
    pub(crate) fn see(&mut self, place: u16, at: i32, mask: u8) {
        self.seen.push(Seen { place, mask, at });
    }

    /// The masks of the tile's weights that changed, or of its rows or columns, in a range of so many
    /// steps. Of weights only those that changed at `least` steps.
    pub(crate) fn finish(
        self,
        rect: TileRect,
        by: By,
        steps: usize,
        least: usize,
    ) -> Result<UnitMasks> {
        let mut made = UnitMasks {
            units: Vec::new(),
            masks: TimeMasks::new(),
        };
        let at = |place: usize| (rect.row + place / rect.width, rect.col + place % rect.width);
        if by == By::Weight {
            let mut words: Vec<(u32, u64)> = Vec::new();
            for seen in by_place(&self.seen, rect.len())?.chunk_by(|a, b| a.place == b.place) {
                words.clear();
                let mut put = |place: u32, bits: u64| match words.last_mut() {
                    Some((last, word)) if *last == place => *word |= bits,
                    _ => words.push((place, bits)),
                };
                seen.iter().for_each(|seen| seen.words(&mut put));
                if change_count(&words) >= least {
                    let (row, col) = at(usize::from(seen[0].place));
                    made.units.push(Unit::Weight(row as i32, col as i32));
                    made.masks.push(words.iter().copied())?;
                }
            }
            return Ok(made);
        }
        let per_line = steps.div_ceil(WORD_STEPS);
        let lines = if by == By::Row {
            rect.height
        } else {
            rect.width
        };
        let mut flat = vec_with_room(lines * per_line)?;
        flat.resize(lines * per_line, 0u64);
        for seen in &self.seen {
            let place = usize::from(seen.place);
            let line = if by == By::Row {
                place / rect.width
            } else {
                place % rect.width
            };
            seen.words(&mut |place, bits| flat[line * per_line + place as usize] |= bits);
        }
        for (line, words) in flat.chunks(per_line.max(1)).enumerate() {
            let words = words.iter().enumerate().filter(|(_, word)| **word != 0);
            let words: Vec<_> = words.map(|(i, word)| (i as u32, *word)).collect();
            if !words.is_empty() {
                made.units.push(match by {
                    By::Row => Unit::Row((rect.row + line) as i32),
                    _ => Unit::Column((rect.col + line) as i32),
                });
                made.masks.push(words)?;
            }
        }
        Ok(made)
    }
}

impl Seen {
    /// Its bits, as those of one word, or of two.
    fn words(self, put: &mut impl FnMut(u32, u64)) {
        let (at, mask) = match usize::try_from(self.at) {
            Ok(at) => (at, self.mask),
            Err(_) => (0, self.mask >> self.at.unsigned_abs().min(7)),
        };
        let (place, shift) = ((at / WORD_STEPS) as u32, at % WORD_STEPS);
        let bits = u128::from(mask) << shift;
        for (place, word) in [(place, bits as u64), (place + 1, (bits >> 64) as u64)] {
            if word != 0 {
                put(place, word);
            }
        }
    }
}

/// Sorted by place, those of one in the order they had.
fn by_place(seen: &[Seen], places: usize) -> Result<Vec<Seen>> {
    let mut ends = vec![0usize; places + 1];
    for seen in seen {
        ends[usize::from(seen.place) + 1] += 1;
    }
    for place in 0..places {
        ends[place + 1] += ends[place];
    }
    let mut sorted = vec_with_room(seen.len())?;
    sorted.resize(seen.len(), Seen::default());
    for seen in seen {
        let at = &mut ends[usize::from(seen.place)];
        sorted[*at] = *seen;
        *at += 1;
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECT: TileRect = TileRect {
        row: 128,
        col: 0,
        height: 2,
        width: 3,
    };

    fn times() -> TileTimes {
        let mut times = TileTimes::default();
        times.see(4, -3, 0b0100_1000);
        times.see(1, 5, 1);
        times.see(4, 60, 0b1001_0001);
        times.see(5, 61, 0b10);
        times
    }

    fn steps(masks: &UnitMasks) -> Vec<(Unit, Vec<usize>)> {
        let units = masks.units.iter().enumerate();
        units
            .map(|(i, unit)| (*unit, masks.masks.steps(i).collect()))
            .collect()
    }

    #[test]
    fn a_tile_knows_when_its_weights_and_lines_changed() {
        let weights = times().finish(RECT, By::Weight, 70, 0).unwrap();
        assert_eq!(
            steps(&weights),
            [
                (Unit::Weight(128, 1), vec![5]),
                (Unit::Weight(129, 1), vec![0, 3, 60, 64, 67]),
                (Unit::Weight(129, 2), vec![62]),
            ]
        );
        let often = times().finish(RECT, By::Weight, 70, 2).unwrap();
        assert_eq!(often.units, [Unit::Weight(129, 1)]);
        let rows = times().finish(RECT, By::Row, 70, 0).unwrap();
        assert_eq!(
            steps(&rows),
            [
                (Unit::Row(128), vec![5]),
                (Unit::Row(129), vec![0, 3, 60, 62, 64, 67]),
            ]
        );
        let columns = times().finish(RECT, By::Column, 70, 0).unwrap();
        assert_eq!(
            steps(&columns),
            [
                (Unit::Column(1), vec![0, 3, 5, 60, 64, 67]),
                (Unit::Column(2), vec![62]),
            ]
        );
    }

    #[test]
    fn lines_of_several_tiles_become_one() {
        let right = TileRect { col: 128, ..RECT };
        let parts = [RECT, right].map(|rect| times().finish(rect, By::Row, 70, 0).unwrap());
        let merged = UnitMasks::merge(&parts, |unit, _| unit != Unit::Row(128)).unwrap();
        assert_eq!(
            steps(&merged),
            [(Unit::Row(129), vec![0, 3, 60, 62, 64, 67])]
        );
    }
}
