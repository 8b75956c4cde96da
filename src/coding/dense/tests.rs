//! Whatever changed comes back, as far as it is asked for; and bytes that are not what was written
//! are refused, or give some other changes, but nothing worse.

use super::*;
use crate::coding::{Block, Coder, Damage, Element, RawChange, SLAB_STEPS, TileChanges};
use crate::detect::Lattice;
use crate::dtype::Dtype;

/// Numbers that look random, the same ones each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        // Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 33) as u32
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }
}

/// What some steps changed in a tile.
struct Case<E> {
    coder: Coder,
    width: usize,
    before: Vec<E>,
    steps: Vec<TileChanges<E>>,
}

/// Of how many weights one changes, and what its code is.
#[derive(Clone, Copy)]
struct Habit {
    one_in: usize,
    rows: bool,
    wide: bool,
    raws: bool,
}

impl<E: Element> Case<E> {
    fn new(
        random: &mut Random,
        coder: Coder,
        (height, width): (usize, usize),
        steps: usize,
        habit: Habit,
    ) -> Self {
        let any = |random: &mut Random| E::from_u32(random.next() << 1 ^ random.next());
        let mut case = Case {
            coder,
            width,
            before: (0..height * width).map(|_| any(random)).collect(),
            steps: Vec::new(),
        };
        for _ in 0..steps {
            let mut changes = TileChanges::default();
            let row_changes: Vec<bool> = (0..height).map(|_| random.below(4) == 0).collect();
            for place in 0..case.before.len() {
                let changed = if habit.rows {
                    row_changes[place / width]
                } else {
                    random.below(habit.one_in) == 0
                };
                if !changed {
                    continue;
                }
                if habit.raws && random.below(3) == 0 {
                    let raw = match random.below(3) {
                        0 => RawChange {
                            delta: 0.5,
                            mark: None,
                        },
                        1 => RawChange {
                            delta: 0.0,
                            mark: Some(f32::NAN),
                        },
                        _ => RawChange {
                            delta: -1e-30,
                            mark: Some(2.0),
                        },
                    };
                    changes.push(place as u16, E::default(), Some(raw));
                } else {
                    let code = match random.below(if habit.wide { 4 } else { 2 }) {
                        0 => E::from_u32(1 + random.next() % 2),
                        1 => E::from_u32(1 + random.next() % 30),
                        2 => any(random) | E::from_u32(1),
                        _ => E::from_u32(u32::MAX - random.next() % 3),
                    };
                    changes.push(place as u16, code, None);
                }
            }
            case.steps.push(changes);
        }
        case
    }

    fn tile(&self) -> DenseTile<E> {
        DenseTile::new(self.coder, self.width, self.before.clone(), &self.steps)
    }

    fn block(&self) -> DenseBlock<'_, E> {
        DenseBlock {
            coder: self.coder,
            width: self.width,
            before: &self.before,
            steps: self.steps.len(),
        }
    }

    fn check(&self, block: &Block<E>, until: usize) {
        assert!((until..=self.steps.len()).contains(&block.steps()));
        let found = block.by_step(0).unwrap();
        assert!(
            found == self.steps[..block.steps()],
            "{until} of {}",
            self.steps.len()
        );
    }
}

/// A codebook for some tiles, written and read.
fn codebook<E: Element>(tiles: &[DenseTile<E>]) -> Codebook {
    let mut census = Census::new();
    // Counted apart and added up, as threads do it.
    for tile in tiles {
        let mut own = Census::new();
        tile.count(&mut own);
        census.add(own);
    }
    Codebook::from_bytes(&census.codebook().to_bytes()).unwrap()
}

