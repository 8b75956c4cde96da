use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, UNIX_EPOCH};

use super::model::layer_info;
use super::sources::Sources;
use crate::error::{Error, Result};
use crate::store::database::Snapshot;
use crate::store::index::{Index, LayerIndex};
use crate::store::note::notes_from_json;
use crate::store::report::{LayerStats, StepInfo, StoreStats};

impl Sources {
    /// The retained steps, ascending.
    pub(crate) fn steps(&self) -> Result<Vec<StepInfo>> {
        self.read(steps_of)
    }

    /// Sizes.
    pub(crate) fn stats(&self) -> Result<StoreStats> {
        let mut stats = self.read(|snapshot, index| {
            let steps = steps_of(snapshot, index)?;
            let mut stats = StoreStats {
                oldest: steps.first().map(|step| step.step),
                latest: steps.last().map(|step| step.step),
                count: steps.len(),
                ..StoreStats::default()
            };
            let mut codebooks = BTreeSet::new();
            for row in index.layers.iter() {
                let layer = index.layer(snapshot, row.id)?;
                let of_layer = add_layer(&mut stats, snapshot, index, &layer)?;
                stats.layers.push(of_layer);
                let groups = layer.groups.iter();
                codebooks.extend(groups.filter_map(|group| group.row.codebook));
            }
            for id in codebooks {
                stats.block_bytes += snapshot.codebook(id)?.len() as u64;
            }
            Ok(stats)
        })?;
        let sizes = self.database().sizes()?;
        stats.database_bytes = sizes.database;
        stats.log_bytes = sizes.log;
        Ok(stats)
    }
}

fn steps_of(snapshot: &Snapshot, index: &Index) -> Result<Vec<StepInfo>> {
    // How many layers have each commit as a step.
    let mut layers: HashMap<i64, usize> = HashMap::new();
    for row in index.layers.iter() {
        let layer = index.layer(snapshot, row.id)?;
        for at in 0..layer.steps.len() {
            *layers.entry(layer.seq(at)).or_default() += 1;
        }
    }
    let mut steps: BTreeMap<i32, StepInfo> = BTreeMap::new();
    for commit in index.commits.in_order() {
        let Some(layers) = layers.get(&commit.seq) else {
            continue;
        };
        let notes = notes_from_json(&commit.notes).ok_or_else(|| {
            Error::damaged(format!(
                "the notes of commit {} are no JSON object",
                commit.seq
            ))
        })?;
        let step = steps.entry(commit.step).or_insert_with(|| StepInfo {
            step: commit.step as usize,
            time: UNIX_EPOCH,
            notes: BTreeMap::new(),
            layers: 0,
        });
        let since = Duration::from_micros(commit.time.try_into().unwrap_or(0));
        step.time = step
            .time
            .max(UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH));
        step.notes.extend(notes);
        step.layers += layers;
    }
    Ok(steps.into_values().collect())
}

fn add_layer(
    stats: &mut StoreStats,
    snapshot: &Snapshot,
    index: &Index,
    layer: &LayerIndex,
) -> Result<LayerStats> {
    let mut bytes = 0;
    for keyframe in &layer.keyframes {
        let cost = keyframe.blobs.cost();
        let is_base = keyframe.step == layer.row.oldest;
        *(if is_base {
            &mut stats.base_bytes
        } else {
            &mut stats.keyframe_bytes
        }) += cost;
        bytes += cost;
    }
    for group in &layer.groups {
        let cost = group.row.blobs.cost();
        *(if group.row.level == 0 {
            &mut stats.journal_bytes
        } else {
            &mut stats.block_bytes
        }) += cost;
        bytes += cost;
    }
    let mut changes = 0;
    for at in 1..layer.steps.len() {
        changes += layer
            .state(&index.commits, snapshot, at)?
            .map_or(0, |state| state.changes);
    }
    stats.changes += changes;
    stats.raw_bytes += (layer.row.raw_bytes() * layer.steps.len()) as u64;
    Ok(LayerStats {
        info: layer_info(&layer.row, layer),
        steps: layer.steps.len() - 1,
        changes,
        bytes,
    })
}
