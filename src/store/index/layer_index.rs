use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::commits::Commits;
use crate::error::{Error, Result};
use crate::store::database::{GapRow, GroupRow, KeyframeRow, LayerRow, Snapshot, StateRow};

/// Steps of a group, at most.
pub(crate) const LONGEST_GROUP: usize = 4096;

/// The steps of a layer, and where what they changed is.
pub(crate) struct LayerIndex {
    pub(crate) row: Arc<LayerRow>,
    /// The base's label, and each retained step after it.
    pub(crate) steps: Vec<i32>,
    /// The commit of each of them; 0 for a base that no commit names.
    seqs: Vec<i64>,
    /// Commits between those that are no steps of it any more.
    pub(crate) gaps: Vec<GapRow>,
    /// How many weights a step changed that others were merged into, by its place.
    merged: HashMap<usize, u64>,
    pub(crate) keyframes: Vec<KeyframeRow>,
    pub(crate) groups: Vec<Group>,
}

/// A group, and which of the layer's steps it holds.
pub(crate) struct Group {
    pub(crate) row: GroupRow,
    /// Places in [`LayerIndex::steps`].
    pub(crate) steps: Range<usize>,
    /// How many older steps it holds that have been pruned.
    pub(crate) hidden: usize,
}

impl Group {
    /// Whether all its steps are in a range of the layer's.
    pub(crate) fn lies_in(&self, steps: &Range<usize>) -> bool {
        steps.start <= self.steps.start && self.steps.end <= steps.end
    }

    /// The steps of its blocks that lie in a range of the layer's steps.
    pub(crate) fn part(&self, steps: &Range<usize>) -> Range<usize> {
        let begin = steps.start.clamp(self.steps.start, self.steps.end) - self.steps.start;
        let end = steps.end.clamp(self.steps.start, self.steps.end) - self.steps.start;
        self.hidden + begin..self.hidden + end
    }
}

impl LayerIndex {
    pub(super) fn load(row: Arc<LayerRow>, commits: &Commits, snapshot: &Snapshot) -> Result<Self> {
        let id = row.id;
        let (mut steps, mut seqs) = (vec![row.oldest], vec![0]);
        let gaps = snapshot.gaps(id)?;
        let possible = gaps.iter().all(|gap| gap.first <= gap.last)
            && gaps.windows(2).all(|pair| pair[0].last < pair[1].first);
        if !possible {
            return Err(Error::damaged(format!(
                "gaps of layer '{}' are out of order",
                row.name
            )));
        }
        let mut merged = HashMap::new();
        let mut rest = &gaps[..];
        let mut changes = None;
        for commit in commits.in_order() {
            while let Some((gap, later)) = rest.split_first()
                && gap.last < commit.seq
            {
                changes = gap.changes;
                rest = later;
            }
            let is_gone = rest.first().is_some_and(|gap| gap.first <= commit.seq);
            if is_gone || commit.step < row.oldest || commit.members.position(id).is_none() {
                continue;
            }
            let last = steps.len() - 1;
            if commit.step == steps[last] && last == 0 {
                seqs[0] = commit.seq; // the base, or one that replaces it
                changes = None;
            } else if commit.step > steps[last] {
                if let Some(changes) = changes.take() {
                    merged.insert(steps.len(), changes);
                }
                steps.push(commit.step);
                seqs.push(commit.seq);
            } else {
                return Err(Error::damaged(format!(
                    "steps of layer '{}' are out of order",
                    row.name
                )));
            }
        }
        let keyframes = snapshot.keyframes(id)?;
        let has_base = keyframes
            .first()
            .is_some_and(|keyframe| keyframe.step == row.oldest);
        if row.base && !has_base {
            return Err(Error::damaged(format!(
                "the base of layer '{}' is missing",
                row.name
            )));
        }
        let mut layer = LayerIndex {
            row,
            steps,
            seqs,
            gaps,
            merged,
            keyframes,
            groups: Vec::new(),
        };
        if layer.row.matrix.is_some() {
            layer.place_groups(commits, snapshot)?;
        }
        Ok(layer)
    }

    /// Finds the steps of every group; a step without one must be a step without changes.
    fn place_groups(&mut self, commits: &Commits, snapshot: &Snapshot) -> Result<()> {
        let missing = |layer: &LayerIndex, at: usize| {
            Error::damaged(format!(
                "step {} of layer '{}' is missing",
                layer.steps[at], layer.row.name
            ))
        };
        let mut next = 1;
        for row in snapshot.groups(self.row.id)? {
            let begin = self.steps.partition_point(|step| *step < row.first).max(1);
            let end = self
                .steps
                .partition_point(|step| *step <= row.last)
                .max(begin);
            let hidden = row
                .steps
                .checked_sub(end - begin)
                .ok_or_else(|| missing(self, next))?;
            let whole = hidden == 0 && self.steps[begin..].first() == Some(&row.first);
            let cut = hidden > 0 && row.first <= self.row.oldest && begin == 1;
            let ends = end > begin && self.steps[end - 1] == row.last;
            let possible = row.steps <= LONGEST_GROUP
                && row.blobs.per_run.is_power_of_two()
                && (row.codebook.is_none() || self.can_be_dense(&row, hidden));
            if !(whole || cut) || !ends || begin < next || !possible {
                return Err(missing(self, next.min(self.steps.len() - 1)));
            }
            self.check_silent(commits, snapshot, next..begin)?;
            next = end;
            self.groups.push(Group {
                row,
                steps: begin..end,
                hidden,
            });
        }
        self.check_silent(commits, snapshot, next..self.steps.len())
    }

