//! Writing a layer without some of its steps: a new base, and what steps between others changed as part of
//! the next one that stays.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::job::Job;
use super::merge::Merged;
use super::upkeep::Upkeep;
use crate::coding::{SLAB_STEPS, TileSet, by_width};
use crate::error::Result;
use crate::store::database::{GapRow, KeyframeRow, LayerRow, Transaction};
use crate::store::index::{Index, LONGEST_GROUP, LayerIndex, PlacedGroup};
use crate::store::options::Codec;
use crate::store::recording::{EncodedKeyframe, put_keyframe, put_whole};

/// A layer of which not all steps stay.
pub(super) struct Cut {
    pub(super) layer: Arc<LayerIndex>,
    /// The places of those that do, ascending; the newest one among them.
    pub(super) stays: Vec<usize>,
}

impl Cut {
    /// Whether a step stays.
    fn keeps(&self, step: i32) -> bool {
        let place = self.layer.steps.binary_search(&step);
        place.is_ok_and(|place| self.stays.binary_search(&place).is_ok())
    }
}

/// What cutting one layer left to be done when it is written: keyframes at the ends of new groups.
pub(super) type NewGroups = Vec<(u32, i32)>;

impl Upkeep {
    /// Writes a layer without the steps that do not stay.
    pub(super) fn cut(
        &self,
        transaction: &Transaction,
        index: &Index,
        cut: &Cut,
    ) -> Result<NewGroups> {
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
            let touched = |group: &&PlacedGroup| {
                group.steps.start < range.end && range.start < group.steps.end
            };
            let join = |range: Range<usize>, group: &PlacedGroup| {
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
        let is_cut = |group: &&PlacedGroup| {
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
                job.codec = self.merge_rules().codec_for(layer, job.changes);
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
