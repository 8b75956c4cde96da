//! Dropping steps: the state before the oldest one that stays becomes the base, and what steps
//! between others changed becomes part of the next one that stays.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::job::Job;
use super::merge::Merged;
use super::upkeep::Upkeep;
use super::used_commits::UsedCommits;
use crate::coding::{SLAB_STEPS, TileSet, by_width};
use crate::error::{Error, Result};
use crate::store::database::{GapRow, KeyframeRow, LayerRow, Snapshot, Transaction};
use crate::store::index::{Group, Index, LONGEST_GROUP, LayerIndex, LayerKey, Settings};
use crate::store::options::Codec;
use crate::store::recording::{EncodedKeyframe, Heads, LayerHead, put_keyframe, put_whole};
use crate::values::{Pruned, Retention};

/// A layer of which not all steps stay.
struct Cut {
    layer: Arc<LayerIndex>,
    /// The places of those that do, ascending; the newest one among them.
    stays: Vec<usize>,
}

impl Cut {
    /// Whether a step stays.
    fn keeps(&self, step: i32) -> bool {
        let place = self.layer.steps.binary_search(&step);
        place.is_ok_and(|place| self.stays.binary_search(&place).is_ok())
    }
}

/// Whose steps may go.
enum Layers<'a> {
    All,
    One(&'a LayerKey),
    Numbered(&'a [u32]),
}

impl Layers<'_> {
    fn of(&self, snapshot: &Snapshot, index: &Index) -> Result<Vec<Arc<LayerIndex>>> {
        let numbered = |ids: &mut dyn Iterator<Item = u32>| -> Result<_> {
            ids.map(|id| index.layer(snapshot, id)).collect()
        };
        match self {
            Layers::All => numbered(&mut (0..index.tip.layers)),
            Layers::One(key) => Ok(vec![index.layer_of(snapshot, key)?]),
            Layers::Numbered(ids) => numbered(&mut ids.iter().copied()),
        }
    }
}

/// What cutting one layer left to be done when it is written: keyframes at the ends of new groups.
type NewGroups = Vec<(u32, i32)>;

impl Upkeep {
    /// Keeps the newest `keep_last` steps of a layer. The state before them becomes the base.
    pub(crate) fn prune_history(&self, key: &LayerKey, keep_last: usize) -> Result<()> {
        let _alone = self.maintenance_turn();
        let last_ones = |settings: &Settings, layer: &LayerIndex| {
            let base = layer
                .steps
                .len()
                .saturating_sub(keep_last.saturating_add(1));
            match settings.pinned(&layer.steps).first_key_value() {
                Some((&place, &tag)) if place < base => Err(Error::Pinned {
                    step: layer.steps[place] as usize,
                    tag: tag.to_owned(),
                }),
                _ => Ok((base..layer.steps.len()).collect()),
            }
        };
        self.prune_in_turn(&Layers::One(key), last_ones, false)
            .map(|_| ())
    }

    /// Applies a policy to one layer or to all; where `dry`, only says what that would do.
    pub(crate) fn prune(
        &self,
        only: Option<&LayerKey>,
        retention: &Retention,
        dry: bool,
    ) -> Result<Pruned> {
        retention.check()?;
        let _alone = self.maintenance_turn();
        let by_policy = |settings: &Settings, layer: &LayerIndex| {
            Ok(settings.retained(&layer.steps, retention))
        };
        self.prune_in_turn(&only.map_or(Layers::All, Layers::One), by_policy, dry)
    }

    /// Applies the policies that were set, where so many steps would go that it pays. Called when a
    /// step has been stored, which it is even if this fails: the next one tries again.
    pub(crate) fn retain_after_step(&self) -> Result<()> {
        let due = |heads: &Heads| -> Vec<u32> {
            let is_due =
                |head: &&LayerHead| heads.settings.is_due(&head.row.name, &head.steps, false);
            let layers = heads.layers.iter().filter(is_due);
            layers.map(|head| head.row.id).collect()
        };
        let due = self.recorder.peek_at_heads(due)?.unwrap_or_default();
        if due.is_empty() {
            return Ok(());
        }
        let _alone = self.maintenance_turn();
        self.retain(&due)
    }

    /// Applies the policies that were set to the last step. For whoever has the right to maintain.
    pub(super) fn retain_exactly(&self) -> Result<()> {
        let due = self.sources.read(|snapshot, index| {
            let settings = Settings::load(snapshot)?;
            let mut due = Vec::new();
            for row in index.layers.iter() {
                let layer = index.layer(snapshot, row.id)?;
                if settings.is_due(&row.name, &layer.steps, true) {
                    due.push(row.id);
                }
            }
            Ok(due)
        })?;
        if due.is_empty() {
            return Ok(());
        }
        self.retain(&due)
    }