const HABITS: [Habit; 7] = [
    Habit {
        one_in: 3,
        rows: false,
        wide: false,
        raws: false,
    },
    Habit {
        one_in: 40,
        rows: false,
        wide: true,
        raws: false,
    },
    Habit {
        one_in: 3000,
        rows: false,
        wide: false,
        raws: false,
    },
    Habit {
        one_in: 1,
        rows: false,
        wide: true,
        raws: true,
    },
    Habit {
        one_in: 1,
        rows: true,
        wide: true,
        raws: false,
    },
    Habit {
        one_in: 2,
        rows: true,
        wide: false,
        raws: true,
    },
    Habit {
        one_in: 1 << 20,
        rows: false,
        wide: false,
        raws: false,
    },
];

fn all_come_back<E: Element>(coder: Coder, seed: u64) {
    let mut random = Random(seed);
    let shapes = [
        (1, 1),
        (1, 5),
        (7, 3),
        (128, 128),
        (2, 128),
        (128, 2),
        (60, 90),
    ];
    let mut cases = Vec::new();
    for shape in shapes {
        for habit in HABITS {
            let steps = [1, 2, 7, 8, 9, 16, 21][random.below(7)];
            cases.push(Case::<E>::new(&mut random, coder, shape, steps, habit));
        }
    }
    let tiles: Vec<_> = cases.iter().map(Case::tile).collect();
    // One codebook for all of them, and one for each.
    let shared = codebook(&tiles);
    for (case, tile) in cases.iter().zip(&tiles) {
        for codebook in [&shared, &codebook(std::slice::from_ref(tile))] {
            let bytes = tile.encode(codebook, &codebook.encode_tables());
            if case.steps.iter().all(|changes| changes.len() == 0) {
                assert!(bytes.is_empty());
                continue;
            }
            for until in [0, 1, case.steps.len() / 2, case.steps.len()] {
                case.check(
                    &case.block().decode(&bytes, codebook, until).unwrap(),
                    until,
                );
            }
        }
    }
}

#[test]
fn whatever_changed_comes_back() {
    let snapped = |dtype| Coder {
        dtype,
        lattice: Lattice::from_bits(0x3c00_0000),
    };
    all_come_back::<u16>(Coder::plain(Dtype::Bf16), 1);
    all_come_back::<u16>(Coder::plain(Dtype::F16), 2);
    all_come_back::<u32>(Coder::plain(Dtype::F32), 3);
    all_come_back::<u16>(snapped(Dtype::Bf16), 4);
    all_come_back::<u32>(snapped(Dtype::F32), 5);
}

#[test]
fn a_reader_decodes_no_further_than_it_has_to() {
    let habit = Habit {
        one_in: 2,
        rows: false,
        wide: false,
        raws: true,
    };
    let case = Case::<u16>::new(
        &mut Random(4),
        Coder::plain(Dtype::Bf16),
        (128, 128),
        29,
        habit,
    );
    let tile = case.tile();
    let codebook = codebook(std::slice::from_ref(&tile));
    let bytes = tile.encode(&codebook, &codebook.encode_tables());
    for until in 0..=29 {
        let block = case.block().decode(&bytes, &codebook, until).unwrap();
        let slabs = until.div_ceil(SLAB_STEPS);
        assert_eq!(block.steps(), 29.min(slabs * SLAB_STEPS));
        case.check(&block, until);
    }
    // What comes later may be missing, then.
    let cut = &bytes[..bytes.len() / 3];
    case.check(&case.block().decode(cut, &codebook, 5).unwrap(), 5);
    assert!(case.block().decode(cut, &codebook, 29).is_err());
}

