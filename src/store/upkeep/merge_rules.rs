use super::job::Job;
use crate::coding::SLAB_STEPS;
use crate::store::index::{LONGEST_GROUP, LayerIndex, PlacedGroup};
use crate::store::options::{Codec, Favor, StoreOptions};

/// Changes for each tile from which on the dense coding is tried.
const LEAST_DENSE: u64 = 256;

/// What is to be sealed and merged next, and how it is coded.
#[derive(Clone, Copy)]
pub(super) struct MergeRules {
    favor: Favor,
    codec: Codec,
}

impl MergeRules {
    pub(super) fn of(options: &StoreOptions) -> Self {
        MergeRules {
            favor: options.favor,
            codec: options.codec,
        }
    }

    /// The next steps of the journal to seal: eight, or fewer where `short`. They stay in the fast
    /// coding until they are compacted, which may be now.
    pub(super) fn next_slab(self, layer: &LayerIndex, short: bool, compacts: bool) -> Option<Job> {
        let (begin, end) = (layer.unsealed(), layer.steps.len());
        let whole = begin..end.min(begin + SLAB_STEPS);
        let steps = begin..layer.alike_until(&whole);
        // Where others follow that it cannot be one with, a short slab has all that it will get.
        if steps.is_empty() || (whole.len() < SLAB_STEPS && steps == whole && !short) {
            return None;
        }
        let inside = layer.groups.iter().filter(|group| group.lies_in(&steps));
        let changes = inside.map(|group| group.row.changes).sum();
        Some(Job {
            layer: layer.row.id,
            stays: steps.clone().collect(),
            steps,
            codec: if compacts {
                self.codec_for(layer, changes)
            } else {
                Codec::Fast
            },
            changes,
            compacts: false,
        })
    }

    /// Neighbouring groups that are better one: eight of the same level, or all up to a keyframe,
    /// since no more will come between those.
    pub(super) fn next_merge(self, layer: &LayerIndex) -> Option<Job> {
        segments(layer).find_map(|(groups, closed)| {
            // What pruning has left behind the base is the next to go.
            let left = usize::from(is_left_by_pruning(layer, &groups[0]));
            let groups = &groups[left..];
            let eights = groups.windows(SLAB_STEPS).find(|run| {
                run.iter().all(|group| group.row.level == run[0].row.level) && self.fits(layer, run)
            });
            if let Some(run) = eights {
                return Some(self.compaction(layer, run));
            }
            if !closed || self.codec == Codec::Fast {
                return None;
            }
            let mut packs = self.packs(layer, groups);
            let unmerged = packs.find(|run| run.len() > 1 || run[0].row.level == 1);
            unmerged.map(|run| self.compaction(layer, run))
        })
    }

    /// All merges and changes of the coding that make a layer smaller.
    pub(super) fn every_merge(self, layer: &LayerIndex) -> Vec<Job> {
        let packs = segments(layer).flat_map(|(groups, _)| self.packs(layer, groups));
        let merges = packs.map(|run| (run, self.compaction(layer, run)));
        let improves = |(run, job): &(&[PlacedGroup], Job)| {
            let is_dense = run[0].row.codebook.is_some();
            run.len() > 1 || is_dense != (job.codec == Codec::Dense)
        };
        merges.filter(improves).map(|(_, job)| job).collect()
    }

    /// Neighbours cut into runs that are as long as possible.
    fn packs<'g>(
        self,
        layer: &LayerIndex,
        groups: &'g [PlacedGroup],
    ) -> impl Iterator<Item = &'g [PlacedGroup]> {
        let mut rest = groups;
        std::iter::from_fn(move || {
            let longest = (2..=rest.len()).take_while(|end| self.fits(layer, &rest[..*end]));
            let (run, later) = rest.split_at_checked(longest.last().unwrap_or(1))?;
            rest = later;
            Some(run)
        })
    }

    /// Whether groups may become one: whoever asks for a step in the middle of it decodes all of it
    /// in the fast coding, and what comes before the step in the dense one.
    fn fits(self, layer: &LayerIndex, run: &[PlacedGroup]) -> bool {
        let steps = run[0].steps.start..run[run.len() - 1].steps.end;
        if layer.alike_until(&steps) < steps.end {
            return false;
        }
        let changes: u64 = run.iter().map(|group| group.row.changes).sum();
        let steps: usize = run.iter().map(|group| group.row.steps).sum();
        let weights = layer.row.tiling().len() as u64;
        let limit = match self.favor {
            Favor::Size => weights,
            Favor::Reads => weights / 4,
        };
        // Where a longer past tells more. Weights of many bits hardly gain by it, and may stay in
        // the fast coding after all.
        let codec = self.codec_for(layer, changes);
        let gains = codec == Codec::Dense && layer.row.dtype.size() == 2;
        changes <= limit * if gains { 4 } else { 1 } && steps <= LONGEST_GROUP
    }

    /// The coding of a group with so many changes: blocks of single tiles do not pay where tiles
    /// hardly change.
    pub(super) fn codec_for(self, layer: &LayerIndex, changes: u64) -> Codec {
        if changes < LEAST_DENSE * layer.row.tiling().count() as u64 {
            Codec::Fast
        } else {
            self.codec
        }
    }

    fn compaction(self, layer: &LayerIndex, run: &[PlacedGroup]) -> Job {
        let changes = run.iter().map(|group| group.row.changes).sum();
        let steps = run[0].steps.start..run[run.len() - 1].steps.end;
        Job {
            layer: layer.row.id,
            stays: steps.clone().collect(),
            steps,
            codec: self.codec_for(layer, changes),
            changes,
            compacts: true,
        }
    }
}

/// Sealed groups between keyframes, and whether a keyframe is after them.
fn segments(layer: &LayerIndex) -> impl Iterator<Item = (&[PlacedGroup], bool)> {
    let at_keyframe = |place: usize| {
        let mut frames = layer.keyframes.iter();
        frames.any(|frame| frame.step == layer.steps[place])
    };
    let sealed = |group: &PlacedGroup| group.row.level > 0 && group.hidden == 0;
    let together = move |a: &PlacedGroup, b: &PlacedGroup| {
        sealed(a) && sealed(b) && a.steps.end == b.steps.start && !at_keyframe(a.steps.end - 1)
    };
    let runs = layer.groups.chunk_by(together);
    runs.filter(move |run| sealed(&run[0]))
        .map(move |run| (run, at_keyframe(run[run.len() - 1].steps.end - 1)))
}

/// Whether a group is what was left of a longer one when the base moved on.
fn is_left_by_pruning(layer: &LayerIndex, group: &PlacedGroup) -> bool {
    let moved = layer.row.oldest > layer.row.created;
    moved && group.steps.start == 1 && group.row.level > 1 && group.row.codebook.is_none()
}