    fn retain(&self, ids: &[u32]) -> Result<()> {
        let by_policy = |settings: &Settings, layer: &LayerIndex| {
            let retention = settings.retention_of(&layer.row.name);
            Ok(settings.retained(&layer.steps, retention))
        };
        self.prune_in_turn(&Layers::Numbered(ids), by_policy, false)
            .map(|_| ())
    }

    /// Drops the steps of some layers whose places are not among those that `choose` gives. Whoever
    /// merges groups or makes keyframes counts on the steps that it has seen, so the caller has the
    /// right to do that.
    fn prune_in_turn(
        &self,
        layers: &Layers,
        choose: impl Fn(&Settings, &LayerIndex) -> Result<Vec<usize>>,
        dry: bool,
    ) -> Result<Pruned> {
        let _turn = self.recorder.write_turn()?;
        let (mut ids, mut new_groups) = (Vec::new(), NewGroups::new());
        let work = |transaction: &Transaction| {
            let index = self.sources.index_of(transaction)?;
            let settings = Settings::load(transaction)?;
            let mut cuts = Vec::new();
            for layer in layers.of(transaction, &index)? {
                let stays = choose(&settings, &layer)?;
                ids.push(layer.row.id);
                cuts.push(Cut { layer, stays });
            }
            let before = transaction.used_bytes()?;
            let (mut gone, mut left) = (BTreeSet::new(), BTreeSet::new());
            let mut used = UsedCommits::default();
            for row in index.layers.iter() {
                let Some(cut) = cuts.iter().find(|cut| cut.layer.row.id == row.id) else {
                    let layer = index.layer(transaction, row.id)?;
                    used.add(&layer, 0..layer.steps.len());
                    continue;
                };
                let steps = &cut.layer.steps;
                gone.extend(steps.iter().copied());
                left.extend(cut.stays.iter().map(|place| steps[*place]));
                used.add(&cut.layer, cut.stays.iter().copied());
            }
            let cut_short = cuts
                .iter()
                .filter(|cut| cut.stays.len() < cut.layer.steps.len());
            for cut in cut_short.clone() {
                new_groups.extend(self.cut(transaction, &index, cut)?);
            }
            if cut_short.count() > 0 {
                used.drop_others(transaction, &index, index.tip.layers)?;
            }
            let after = transaction.used_bytes()?;
            let oldest = cuts.iter().map(|cut| cut.layer.steps[cut.stays[0]]).min();
            Ok(Pruned {
                steps: gone.difference(&left).map(|step| *step as usize).collect(),
                oldest: oldest.unwrap_or(0) as usize,
                freed_bytes: before.saturating_sub(after),
            })
        };
        if dry {
            return self.sources.database().try_out(work);
        }
        let pruned = self.recorder.write(work)?;
        self.refresh_heads(&ids)?;
        drop(_turn);
        for (id, step) in new_groups {
            // What stays is safe, and read more slowly without.
            let _ = self.make_keyframe_at(id, step);
        }
        Ok(pruned)
    }

    /// Brings what the heads say of some layers' histories up to date. Their states are as before.
    fn refresh_heads(&self, ids: &[u32]) -> Result<()> {
        let mut kept = self.recorder.heads_if_loaded()?;
        let Some(heads) = kept.as_mut() else {
            return Ok(());
        };
        let refreshed = self.sources.read(|snapshot, index| {
            for head in heads
                .layers
                .iter_mut()
                .filter(|head| ids.contains(&head.row.id))
            {
                let layer = index.layer(snapshot, head.row.id)?;
                head.unsealed = layer.steps.len() - layer.unsealed();
                head.row = LayerRow::clone(&layer.row);
                head.steps.clone_from(&layer.steps);
            }
            Ok(())
        });
        if refreshed.is_err() {
            *kept = None; // to be read again
        }
        Ok(())
    }

    /// Writes a layer without the steps that do not stay.
    fn cut(&self, transaction: &Transaction, index: &Index, cut: &Cut) -> Result<NewGroups> {
        let Cut { layer, stays } = cut;
        let oldest = layer.steps[stays[0]];
        let mut counts = HashMap::new();
        let mut new_groups = NewGroups::new();
        if layer.row.matrix.is_none() {
            self.cut_whole(transaction, index, cut)?;
        } else {
            let frames = self.new_frames(transaction, index, cut)?;
            let jobs = self.merges_of(layer, stays);
            let merged = self.merged(transaction, index, &jobs)?;
            for (last, changes) in merged.iter().flat_map(|merged| merged.counts(layer.row.id)) {
                let job = jobs
                    .iter()
                    .find(|job| layer.steps[job.steps.end - 1] == last);
                let places = job.iter().flat_map(|job| job.stays.iter().copied());
                counts.extend(places.zip(changes.iter().copied()));
                new_groups.push((layer.row.id, last));
            }
            drop_keyframes(transaction, cut, &frames)?;
            for frame in &frames {
                transaction.put_keyframe(frame)?;
            }
            for group in layer.groups.iter().filter(|group| group.row.last <= oldest) {
                transaction.drop_group(&group.row)?;
            }
            Merged::put(&merged, transaction)?;
        }
        put_gaps(transaction, cut, &counts)?;
        if stays[0] > 0 {
            transaction.put_layer(&LayerRow {
                oldest,
                base: true,
                ..LayerRow::clone(&layer.row)
            })?;
        }
        Ok(new_groups)
    }

