//! The work behind recording: sealing the journal, keyframes, compaction, and copying the log.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rayon::prelude::*;

use super::blob_writer::BlobWriter;
use super::core::{Store, by_width};
use super::database::KeyframeRow;
use super::head::HeadElement;
use super::index::{Group, LONGEST_GROUP, LayerIndex};
use super::options::{Codec, Favor};
use super::reader::CHUNK_TILES;
use crate::history::{SLAB_STEPS, TileSet, encode_plane};
use crate::{Durability, Error, Result, freed_memory};

/// Bytes of SQLite's log from which on it is copied into the file.
const LONG_LOG: u64 = 8 << 20;

/// Unsealed steps from which on recording waits for sealing.
const BACKLOG: usize = 8 * SLAB_STEPS;

/// Changes that are merged in one transaction, about.
const TRANSACTION_CHANGES: u64 = 4 << 20;

/// Changes for each tile from which on the dense coding is tried.
const LEAST_DENSE: u64 = 256;

/// Consecutive steps of a layer that are to become one group.
pub(super) struct Job {
    pub(super) layer: u32,
    /// Places in [`LayerIndex::steps`].
    pub(super) steps: Range<usize>,
    pub(super) codec: Codec,
    pub(super) changes: u64,
    /// Of sealed groups, not of the journal.
    pub(super) compacts: bool,
}

/// The thread that does this work. Dropping it waits for what it has begun.
pub(crate) struct Worker {
    store: Arc<Store>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(store: &Arc<Store>) -> Result<Self> {
        let (wake, woken) = sync_channel(1);
        *store.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
        let own = Arc::clone(store);
        let thread = std::thread::Builder::new()
            .name("temporal-vdb-seal".to_owned())
            .spawn(move || Worker::run(&own, &woken))
            .map_err(|source| Error::Io {
                path: store.path().to_owned(),
                source,
            })?;
        Ok(Worker {
            store: Arc::clone(store),
            thread: Some(thread),
        })
    }