    /// A dense group is of single tiles, and decoded from its first step to its last.
    fn can_be_dense(&self, row: &GroupRow, hidden: usize) -> bool {
        let after = self
            .keyframes
            .partition_point(|frame| frame.step < row.first);
        let frame = self.keyframes.get(after);
        let uncut = hidden == 0 && frame.is_none_or(|frame| frame.step >= row.last);
        uncut && row.blobs.per_run == 1
    }

    fn check_silent(
        &self,
        commits: &Commits,
        snapshot: &Snapshot,
        steps: Range<usize>,
    ) -> Result<()> {
        for at in steps {
            if self
                .state(commits, snapshot, at)?
                .is_some_and(|state| state.changes > 0)
            {
                return Err(Error::damaged(format!(
                    "the changes of step {} of layer '{}' are missing",
                    self.steps[at], self.row.name
                )));
            }
        }
        Ok(())
    }

    /// What the commit of a step says of this layer; `None` for a base that no commit names.
    pub(crate) fn state(
        &self,
        commits: &Commits,
        snapshot: &Snapshot,
        at: usize,
    ) -> Result<Option<StateRow>> {
        let seq = self.seqs[at];
        if seq == 0 {
            return Ok(None);
        }
        let states = commits.states(snapshot, seq)?;
        let position = commits.get(seq)?.members.position(self.row.id);
        let merged = self.merged.get(&at);
        position
            .and_then(|position| states.get(position))
            .map(|state| {
                Some(StateRow {
                    changes: merged.copied().unwrap_or(state.changes),
                    ..*state
                })
            })
            .ok_or_else(|| {
                Error::damaged(format!(
                    "commit {seq} does not name layer '{}'",
                    self.row.name
                ))
            })
    }

    pub(crate) fn seq(&self, at: usize) -> i64 {
        self.seqs[at]
    }

    pub(crate) fn oldest(&self) -> usize {
        self.steps[0] as usize
    }

    pub(crate) fn latest(&self) -> usize {
        self.steps[self.steps.len() - 1] as usize
    }

    /// The place of the step whose state answers for time `t`.
    pub(crate) fn as_of(&self, t: usize) -> Result<usize> {
        let t = i32::try_from(t).unwrap_or(i32::MAX);
        match self.steps.partition_point(|step| *step <= t) {
            0 => Err(Error::Pruned {
                step: t as usize,
                oldest: self.oldest(),
            }),
            after => Ok(after - 1),
        }
    }

    /// The places of the retained steps of changes in a range of times.
    pub(crate) fn places_in(&self, times: &RangeInclusive<usize>) -> Range<usize> {
        let steps = &self.steps[1..];
        let begin = 1 + steps.partition_point(|step| (*step as usize) < *times.start());
        let end = 1 + steps.partition_point(|step| *step as usize <= *times.end());
        begin..end.max(begin)
    }

    /// The place of a step whose changes are retained.
    pub(crate) fn find(&self, t: usize) -> Result<usize> {
        if t == 0 {
            return Err(Error::InvalidStep { step: 0 });
        }
        if t <= self.oldest() {
            return Err(Error::Pruned {
                step: t,
                oldest: self.oldest(),
            });
        }
        let at = self.as_of(t)?;
        if self.steps[at] as usize == t {
            return Ok(at);
        }
        let before = (at > 0).then(|| self.steps[at] as usize);
        let after = self.steps.get(at + 1).map(|step| *step as usize);
        Err(Error::NoSuchStep {
            step: t,
            before,
            after,
        })
    }

    /// The newest keyframe at or before a step, and the place of its step; `None` for zeros.
    pub(crate) fn keyframe_before(&self, at: usize) -> Result<(Option<&KeyframeRow>, usize)> {
        let after = self
            .keyframes
            .partition_point(|keyframe| keyframe.step <= self.steps[at]);
        let Some(keyframe) = after.checked_sub(1).map(|i| &self.keyframes[i]) else {
            return Ok((None, 0));
        };
        match self.steps.binary_search(&keyframe.step) {
            Ok(place) => Ok((Some(keyframe), place)),
            Err(_) => Err(Error::damaged(format!(
                "layer '{}' has a keyframe at step {}, which it does not have",
                self.row.name, keyframe.step
            ))),
        }
    }

    /// How far into a range of its steps changes are told by the same lattice, or all by none, so
    /// that they may become one group.
    pub(crate) fn alike_until(&self, steps: &Range<usize>) -> usize {
        let inside = |group: &&Group| group.lies_in(steps) && group.row.changes > 0;
        let mut groups = self.groups.iter().filter(inside);
        let first = groups.next().map(|group| group.row.lattice);
        let other = groups.find(|group| Some(group.row.lattice) != first);
        other.map_or(steps.end, |group| group.steps.start)
    }

    /// The place of the first step that is in no sealed group.
    pub(crate) fn unsealed(&self) -> usize {
        let sealed = self.groups.iter().rfind(|group| group.row.level > 0);
        sealed.map_or(1, |group| group.steps.end)
    }
}