    /// The keyframes that take the place of others, written but for their rows: the base, if it is
    /// another state than before and no whole keyframe already, and those that were coded upon one
    /// that goes. The first of these becomes a whole one, which the others are coded upon, so that
    /// they need not be made anew each time the base moves.
    fn new_frames(
        &self,
        transaction: &Transaction,
        index: &Index,
        cut: &Cut,
    ) -> Result<Vec<KeyframeRow>> {
        let Cut { layer, stays } = cut;
        let reader = self.sources.file_reader(transaction, index, layer);
        let all = TileSet::all(&layer.row.tiling());
        let mut made = Vec::new();
        by_width!(layer.row.dtype, E => {
            let oldest = layer.steps[stays[0]];
            let is_there = |frame: &KeyframeRow| frame.step == oldest && frame.anchor.is_none();
            if stays[0] > 0 && !layer.keyframes.iter().any(is_there) {
                let state = reader.state::<E>(stays[0], &all)?;
                made.push(put_keyframe(self.sources.pool(), transaction, &layer.row, oldest, &state)?.0);
            }
            let mut full: Option<(i32, Vec<E>)> = None;
            for frame in &layer.keyframes {
                let lost = frame.anchor.is_some_and(|anchor| !cut.keeps(anchor));
                if !lost || !cut.keeps(frame.step) || frame.step == oldest {
                    continue;
                }
                let at = layer.as_of(frame.step as usize)?;
                let state = reader.state::<E>(at, &all)?;
                let anchor = full.as_ref().map(|(step, state)| (*step, &state[..]));
                let pool = self.sources.pool();
                let encoded = EncodedKeyframe::new(pool, &layer.row, layer.steps[at], &state, anchor);
                let row = encoded.put(transaction)?;
                if row.anchor.is_none() {
                    full = Some((row.step, state));
                }
                made.push(row);
            }
        });
        Ok(made)
    }

    /// The groups that have to be made anew, since steps in them go.
    fn merges_of(&self, layer: &LayerIndex, stays: &[usize]) -> Vec<Job> {
        let base = stays[0];
        // Whole groups, of which all steps after the base are in one range.
        let widen = |range: Range<usize>| {
            let touched =
                |group: &&Group| group.steps.start < range.end && range.start < group.steps.end;
            let join = |range: Range<usize>, group: &Group| {
                let start = group.steps.start.max(base + 1);
                range.start.min(start)..range.end.max(group.steps.end)
            };
            let groups = layer.groups.iter().filter(touched);
            groups.fold(range.clone(), join)
        };
        let gaps = stays.windows(2).filter(|pair| pair[1] > pair[0] + 1);
        let mut ranges: Vec<Range<usize>> =
            gaps.map(|pair| widen(pair[0] + 1..pair[1] + 1)).collect();
        // A dense group is coded upon the state before it, which goes.
        let is_cut = |group: &&Group| {
            group.row.codebook.is_some()
                && group.steps.contains(&base)
                && group.steps.end > base + 1
        };
        ranges.extend(
            layer
                .groups
                .iter()
                .find(is_cut)
                .map(|group| base + 1..group.steps.end),
        );
        // What is sealed is all there is up to some step.
        let unsealed = layer.unsealed();
        let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
        if end > unsealed {
            ranges.push(unsealed.max(base + 1)..end);
        }
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        let mut jobs = Vec::new();
        let mut rest = &ranges[..];
        while let Some((first, mut later)) = rest.split_first() {
            let mut range = first.clone();
            while let Some((next, after)) = later.split_first()
                && next.start < range.end
            {
                range.end = range.end.max(next.end);
                later = after;
            }
            rest = later;
            self.cut_into_jobs(layer, stays, range, &mut jobs);
        }
        jobs
    }