    fn run(store: &Store, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            // What fails here has lost nothing: the steps are in the journal, and the next time it
            // is tried again. Who wants to know asks `settle`.
            let _ = store.maintain();
            freed_memory::release();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.store
            .wake
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Store {
    pub(super) fn wake_maintenance(&self) {
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = wake.try_send(()); // full: it will look anyway
        }
    }

    /// Seals whole slabs, makes keyframes that are due, and merges what merges well.
    fn maintain(&self) -> Result<()> {
        self.maintain_with(false, false)
    }

    /// The right to merge groups and to make keyframes, or to keep others from it. Taken before the
    /// right to bring the store to its next step.
    pub(super) fn maintenance_turn(&self) -> MutexGuard<'_, ()> {
        self.maintaining
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn maintain_with(&self, short: bool, eager: bool) -> Result<()> {
        let _alone = self.maintenance_turn();
        let layers = self.read(|_, index| {
            let matrices = index.layers.iter().filter(|row| row.matrix.is_some());
            Ok(matrices.map(|row| row.id).collect::<Vec<_>>())
        })?;
        loop {
            let slab = |layer: &LayerIndex| self.next_slab(layer, short, eager);
            let slabs = self.jobs(&layers, |layer| slab(layer).into_iter().collect())?;
            if slabs.is_empty() {
                break;
            }
            if self.merge_all(&slabs)? {
                self.count_sealed(&slabs)?;
                for job in &slabs {
                    self.make_keyframe(job.layer)?;
                }
            }
        }
        if eager {
            // One pass does all there is to do.
            self.merge_all(&self.jobs(&layers, |layer| self.every_merge(layer))?)?;
            return Ok(());
        }
        loop {
            let next = |layer: &LayerIndex| self.next_merge(layer).into_iter().collect();
            let merges = self.jobs(&layers, next)?;
            if merges.is_empty() {
                return Ok(());
            }
            self.merge_all(&merges)?;
        }
    }

    /// What is to be merged, of each layer.
    fn jobs(&self, layers: &[u32], of_layer: impl Fn(&LayerIndex) -> Vec<Job>) -> Result<Vec<Job>> {
        self.read(|view, index| {
            let mut jobs = Vec::new();
            for &id in layers {
                jobs.extend(of_layer(&*index.layer(view, id)?));
            }
            Ok(jobs)
        })
    }

    /// Merges in few transactions; `false` where the store has moved on and something was not done.
    fn merge_all(&self, jobs: &[Job]) -> Result<bool> {
        let mut done = true;
        let mut rest = jobs;
        while !rest.is_empty() {
            let mut changes = 0;
            let within = rest.iter().take_while(|job| {
                changes += job.changes;
                changes <= TRANSACTION_CHANGES
            });
            let (now, later) = rest.split_at(within.count().max(1));
            done &= self.merge(now)?;
            self.shorten_log()?;
            rest = later;
        }
        Ok(done)
    }

    fn count_sealed(&self, slabs: &[Job]) -> Result<()> {
        if let Some(heads) = self.heads_mut()?.as_mut() {
            for job in slabs {
                let head = &mut heads.layers[job.layer as usize];
                head.unsealed = head.unsealed.saturating_sub(job.steps.len());
            }
        }
        Ok(())
    }

    fn shorten_log(&self) -> Result<()> {
        if self.database().file_sizes()?.log > LONG_LOG {
            self.database().checkpoint()?;
        }
        Ok(())
    }

    /// Waits where sealing has fallen far behind. Called without the turn.
    pub(crate) fn wait_for_sealing(&self) -> Result<()> {
        let behind =
            |heads: &super::head::Heads| heads.layers.iter().any(|head| head.unsealed >= BACKLOG);
        if self.heads()?.as_ref().is_some_and(behind) {
            self.maintain()?;
        }
        Ok(())
    }

    pub(crate) fn seal(&self) -> Result<()> {
        self.check_writable()?;
        self.maintain_with(true, false)
    }

    pub(crate) fn compact(&self) -> Result<()> {
        self.check_writable()?;
        self.maintain_with(true, true)?;
        self.database().give_back()
    }

    pub(crate) fn settle(&self) -> Result<()> {
        self.check_writable()?;
        self.maintain()?;
        freed_memory::release();
        self.database().give_back()
    }

    fn check_writable(&self) -> Result<()> {
        if self.database().is_writable() {
            Ok(())
        } else {
            Err(Error::ReadOnly {
                path: self.path().to_owned(),
            })
        }
    }

    /// Makes the last sealed step of a layer a keyframe, where that is due.
    fn make_keyframe(&self, id: u32) -> Result<()> {
        let made = self.read(|view, index| {
            let layer = index.layer(view, id)?;
            let Some(at) = self.keyframe_due(&layer)? else {
                return Ok(None);
            };
            let reader = self.file_reader(view, index, &layer);
            by_width!(layer.row.dtype, E => {
                let set = TileSet::all(&layer.row.tiling());
                let state = reader.state::<E>(at, &set)?;
                let full = layer.keyframes.iter().rfind(|keyframe| keyframe.anchor.is_none());
                let anchor = match full.and_then(|full| layer.steps.binary_search(&full.step).ok()) {
                    Some(anchor) => Some((layer.steps[anchor], reader.state::<E>(anchor, &set)?)),
                    None => None,
                };
                Ok(Some(self.encode_keyframe(&layer, at, &state, anchor)))
            })
        })?;
        let Some((keyframe, blobs)) = made else {
            return Ok(());
        };
        self.database().write(Durability::Eventual, |batch| {
            let now = batch.keyframes(id)?;
            let has_anchor = |anchor| {
                now.iter()
                    .any(|other| other.step == anchor && other.anchor.is_none())
            };
            let pruned = batch.layers()?[id as usize].oldest >= keyframe.step;
            let there = now.iter().any(|other| other.step == keyframe.step);
            if pruned || there || !keyframe.anchor.is_none_or(has_anchor) {
                return Ok(());
            }
            let mut writer = BlobWriter::new(CHUNK_TILES);
            for blob in &blobs {
                writer.put(batch, blob, |run, data| {
                    KeyframeRow::blob_sum(id, keyframe.step, run, data)
                })?;
            }
            batch.put_keyframe(&KeyframeRow {
                blobs: writer.finish(),
                ..keyframe
            })
        })
    }

    /// The place of the last sealed step, if a keyframe there is worth its bytes.
    fn keyframe_due(&self, layer: &LayerIndex) -> Result<Option<usize>> {
        let sealed = layer.unsealed() - 1;
        let (frame, from) = layer.keyframe_before(sealed)?;
        let later = layer
            .groups
            .iter()
            .filter(|group| group.row.level > 0 && group.steps.start > from);
        let since: u64 = later.map(|group| group.row.blobs.cost()).sum();
        let raw = layer.row.raw_bytes() as u64;
        let full = layer
            .keyframes
            .iter()
            .rfind(|keyframe| keyframe.anchor.is_none());
        let full = full.map_or(raw, |full| full.blobs.cost());
        let expected = match frame {
            // The next one lies farther from the anchor.
            Some(frame) if frame.anchor.is_some() => (frame.blobs.cost() * 5 / 4).min(full),
            _ => full * 4 / 5,
        };
        // A full one then takes at most a quarter of what the changes since take, or as much.
        let affordable = match self.options().favor {
            Favor::Size => since / 5,
            Favor::Reads => since * 4 / 5,
        };
        // What the changes since take once they are in the dense coding, about.
        let affordable = match (self.options().codec, layer.row.dtype.size()) {
            (Codec::Dense, 2) => affordable * 3 / 5,
            _ => affordable,
        };
        // A store is never much larger than the checkpoints that went into it.
        let groups: u64 = layer
            .groups
            .iter()
            .map(|group| group.row.blobs.cost())
            .sum();
        let frames: u64 = layer
            .keyframes
            .iter()
            .map(|keyframe| keyframe.blobs.cost())
            .sum();
        let within = (groups + frames + expected) * 1000 <= raw * (sealed as u64 + 1) * 1012;
        Ok((sealed > from && expected <= affordable && within).then_some(sealed))
    }

    /// A keyframe whole, or as differences from the anchor where that is much smaller.
    fn encode_keyframe<E: HeadElement>(
        &self,
        layer: &LayerIndex,
        at: usize,
        state: &[E],
        anchor: Option<(i32, Vec<E>)>,
    ) -> (KeyframeRow, Vec<Vec<u8>>) {
        let tiling = layer.row.tiling();
        let encode = |anchor: Option<&[E]>| -> Vec<Vec<u8>> {
            let chunks: Vec<Range<usize>> = tiling.runs(CHUNK_TILES).collect();
            let one = |chunk: &Range<usize>| {
                let span = tiling.span(chunk.clone());
                encode_plane(&state[span.clone()], anchor.map(|anchor| &anchor[span]))
            };
            self.pool().install(|| chunks.par_iter().map(one).collect())
        };
        let size = |blobs: &[Vec<u8>]| blobs.iter().map(Vec::len).sum::<usize>();
        let row = |anchor| KeyframeRow {
            layer: layer.row.id,
            step: layer.steps[at],
            anchor,
            blobs: BlobWriter::new(CHUNK_TILES).finish(),
        };
        let full = encode(None);
        if let Some((step, anchor)) = anchor {
            let differences = encode(Some(&anchor));
            if size(&differences) * 4 < size(&full) * 3 {
                return (row(Some(step)), differences);
            }
        }
        (row(None), full)
    }

    /// The next steps of the journal to seal: eight, or fewer where `short`. They stay in the fast
    /// coding until they are compacted, which may be now.
    fn next_slab(&self, layer: &LayerIndex, short: bool, compacts: bool) -> Option<Job> {
        let (begin, end) = (layer.unsealed(), layer.steps.len());
        let steps = begin..end.min(begin + SLAB_STEPS);
        if steps.is_empty() || (steps.len() < SLAB_STEPS && !short) {
            return None;
        }
        let inside = layer.groups.iter().filter(|group| group.lies_in(&steps));
        let changes = inside.map(|group| group.row.changes).sum();
        Some(Job {
            layer: layer.row.id,
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
    fn next_merge(&self, layer: &LayerIndex) -> Option<Job> {
        segments(layer).find_map(|(groups, closed)| {
            let eights = groups.windows(SLAB_STEPS).find(|run| {
                run.iter().all(|group| group.row.level == run[0].row.level) && self.fits(layer, run)
            });
            if let Some(run) = eights {
                return Some(self.compaction(layer, run));
            }
            if !closed || self.options().codec == Codec::Fast {
                return None;
            }
            let mut packs = self.packs(layer, groups);
            let unmerged = packs.find(|run| run.len() > 1 || run[0].row.level == 1);
            unmerged.map(|run| self.compaction(layer, run))
        })
    }

    /// All merges and changes of the coding that make a layer smaller.
    fn every_merge(&self, layer: &LayerIndex) -> Vec<Job> {
        let packs = segments(layer).flat_map(|(groups, _)| self.packs(layer, groups));
        let merges = packs.map(|run| (run, self.compaction(layer, run)));
        let improves = |(run, job): &(&[Group], Job)| {
            let is_dense = run[0].row.codebook.is_some();
            run.len() > 1 || is_dense != (job.codec == Codec::Dense)
        };
        merges.filter(improves).map(|(_, job)| job).collect()
    }

    /// Neighbours cut into runs that are as long as possible.
    fn packs<'g>(
        &self,
        layer: &LayerIndex,
        groups: &'g [Group],
    ) -> impl Iterator<Item = &'g [Group]> {
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
    fn fits(&self, layer: &LayerIndex, run: &[Group]) -> bool {
        let changes: u64 = run.iter().map(|group| group.row.changes).sum();
        let steps: usize = run.iter().map(|group| group.row.steps).sum();
        let weights = layer.row.tiling().len() as u64;
        let codec = self.codec_for(layer, changes);
        let limit = match (self.options().favor, codec) {
            (Favor::Size, Codec::Dense) => 4 * weights,
            (Favor::Size, Codec::Fast) | (Favor::Reads, Codec::Dense) => weights,
            (Favor::Reads, Codec::Fast) => weights / 4,
        };
        changes <= limit && steps <= LONGEST_GROUP
    }

    /// The coding of a group with so many changes: blocks of single tiles do not pay where tiles
    /// hardly change.
    fn codec_for(&self, layer: &LayerIndex, changes: u64) -> Codec {
        if changes < LEAST_DENSE * layer.row.tiling().count() as u64 {
            Codec::Fast
        } else {
            self.options().codec
        }
    }

    fn compaction(&self, layer: &LayerIndex, run: &[Group]) -> Job {
        let changes = run.iter().map(|group| group.row.changes).sum();
        Job {
            layer: layer.row.id,
            steps: run[0].steps.start..run[run.len() - 1].steps.end,
            codec: self.codec_for(layer, changes),
            changes,
            compacts: true,
        }
    }
}

/// Sealed groups between keyframes, and whether a keyframe is after them.
fn segments(layer: &LayerIndex) -> impl Iterator<Item = (&[Group], bool)> {
    let at_keyframe = |place: usize| {
        let mut frames = layer.keyframes.iter();
        frames.any(|frame| frame.step == layer.steps[place])
    };
    let sealed = |group: &Group| group.row.level > 0 && group.hidden == 0;
    let together = move |a: &Group, b: &Group| {
        sealed(a) && sealed(b) && a.steps.end == b.steps.start && !at_keyframe(a.steps.end - 1)
    };
    let runs = layer.groups.chunk_by(together);
    runs.filter(move |run| sealed(&run[0]))
        .map(move |run| (run, at_keyframe(run[run.len() - 1].steps.end - 1)))
}
