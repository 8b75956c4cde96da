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
use super::options::Favor;
use super::reader::CHUNK_TILES;
use crate::history::{SLAB_STEPS, TileSet, encode_plane};
use crate::{Durability, Error, Result, freed_memory};

/// Bytes of SQLite's log from which on it is copied into the file.
const LONG_LOG: u64 = 8 << 20;

/// Unsealed steps from which on recording waits for sealing.
const BACKLOG: usize = 8 * SLAB_STEPS;

/// Changes that are merged in one transaction, about.
const TRANSACTION_CHANGES: u64 = 4 << 20;

/// Consecutive steps of a layer that are to become one group.
pub(super) struct Job {
    pub(super) layer: u32,
    /// Places in [`LayerIndex::steps`].
    pub(super) steps: Range<usize>,
    changes: u64,
}

impl Job {
    fn new(layer: &LayerIndex, steps: Range<usize>) -> Self {
        let inside = layer.groups.iter().filter(|group| group.lies_in(&steps));
        let changes = inside.map(|group| group.row.changes).sum();
        Job {
            layer: layer.row.id,
            steps,
            changes,
        }
    }
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
            let slabs = self.jobs(&layers, |layer| next_slab(layer, short))?;
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
        loop {
            let merges = self.jobs(&layers, |layer| self.next_merge(layer, eager))?;
            if merges.is_empty() {
                return Ok(());
            }
            self.merge_all(&merges)?;
        }
    }

    /// What is to be merged next, of each layer.
    fn jobs(
        &self,
        layers: &[u32],
        next: impl Fn(&LayerIndex) -> Option<Range<usize>>,
    ) -> Result<Vec<Job>> {
        self.read(|view, index| {
            let mut jobs = Vec::new();
            for &id in layers {
                let layer = index.layer(view, id)?;
                jobs.extend(next(&layer).map(|steps| Job::new(&layer, steps)));
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

    /// Neighbouring groups that are better one: eight of the same level, or any where `eager`.
    fn next_merge(&self, layer: &LayerIndex, eager: bool) -> Option<Range<usize>> {
        // Whoever asks for a step in the middle of a group decodes all of it.
        let weights = layer.row.tiling().len() as u64;
        let limit = match self.options().favor {
            Favor::Size => weights,
            Favor::Reads => weights / 4,
        };
        let fits = |run: &[Group]| {
            let changes: u64 = run.iter().map(|group| group.row.changes).sum();
            let steps: usize = run.iter().map(|group| group.row.steps).sum();
            changes <= limit && steps <= LONGEST_GROUP
        };
        let at_keyframe = |place: usize| {
            layer
                .keyframes
                .iter()
                .any(|frame| frame.step == layer.steps[place])
        };
        let together = |a: &Group, b: &Group| {
            let sealed = |group: &Group| group.row.level > 0 && group.hidden == 0;
            sealed(a) && sealed(b) && a.steps.end == b.steps.start && !at_keyframe(a.steps.end - 1)
        };
        let find = |neighbours: &[Group]| {
            if !eager {
                let same = |run: &&[Group]| {
                    run.iter().all(|group| group.row.level == run[0].row.level) && fits(run)
                };
                return neighbours.windows(SLAB_STEPS).find(same).map(span_of);
            }
            let mut begin = 0;
            while begin < neighbours.len() {
                let mut end = begin + 1;
                while end < neighbours.len() && fits(&neighbours[begin..=end]) {
                    end += 1;
                }
                if end - begin > 1 {
                    return Some(span_of(&neighbours[begin..end]));
                }
                begin = end;
            }
            None
        };
        layer.groups.chunk_by(together).find_map(find)
    }
}

fn span_of(run: &[Group]) -> Range<usize> {
    run[0].steps.start..run[run.len() - 1].steps.end
}

/// The next steps of the journal to seal: eight, or fewer where `short`.
fn next_slab(layer: &LayerIndex, short: bool) -> Option<Range<usize>> {
    let (begin, end) = (layer.unsealed(), layer.steps.len());
    let length = (end - begin).min(SLAB_STEPS);
    (length == SLAB_STEPS || (short && length > 0)).then_some(begin..begin + length)
}