    /// Groups of the steps that stay in a range, none with more changes than the layer has weights,
    /// about, and none across a keyframe.
    fn cut_into_jobs(
        &self,
        layer: &LayerIndex,
        stays: &[usize],
        range: Range<usize>,
        jobs: &mut Vec<Job>,
    ) {
        let weights = layer.row.tiling().len() as u64;
        let changes = |steps: &Range<usize>| -> u64 {
            let parts = layer.groups.iter().map(|group| {
                let inside = group.part(steps).len() as u64;
                (group.row.changes * inside).div_ceil(group.row.steps.max(1) as u64)
            });
            parts.sum()
        };
        let own = stays.partition_point(|place| *place < range.start)
            ..stays.partition_point(|place| *place < range.end);
        let mut begin = range.start;
        let mut job: Option<Job> = None;
        for &place in &stays[own] {
            let steps = begin..place + 1;
            begin = place + 1;
            let added = changes(&steps).min(weights);
            // Changes that are told in other ways begin another group. Where that is so within the
            // steps that are merged into one, they are a group alone.
            let alike = |job: &Job| {
                let all = job.steps.start..steps.end;
                let groups = layer.groups.iter();
                let told =
                    groups.filter(|group| group.row.changes > 0 && !group.part(&all).is_empty());
                let mut lattices = told.map(|group| group.row.lattice);
                let first = lattices.next();
                lattices.all(|lattice| Some(lattice) == first)
            };
            if !job.as_ref().is_none_or(alike) {
                jobs.extend(job.take());
            }
            let open = job.get_or_insert_with(|| Job {
                layer: layer.row.id,
                steps: steps.start..steps.start,
                stays: Vec::new(),
                codec: Codec::Fast,
                changes: 0,
                compacts: false,
            });
            open.steps.end = steps.end;
            open.stays.push(place);
            open.changes += added;
            let at_keyframe = layer
                .keyframes
                .iter()
                .any(|frame| frame.step == layer.steps[place]);
            let is_full = open.changes >= weights || open.stays.len() == LONGEST_GROUP;
            if is_full || at_keyframe {
                jobs.extend(job.take());
            }
        }
        jobs.extend(job);
        for job in jobs.iter_mut().filter(|job| job.steps.start >= range.start) {
            job.compacts = job.stays.len() == job.steps.len();
            // What is left behind the base is the next to go, and need not be coded anew then: the
            // fast coding can hide steps. Short groups will be merged with others, and coded then.
            let is_left = job.compacts && job.steps.start == stays[0] + 1;
            if !is_left && job.stays.len() >= SLAB_STEPS {
                job.codec = self.codec_for(layer, job.changes);
            }
        }
        // Nothing is made where nothing changed.
        jobs.retain(|job| {
            let mut groups = layer.groups.iter();
            groups.any(|group| !group.part(&job.steps).is_empty())
        });
    }

    /// A tensor that is kept whole has its content at the steps that change it.
    fn cut_whole(&self, transaction: &Transaction, index: &Index, cut: &Cut) -> Result<()> {
        let Cut { layer, stays } = cut;
        let reader = self.sources.file_reader(transaction, index, layer);
        let mut contents = Vec::new();
        let mut before = None;
        for &place in stays {
            let (frame, at) = layer.keyframe_before(place)?;
            let Some(frame) = frame else { continue };
            // It came with a step that goes.
            if at < place && before.is_none_or(|before| at > before) {
                contents.push((layer.steps[place], reader.whole(place)?));
            }
            debug_assert!(frame.step <= layer.steps[place]);
            before = Some(place);
        }
        drop_keyframes(transaction, cut, &[])?;
        for (step, content) in contents {
            put_whole(transaction, layer.row.id, step, &content)?;
        }
        Ok(())
    }
}

/// Drops the keyframes of steps that go, and those in whose place there are new ones.
fn drop_keyframes(transaction: &Transaction, cut: &Cut, new: &[KeyframeRow]) -> Result<()> {
    for frame in &cut.layer.keyframes {
        if !cut.keeps(frame.step) || new.iter().any(|new| new.step == frame.step) {
            transaction.drop_keyframe(frame)?;
        }
    }
    Ok(())
}

/// Says which commits are no steps of the layer any more, and what the next ones changed with them.
fn put_gaps(transaction: &Transaction, cut: &Cut, counts: &HashMap<usize, u64>) -> Result<()> {
    let Cut { layer, stays } = cut;
    let base = layer.seq(stays[0]);
    let new: Vec<GapRow> = stays
        .windows(2)
        .filter(|pair| pair[1] > pair[0] + 1)
        .map(|pair| GapRow {
            layer: layer.row.id,
            first: layer.seq(pair[0]) + 1,
            last: layer.seq(pair[1]) - 1,
            changes: Some(counts.get(&pair[1]).copied().unwrap_or(0)),
        })
        .collect();
    for gap in &layer.gaps {
        let inside = |new: &GapRow| new.first <= gap.first && gap.last <= new.last;
        // One that was rolled back still says that later steps of others are none of this layer.
        let is_past = gap.last < base && gap.changes.is_some();
        if is_past || new.iter().any(inside) {
            transaction.drop_gap(gap)?;
        }
    }
    new.iter().try_for_each(|gap| transaction.put_gap(gap))
}
