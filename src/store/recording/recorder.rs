use std::ops::{Deref, DerefMut};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::heads::Heads;
use super::open_step::OpenStep;
use crate::error::{Error, Result};
use crate::host::Watch;
use crate::store::database::Transaction;
use crate::store::note::metadata_from_json;
use crate::store::reading::{Sources, tensor_of};
use crate::store::report::ModelWeights;
use crate::values::Checkpoint;

/// Brings a store from one step to the next.
pub(crate) struct Recorder {
    pub(super) sources: Arc<Sources>,
    /// Held by whoever brings the store to its next step.
    turn: Mutex<()>,
    /// What is being accumulated. Looked at with the turn.
    open: Mutex<Option<OpenStep>>,
    /// Made when first something is written, or the latest state is asked for.
    heads: RwLock<Option<Heads>>,
    watch: Watch,
    /// Rung when there is enough to seal.
    bell: Mutex<Option<SyncSender<()>>>,
}

/// The heads, which are loaded.
pub(crate) struct LoadedHeads<'r>(RwLockReadGuard<'r, Option<Heads>>);

impl Deref for LoadedHeads<'_> {
    type Target = Heads;

    fn deref(&self) -> &Heads {
        self.0.as_ref().expect("looked at when it was made")
    }
}

/// Where the heads are, if they have been loaded.
pub(crate) type HeadsSlot<'r> = RwLockWriteGuard<'r, Option<Heads>>;

/// The heads, which are loaded, to be changed.
pub(super) struct LoadedHeadsMut<'r>(HeadsSlot<'r>);

impl<'r> LoadedHeadsMut<'r> {
    /// Has them read again when they are asked for.
    pub(super) fn forget(mut self) {
        *self.0 = None;
    }

    pub(super) fn into_slot(self) -> HeadsSlot<'r> {
        self.0
    }
}

impl Deref for LoadedHeadsMut<'_> {
    type Target = Heads;

    fn deref(&self) -> &Heads {
        self.0.as_ref().expect("looked at when it was made")
    }
}

impl DerefMut for LoadedHeadsMut<'_> {
    fn deref_mut(&mut self) -> &mut Heads {
        self.0.as_mut().expect("looked at when it was made")
    }
}

impl Recorder {
    pub(crate) fn new(sources: Arc<Sources>) -> Self {
        Recorder {
            sources,
            turn: Mutex::new(()),
            open: Mutex::new(None),
            heads: RwLock::new(None),
            watch: Watch::new(),
            bell: Mutex::new(None),
        }
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The right to bring the store to its next step. Errors: `ReadOnly`.
    pub(crate) fn write_turn(&self) -> Result<MutexGuard<'_, ()>> {
        self.sources.database().check_writable()?;
        Ok(self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes in one transaction, as safely as steps are to be. The caller has the turn.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Transaction) -> Result<T>) -> Result<T> {
        let durability = self.sources.options().durability;
        self.sources.database().write(durability, work)
    }

    /// The open step. The caller has the turn.
    pub(crate) fn open_step(&self) -> MutexGuard<'_, Option<OpenStep>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The heads, read from the file if they are not there yet. The caller may hold the turn.
    pub(crate) fn heads(&self) -> Result<LoadedHeads<'_>> {
        loop {
            let heads = self.heads.read().map_err(|_| Error::Poisoned)?;
            if heads.is_some() {
                return Ok(LoadedHeads(heads));
            }
            drop(heads);
            self.heads_mut()?;
        }
    }

    pub(super) fn heads_mut(&self) -> Result<LoadedHeadsMut<'_>> {
        let mut heads = self.heads_slot()?;
        if heads.is_none() {
            *heads = Some(Heads::load(&self.sources)?);
        }
        Ok(LoadedHeadsMut(heads))
    }

    /// Asks something of the heads, if they are there.
    pub(crate) fn peek_at_heads<T>(&self, ask: impl FnOnce(&Heads) -> T) -> Result<Option<T>> {
        let heads = self.heads.read().map_err(|_| Error::Poisoned)?;
        Ok(heads.as_ref().map(ask))
    }

    /// The heads, if they are there: who changes what they say brings them up to date with it, or has
    /// them read again by leaving `None`.
    pub(crate) fn heads_slot(&self) -> Result<HeadsSlot<'_>> {
        self.heads.write().map_err(|_| Error::Poisoned)
    }

    /// All tensors after the latest step.
    pub(crate) fn latest(&self) -> Result<ModelWeights> {
        if !self.sources.database().is_writable() {
            return self.sources.weights_at(usize::MAX);
        }
        let heads = self.heads()?;
        let tensors = heads
            .layers
            .iter()
            .map(|head| tensor_of(&head.row, head.state.to_bytes(&head.row)))
            .collect();
        let metadata = metadata_from_json(&heads.metadata)
            .ok_or_else(|| Error::damaged("a checkpoint's metadata is no JSON object"))?;
        Ok(ModelWeights {
            timestep: heads.latest.unwrap_or(0) as usize,
            checkpoint: Checkpoint { tensors, metadata },
        })
    }

    /// Rings from now on whenever there is enough to seal; with `None` never again.
    pub(crate) fn set_bell(&self, bell: Option<SyncSender<()>>) {
        *self.bell.lock().unwrap_or_else(PoisonError::into_inner) = bell;
    }

    pub(super) fn ring(&self) {
        if let Some(bell) = &*self.bell.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = bell.try_send(()); // full: it will be heard anyway
        }
    }
}