#[test]
fn a_weight_that_moves_by_its_size_and_past_takes_few_bits() {
    // One unit up or down, and mostly back; small weights often, large ones hardly ever.
    let mut random = Random(5);
    let before: Vec<u16> = (0..128 * 128)
        .map(|i| (0x3b00 + (i % 8) * 0x80_u16).to_ordered())
        .collect();
    let mut up = vec![false; before.len()];
    let mut steps = Vec::new();
    for _ in 0..24 {
        let mut changes = TileChanges::default();
        for (place, up) in up.iter_mut().enumerate() {
            if random.below(2 << (place % 8)) == 0 {
                *up = !*up;
                changes.push(place as u16, if *up { 2 } else { 1 }, None);
            }
        }
        steps.push(changes);
    }
    let case = Case {
        coder: Coder::plain(Dtype::Bf16),
        width: 128,
        before,
        steps,
    };
    let tile = case.tile();
    let book = codebook(std::slice::from_ref(&tile));
    let dense = tile.encode(&book, &book.encode_tables());
    case.check(&case.block().decode(&dense, &book, 24).unwrap(), 24);
    // The entropy; the directions are known.
    let entropy = |share: f64| -share * share.log2() - (1.0 - share) * (1.0 - share).log2();
    let bits: f64 = (1..=8).map(|k| entropy(0.5f64.powi(k)) * 24.0).sum::<f64>() * 2048.0;
    let size = (dense.len() * 8) as f64;
    assert!(
        (0.98 * bits..1.08 * bits).contains(&size),
        "{size} bits, entropy {bits}"
    );
}

#[test]
fn damaged_blocks_are_refused_or_give_other_changes() {
    let mut random = Random(6);
    for habit in HABITS {
        let case = Case::<u16>::new(&mut random, Coder::plain(Dtype::Bf16), (40, 50), 19, habit);
        let tile = case.tile();
        let book = codebook(std::slice::from_ref(&tile));
        let bytes = tile.encode(&book, &book.encode_tables());
        for length in 0..bytes.len().min(400) {
            assert!(case.block().decode(&bytes[..length], &book, 19).is_err());
        }
        for _ in 0..600 {
            let Some(last) = bytes.len().checked_sub(1) else {
                break;
            };
            let mut changed = bytes.clone();
            for _ in 0..1 + random.below(3) {
                changed[random.below(last + 1)] ^= 1 << random.below(8);
            }
            if let Ok(block) = case.block().decode(&changed, &book, 19) {
                block.by_step(0).unwrap();
                let mut ordered = case.before.clone();
                let step = |bits: u16, code| Ok(bits.step_by(code));
                block
                    .add_all(0, &mut ordered, &mut Vec::new(), step)
                    .unwrap();
            }
        }
        // Other weights before, or another shape, than what it was coded upon.
        let other = vec![0u16; 7 * 50];
        for before in [&other[..], &other[..1], &other[..50]] {
            let block = DenseBlock {
                coder: Coder::plain(Dtype::F16),
                width: before.len().min(50),
                before,
                steps: 19,
            };
            if let Ok(block) = block.decode(&bytes, &book, 19) {
                block.by_step(0).unwrap();
            }
        }
    }
}

#[test]
fn damaged_codebooks_are_refused_or_are_other_codebooks() {
    let mut random = Random(7);
    let case = Case::<u32>::new(
        &mut random,
        Coder::plain(Dtype::F32),
        (30, 40),
        12,
        HABITS[3],
    );
    let tile = case.tile();
    let bytes = {
        let mut census = Census::new();
        tile.count(&mut census);
        census.codebook().to_bytes()
    };
    let book = Codebook::from_bytes(&bytes).unwrap();
    assert_eq!(book.to_bytes(), bytes);
    let block = tile.encode(&book, &book.encode_tables());
    for length in 0..bytes.len() {
        assert!(Codebook::from_bytes(&bytes[..length]).is_err());
    }
    for _ in 0..1500 {
        let mut changed = bytes.clone();
        changed[random.below(bytes.len())] ^= 1 << random.below(8);
        if let Ok(other) = Codebook::from_bytes(&changed) {
            let _: Result<_, Damage> = case.block().decode(&block, &other, 12).map(drop);
        }
    }
    assert!(
        Codebook::from_bytes(&[0, 1, 0]).is_err(),
        "no tables at all"
    );
}
