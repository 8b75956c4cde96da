//! What the golden files hold: runs made by plain arithmetic, with what every answer must be.
//!
//! Nothing here may change, or old files no longer hold what is expected of them: a new case needs
//! a run of its own.

use std::collections::BTreeMap;

use temporal_vdb::{Change, Delta, Dtype, Note, Retention};

use super::layer::{Layer, derived};

/// What a step does to a layer.
#[derive(Clone)]
pub enum Act {
    /// Its new state.
    Tensor(Vec<u8>),
    Changes(Delta),
    /// Its new state, snapped within [`BOUND`]: what is given, and what comes of it.
    Snapped(Vec<u8>, Vec<u8>),
}

/// Of changes that are snapped. Twice that is the width of the lattice.
pub const BOUND: f32 = 1.0 / 256.0;

/// What is done to a store.
pub enum Operation {
    /// Adds a layer of zeros.
    Create(&'static str),
    Commit(Step),
    Compact,
    /// Keeps the newest steps of a layer.
    Prune(&'static str, usize),
    /// Applies a policy to a layer, or to all.
    PruneBy(Option<&'static str>, Retention),
    /// Sets a policy, of a layer or of all. Nothing goes by it before another step is committed.
    SetRetention(Option<&'static str>, Retention),
    Tag(&'static str, usize),
    /// Drops the newest steps of a layer.
    RollBack(&'static str, usize),
}

pub struct Step {
    pub step: usize,
    pub acts: Vec<(&'static str, Act)>,
    pub notes: BTreeMap<String, Note>,
    pub how: How,
}

pub enum How {
    /// As a checkpoint of all layers, with this metadata.
    Checkpoint(BTreeMap<String, String>),
    /// As a step of some layers.
    Together,
    /// Through the one layer's own handle.
    Alone,
}

#[derive(Default)]
pub struct Run {
    pub operations: Vec<Operation>,
    pub layers: Vec<Layer>,
    /// The notes of each step, and how many layers it is a step of.
    pub steps: BTreeMap<usize, (BTreeMap<String, Note>, usize)>,
    /// Of checkpoints, by step.
    pub metadata: BTreeMap<usize, BTreeMap<String, String>>,
    pub tags: BTreeMap<String, usize>,
    /// The policy that is set, and those of some layers.
    pub retention: Retention,
    pub retentions: BTreeMap<&'static str, Retention>,
    /// Of the step that is being put together.
    acts: Vec<(&'static str, Act)>,
}

/// The golden runs by name.
pub fn all() -> [(&'static str, Run); 6] {
    [
        ("full", full()),
        ("pruned", pruned()),
        ("whole", whole()),
        ("dense", dense()),
        ("snapped", snapped()),
        ("merged", merged()),
    ]
}

// ---- the runs

/// Every kind of matrix, of change and of block.
fn full() -> Run {
    let mut run = Run::default();
    run.layer("walk.f32", Dtype::F32, &[24, 40], Some((24, 40)));
    run.layer("jump.bf16", Dtype::Bf16, &[40, 30], Some((40, 30)));
    run.layer("odd.f16", Dtype::F16, &[6, 5, 7], Some((30, 7)));
    run.layer("sparse.f32", Dtype::F32, &[130, 260], Some((130, 260)));
    run.layer("bias.f32", Dtype::F32, &[300], Some((3, 128)));
    run.layer("scalar.f32", Dtype::F32, &[], Some((1, 1)));
    run.layer("count.i64", Dtype::I64, &[3], None);
    run.layer("empty.f32", Dtype::F32, &[0, 4], None);
    run.layer("zeros.f32", Dtype::F32, &[5, 6], Some((5, 6)));
    run.layer("late.bf16", Dtype::Bf16, &[9], Some((1, 9)));
    for k in 0..30 {
        let step = if k < 10 { k } else { 10 + 3 * (k - 10) };
        run.tensor("walk.f32", |i, _| walk(i, k));
        run.tensor("jump.bf16", |i, _| jump(i, k));
        match k {
            11 => run.edits("odd.f16", k, 8),
            _ => run.tensor("odd.f16", |i, _| odd(i, k)),
        }
        match k {
            0 => run.tensor("sparse.f32", |i, _| sparse(i)),
            // Enough changes for runs of one tile, and of two.
            13..=16 | 21 => run.tensor("sparse.f32", |_, bits| bits + 1),
            22 => run.tensor("sparse.f32", |i, bits| bits + u32::from(i % 4 > 0)),
            _ => run.edits("sparse.f32", k, 12),
        }
        match k {
            0 => run.tensor("bias.f32", |_, _| 0x3f80_0000),
            4 | 22 => run.edits("bias.f32", k, 5),
            7 | 19 => run.edits("bias.f32", k, 0), // a step without changes
            _ => run.tensor("bias.f32", |i, bits| {
                bits + u32::from(k % 4 == 1 && i > 290)
            }),
        }
        if k % 3 == 0 || k == 13 {
            run.tensor("scalar.f32", |_, _| (0.5 + k as f32).to_bits());
        }
        let count = [k as i64 / 4, -(k as i64) / 4, i64::MIN];
        run.whole("count.i64", count.map(i64::to_le_bytes).concat());
        match k {
            0..6 => (),
            6 => run.tensor("late.bf16", |i, _| 0x4000 + i as u32),
            7 | 8 | 28 => run.edits("late.bf16", k, 4),
            _ => run.tensor("late.bf16", |_, bits| bits), // a slab without changes, and more
        }
        if k == 0 {
            run.whole("empty.f32", Vec::new());
            run.commit(step, notes(k), checkpoint("zero"));
            run.create("zeros.f32");
        } else if k == 13 {
            run.whole("empty.f32", Vec::new());
            run.tensor("zeros.f32", |_, bits| bits ^ 0x80);
            run.commit(step, notes(k), checkpoint("\"13\" \u{e9}"));
        } else {
            run.commit(step, notes(k), How::Together);
        }
        if [4, 5, 28].contains(&k) {
            run.edits("zeros.f32", k, 9);
            run.commit(step, BTreeMap::new(), How::Alone);
        }
        if k == 18 {
            run.operations.push(Operation::Compact);
        }
    }
    run
}

/// Layers that begin in the middle of a slab, and commits that are no longer there.
fn pruned() -> Run {
    let mut run = Run::default();
    run.layer("a.f32", Dtype::F32, &[24, 16], Some((24, 16)));
    run.layer("b.bf16", Dtype::Bf16, &[200], Some((2, 128)));
    for k in 0..28 {
        run.tensor("a.f32", |i, _| walk(i, k));
        match k {
            0 => run.tensor("b.bf16", |i, _| jump(i, 0)),
            _ => run.edits("b.bf16", k, 9),
        }
        run.commit(2 * k, notes(k), How::Together);
    }
    run.prune("a.f32", 7);
    run.prune("b.bf16", 14);
    run
}

/// Tensors that are kept whole, in no piece, in one and in two.
fn whole() -> Run {
    let mut run = Run::default();
    run.layer("none.bf16", Dtype::Bf16, &[3, 0], None);
    run.layer("flags.bool", Dtype::Bool, &[2, 3], None);
    run.layer("table.u8", Dtype::U8, &[(1 << 20) + 300], None);
    for k in 0..3u8 {
        let table = (0..(1u32 << 20) + 300).map(|i| {
            if i % 300 < 299 {
                7
            } else {
                (i >> 18) as u8 + k / 2
            }
        });
        run.whole("none.bf16", Vec::new());
        run.whole("flags.bool", vec![1, 0, k & 1, 1, 1, 0]);
        run.whole("table.u8", table.collect());
        run.commit(usize::from(k) * 10, notes(usize::from(k)), How::Together);
    }
    run
}

/// Blocks in the dense coding: one group of 36 steps for each layer, of which one is cut short by
/// pruning, then a slab and a journal in the fast coding.
fn dense() -> Run {
    let mut run = Run::default();
    run.layer("back.bf16", Dtype::Bf16, &[130, 140], Some((130, 140)));
    run.layer("rows.f32", Dtype::F32, &[60, 150], Some((60, 150)));
    run.layer("half.f16", Dtype::F16, &[6, 8, 50], Some((48, 50)));
    run.layer("bias.bf16", Dtype::Bf16, &[300], Some((3, 128)));
    for k in 0..48 {
        match k {
            0 => run.tensor("back.bf16", |i, _| sized(i)),
            // Raw changes, and a slab in which few weights change.
            5 | 18 | 23 => run.edits("back.bf16", k, 17),
            17..=24 => run.tensor("back.bf16", |i, bits| bits ^ u32::from(i % 701 == k)),
            // The last tile, which is at the lower right, never changes.
            _ => run.tensor("back.bf16", |i, bits| {
                let last = i / 140 >= 128 && i % 140 >= 128;
                if last {
                    bits
                } else {
                    there_and_back(i, k, bits)
                }
            }),
        }
        match k {
            0 => run.tensor("rows.f32", |i, _| {
                sized(i) << 16 | (mix(i, 1) as u32 & 0xf000)
            }),
            5 | 30 => run.edits("rows.f32", k, 11),
            _ => run.tensor("rows.f32", |i, bits| rows(i, k, bits)),
        }
        match k {
            0 => run.tensor("half.f16", |i, _| mix(i, 0) as u32 & 0xbfff),
            12 | 13 => run.tensor("half.f16", |_, bits| bits), // steps without changes
            _ => run.tensor("half.f16", |i, bits| there_and_back(i, k, bits)),
        }
        match k {
            0 => run.tensor("bias.bf16", |i, _| sized(i)),
            9 => run.edits("bias.bf16", k, 9),
            _ => run.tensor("bias.bf16", |i, bits| {
                let often = i < 32 || mix(i, k).is_multiple_of(16);
                bits + u32::from(often)
            }),
        }
        run.commit(1 + 3 * k, notes(k), How::Together);
        if k == 36 {
            run.operations.push(Operation::Compact);
        }
    }
    run.prune("rows.f32", 28);
    run
}

/// Changes that are told by steps of a lattice: in both codings, in the journal, and beside others.
fn snapped() -> Run {
    let mut run = Run::default();
    run.layer("steps.f32", Dtype::F32, &[130, 24], Some((130, 24)));
    run.layer("steps.bf16", Dtype::Bf16, &[30, 40], Some((30, 40)));
    run.layer("steps.f16", Dtype::F16, &[20, 40], Some((20, 40)));
    run.layer("few.f32", Dtype::F32, &[300], Some((3, 128)));
    for k in 0..47 {
        for name in ["steps.f32", "steps.bf16", "steps.f16"] {
            match k {
                0 => run.begin_small(name),
                20 => run.edits(name, k, 17), // by itself, between two groups with a lattice
                _ => run.snapped(name, k),
            }
        }
        match k {
            0 => run.begin_small("few.f32"),
            1..=8 => run.tensor("few.f32", |_, bits| bits), // a slab without changes
            _ => run.snapped("few.f32", 100 * k),
        }
        run.commit(k, notes(k), How::Together);
        if k == 36 {
            run.operations.push(Operation::Compact);
        }
    }
    run.prune("steps.bf16", 21);
    run
}

/// Steps that were merged into others, of all layers and of one; pinned ones, and policies; a layer
/// whose newest steps were rolled back; commits between others that are no longer there.
fn merged() -> Run {
    let mut run = Run::default();
    run.layer("tiles.f32", Dtype::F32, &[130, 140], Some((130, 140)));
    run.layer("back.bf16", Dtype::Bf16, &[40, 50], Some((40, 50)));
    run.layer("steps.f32", Dtype::F32, &[30, 24], Some((30, 24)));
    run.layer("count.i64", Dtype::I64, &[3], None);
    run.layer("few.f32", Dtype::F32, &[300], Some((3, 128)));
    for k in 0..=66 {
        match k {
            0 => run.tensor("tiles.f32", |i, _| sparse(i)),
            // Nothing that stays where two of these become one: there and back again.
            22 | 27 | 28 => run.tensor("tiles.f32", |i, bits| bits ^ u32::from(i % 7 == 3)),
            _ => run.edits("tiles.f32", k, 12),
        }
        match k {
            0 => run.tensor("back.bf16", |i, _| sized(i)),
            5 | 18 | 41 => run.edits("back.bf16", k, 9),
            // Few enough that many merged steps are one group.
            _ => run.tensor("back.bf16", |i, bits| {
                bits ^ u32::from(mix(i, k).is_multiple_of(64))
            }),
        }
        match k {
            0 => run.begin_small("steps.f32"),
            19 | 45 => run.edits("steps.f32", k, 11), // between steps on a lattice
            22 => run.tensor("steps.f32", |i, bits| bits + u32::from(i % 5 == 0)),
            _ => run.snapped("steps.f32", k),
        }
        let count = [k as i64 / 4, -(k as i64) / 9, i64::MIN];
        run.whole("count.i64", count.map(i64::to_le_bytes).concat());
        match k {
            0 => run.tensor("few.f32", |_, _| 0x3f80_0000),
            _ if k % 8 == 3 => run.edits("few.f32", k, 5),
            _ => run.tensor("few.f32", |_, bits| bits), // steps without changes, merged ones too
        }
        let how = match k {
            22 => checkpoint("22"), // stays for its metadata, though it is no step any more
            _ => How::Together,
        };
        run.commit(2 * k, notes(k), how);
        match k {
            40 => run.operations.push(Operation::Compact),
            60 => {
                run.tag("best \u{2192}", 34);
                run.tag("warm", 80);
                run.prune_by(None, "tiers 10,8@4,4@12");
                run.prune_by(Some("steps.f32"), "tiers 3,2@8,3@16");
                run.roll_back("tiles.f32", 110);
                for step in [111, 113] {
                    run.edits("tiles.f32", step, 7);
                    run.commit(step, BTreeMap::new(), How::Alone);
                }
            }
            _ => (),
        }
    }
    run.set_retention(None, "tiers 6,9@4,3@24");
    run.set_retention(Some("few.f32"), "all");
    run.set_retention(Some("steps.f32"), "last 4");
    run
}

/// Six sizes, one twice the other.
fn sized(i: usize) -> u32 {
    let random = mix(i, 0) as u32;
    (random >> 8 & 1) << 15 | (0x7c - random % 6) << 7 | (random >> 16 & 0x7f)
}

/// A few units in the last place away and back again, more often where the weight began small.
fn there_and_back(i: usize, k: usize, bits: u32) -> u32 {
    let random = mix(i, k);
    if i % 1009 == 5 && k % 5 == 2 {
        !bits // half of all patterns away
    } else if random.is_multiple_of(256 >> (mix(i, 0) as u32 % 6)) {
        bits ^ [1, 1, 1, 2, 1, 3, 1, 6][(random >> 20) as usize % 8]
    } else {
        bits
    }
}

/// One row of 28 at each step, nearly all of it, by as much as suits the row.
fn rows(i: usize, k: usize, bits: u32) -> u32 {
    let (row, random) = (i / 150, mix(i, k) as u32);
    if row % 7 == 3 || !mix(row, 50 + k).is_multiple_of(28) {
        bits
    } else if i % 150 == 8 {
        !bits
    } else if random & 0x100_0000 == 0 {
        bits + (random & 0xff) % 250 + (1 << (row % 18))
    } else {
        bits - u32::from(random & 0xe00_0000 != 0) * (random & 0xff | 0x100 << (row % 13))
    }
}

/// Up by 0 to 4 units in the last place at each step.
fn walk(i: usize, k: usize) -> u32 {
    let up = (1..=k).map(|k| mix(i, k) as u32 % 5);
    0x3f00_0000 + (mix(i, 0) as u32 & 0xffff) + up.sum::<u32>()
}

/// Somewhere else in one of three steps.
fn jump(i: usize, k: usize) -> u32 {
    let last = (1..=k).rfind(|k| mix(i, *k).is_multiple_of(3));
    0x3f00 | (mix(i, 100 + last.unwrap_or(0)) as u32 & 0x7f)
}

/// Any 16 bits, others in one of four steps.
fn odd(i: usize, k: usize) -> u32 {
    let last = (1..=k).rfind(|k| mix(i, *k).is_multiple_of(4));
    mix(i, 100 + last.unwrap_or(0)) as u32 & 0xffff
}

/// Few weights that are not zero.
fn sparse(i: usize) -> u32 {
    match i % 41 {
        0 => 0x3f80_0000 + (mix(i, 0) as u32 & 0xf_ffff),
        _ => 0,
    }
}

fn notes(k: usize) -> BTreeMap<String, Note> {
    let mut notes = BTreeMap::from([("loss".to_owned(), Note::Number(2.5 / (k + 1) as f64))]);
    if k.is_multiple_of(5) {
        notes.insert("tag".to_owned(), Note::Text(format!("k \"{k}\" \u{2192}")));
        notes.insert("rate".to_owned(), Note::from(f64::INFINITY));
    }
    notes
}

fn checkpoint(of: &str) -> How {
    let metadata = [("format", "pt"), ("of", of)];
    How::Checkpoint(
        metadata
            .map(|(key, text)| (key.to_owned(), text.to_owned()))
            .into(),
    )
}

/// A number that depends on both (the finalizer of MurmurHash3).
fn mix(i: usize, k: usize) -> u64 {
    let mut z = (i as u64) << 32 | k as u64;
    z = (z ^ z >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    z = (z ^ z >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    z ^ z >> 33
}

// ---- how they are put together

impl Run {
    fn layer(
        &mut self,
        name: &'static str,
        dtype: Dtype,
        shape: &[usize],
        matrix: Option<(i32, i32)>,
    ) {
        self.layers.push(Layer::new(name, dtype, shape, matrix));
    }

    fn find(&mut self, name: &str) -> &mut Layer {
        let found = self.layers.iter_mut().find(|layer| layer.name == name);
        found.unwrap()
    }

    /// A new state: each element's bits by its place and its bits before.
    fn tensor(&mut self, name: &'static str, bits: impl Fn(usize, u32) -> u32) {
        let layer = self.find(name);
        let elements = layer.bits.iter().enumerate();
        let bytes = layer.bytes(elements.map(|(i, before)| bits(i, *before)));
        self.acts.push((name, Act::Tensor(bytes)));
    }

    /// A first state of values around 0.
    fn begin_small(&mut self, name: &'static str) {
        let layer = self.find(name);
        let value = |i: usize| (mix(i, 7) % 1000) as f32 / 1000.0 - 0.5;
        let bits: Vec<u32> = (0..layer.bits.len())
            .map(|i| layer.nearest(value(i)))
            .collect();
        self.tensor(name, |i, _| bits[i]);
    }

    /// A new state that steps of a lattice lead to, but for a few weights.
    fn snapped(&mut self, name: &'static str, k: usize) {
        let layer = self.find(name);
        let pairs = layer.bits.iter().enumerate().map(|(i, &before)| {
            let random = mix(i, k) as usize;
            let value = layer.value(before);
            let count = [0, 0, 0, 1, -1, 1, -2, 5][random % 8] as f32;
            // No steps lead to or from values that are not finite.
            let far = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
            let odd = if !value.is_finite() {
                Some(0.5)
            } else if random / 8 % 997 == 3 {
                Some(far[random / 8000 % 3])
            } else {
                None
            };
            if let Some(odd) = odd {
                let bits = layer.nearest(odd);
                return (bits, bits);
            }
            let after = match count {
                0.0 => before, // -0.0 stays
                _ => layer.nearest(value + count * (2.0 * BOUND)),
            };
            // What is given lies beside what comes of it.
            let beside = layer.nearest(layer.value(after) + BOUND / 4.0);
            (beside, after)
        });
        let (given, after): (Vec<u32>, Vec<u32>) = pairs.unzip();
        let (given, after) = (
            layer.bytes(given.into_iter()),
            layer.bytes(after.into_iter()),
        );
        self.acts.push((name, Act::Snapped(given, after)));
    }

    fn whole(&mut self, name: &'static str, bytes: Vec<u8>) {
        self.acts.push((name, Act::Tensor(bytes)));
    }

    /// Changes of every kind, of `count` weights at most.
    fn edits(&mut self, name: &'static str, k: usize, count: usize) {
        let layer = self.find(name);
        let mut changes = BTreeMap::new();
        for n in 0..count {
            let random = mix(n, k) as usize;
            let i = random % layer.bits.len();
            let before = layer.value(layer.bits[i]);
            // Values of every type.
            let values = [
                1.5,
                -0.0,
                f32::INFINITY,
                f32::from_bits(0x7fe0_0000),
                0.125,
                0.0,
            ];
            let after = values[random / 7 % values.len()];
            let edit = |delta, exact| Some(Change { delta, exact });
            let change = match n % 5 {
                // As a detector finds it, a mark included where addition does not get there.
                0 | 1 if after.to_bits() == before.to_bits() => None,
                0 | 1 => Some(derived(before, after)),
                // A delta that is lost in the sum.
                2 if before.is_finite() && before.abs() > 0.1 => edit(1e-30, None),
                // A mark alone, which says what the weight is already, or a value that a delta
                // would have led to.
                3 => edit(
                    0.0,
                    Some(if random.is_multiple_of(2) {
                        before
                    } else {
                        0.25
                    }),
                ),
                // A mark beside a delta that leads elsewhere.
                _ => edit(0.75, Some(after)),
            };
            changes.extend(change.map(|change| (layer.weight(i), change)));
        }
        let (rows, cols) = layer.matrix.unwrap();
        let delta = Delta::from_changes(rows, cols, changes).unwrap();
        self.acts.push((name, Act::Changes(delta)));
    }

    fn commit(&mut self, step: usize, notes: BTreeMap<String, Note>, how: How) {
        let acts = std::mem::take(&mut self.acts);
        let known = self.steps.entry(step).or_default();
        known.0.extend(notes.clone());
        known.1 += acts.len();
        if let How::Checkpoint(metadata) = &how {
            self.metadata.insert(step, metadata.clone());
        }
        for (name, act) in &acts {
            self.find(name).follow(step, act);
        }
        let step = Step {
            step,
            acts,
            notes,
            how,
        };
        self.operations.push(Operation::Commit(step));
    }

    fn create(&mut self, name: &'static str) {
        self.operations.push(Operation::Create(name));
        let layer = self.find(name);
        layer.is_zeros = true;
        layer.begin(0);
    }

    fn prune(&mut self, name: &'static str, keep: usize) {
        self.operations.push(Operation::Prune(name, keep));
        self.find(name).prune(keep);
        self.count_layers();
    }

    fn prune_by(&mut self, only: Option<&'static str>, policy: &str) {
        let policy: Retention = policy.parse().unwrap();
        for layer in &mut self.layers {
            if only.is_none_or(|only| only == layer.name) {
                layer.follow_policy(&policy, self.tags.values().copied());
            }
        }
        self.count_layers();
        self.operations.push(Operation::PruneBy(only, policy));
    }

    fn set_retention(&mut self, only: Option<&'static str>, policy: &str) {
        let policy: Retention = policy.parse().unwrap();
        match only {
            Some(name) => drop(self.retentions.insert(name, policy.clone())),
            None => self.retention = policy.clone(),
        }
        self.operations.push(Operation::SetRetention(only, policy));
    }

    fn tag(&mut self, name: &'static str, t: usize) {
        self.tags.insert(name.to_owned(), t);
        self.operations.push(Operation::Tag(name, t));
    }

    fn roll_back(&mut self, name: &'static str, t: usize) {
        self.find(name).roll_back(t);
        self.count_layers();
        self.operations.push(Operation::RollBack(name, t));
    }

    /// Of each step how many layers have it, and no other steps.
    fn count_layers(&mut self) {
        let layers = &self.layers;
        self.steps.retain(|step, (_, count)| {
            let has_it = |layer: &&Layer| layer.commits().any(|own| own == step);
            *count = layers.iter().filter(has_it).count();
            *count > 0
        });
    }

    /// The steps, and times between them and after.
    pub fn times(&self) -> impl Iterator<Item = usize> {
        self.steps.keys().flat_map(|step| *step..*step + 2)
    }

    /// Adds one more step after what the file holds, and has the policies followed to the last step.
    pub fn carry_on(&mut self) {
        let step = self.steps.keys().next_back().unwrap() + 2;
        for at in 0..self.layers.len() {
            let layer = &self.layers[at];
            let name = layer.name;
            match (layer.matrix, layer.state_at(usize::MAX)) {
                (None, Some((_, bytes))) => {
                    let bytes = bytes.iter().map(|byte| byte ^ 1).collect();
                    self.whole(name, bytes);
                }
                _ => self.tensor(name, |i, bits| bits ^ u32::from(i % 3 == 0)),
            }
        }
        self.commit(step, notes(3), How::Together);
        for layer in &mut self.layers {
            let policy = self.retentions.get(layer.name).unwrap_or(&self.retention);
            layer.follow_policy(policy, self.tags.values().copied());
        }
        self.count_layers();
    }
}
