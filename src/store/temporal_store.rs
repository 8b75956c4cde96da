use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use super::step_writer::StepWriter;
use super::stored_layer::StoredLayer;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::host::{Progress, StepStream, blocking};
use crate::queries::evolution::ModelEvolution;
use crate::store::engine::Handle;
use crate::store::options::{RecordOptions, StoreOptions};
use crate::store::report::{LayerInfo, ModelWeights, Recorded, StepInfo, StoreStats, Verified};
use crate::values::{Checkpoint, Pruned, Retention};

/// Many named layers over time, durable: every step of a run in one file, bit for bit.
///
/// A handle: cloning it is cheap, and all clones are one store. One process at a time has a store
/// open for writing; any number read it, beside a run that is being recorded too. A read sees one
/// consistent state of the store.
///
/// History rests compressed. A step is committed to the *journal*; every eight steps the journal is
/// *sealed* into blocks, where the steps of one weight lie together; *keyframes* bound how much must
/// be added up to read an old step; *compaction* merges small blocks. All that happens behind
/// recording, on a thread of the store's own.
///
/// *Cancellation.* Dropping the future of a write that has started does not stop it: it is done
/// whole, or fails and changes nothing. Dropping the future of a read wastes its work. Dropping the
/// last handle waits for the work behind recording that has started.
#[derive(Clone)]
pub struct TemporalStore {
    store: Arc<Handle>,
}

impl TemporalStore {
    /// Makes a new store in a file. The file appears whole or not at all.
    ///
    /// Errors: `AlreadyExists`, `InUse`, `Io`.
    pub async fn create(path: impl Into<PathBuf>, options: StoreOptions) -> Result<Self> {
        let path = path.into();
        blocking::run(move || Handle::create(&path, options))
            .await
            .map(Self::from)
    }

    /// Opens a store for writing. Errors: `Io`, `NotAStore`, `NewerFormat`, `InUse`, `Damaged`.
    pub async fn open(path: impl Into<PathBuf>, options: StoreOptions) -> Result<Self> {
        let path = path.into();
        blocking::run(move || Handle::open(&path, options))
            .await
            .map(Self::from)
    }

    /// Opens a store for writing, or makes a new one where there is no file. Errors: `Io`, `NotAStore`,
    /// `NewerFormat`, `InUse`, `Damaged`.
    pub async fn open_or_create(path: impl Into<PathBuf>, options: StoreOptions) -> Result<Self> {
        let path = path.into();
        blocking::run(move || Handle::open_or_create(&path, options))
            .await
            .map(Self::from)
    }

    /// Opens a store for reading, beside whoever writes. Errors: `Io`, `NotAStore`, `NewerFormat`,
    /// `Damaged`.
    pub async fn open_read_only(path: impl Into<PathBuf>, options: StoreOptions) -> Result<Self> {
        let path = path.into();
        blocking::run(move || Handle::open_read_only(&path, options))
            .await
            .map(Self::from)
    }

    /// A new store that goes with the process. A read sees it as it was when the read began, whatever is
    /// written meanwhile.
    pub fn in_memory(options: StoreOptions) -> Result<Self> {
        Ok(Handle::in_memory(options)?.into())
    }

    /// Adds a layer of zeros, whose base can still be stored. Errors: `InvalidShape`,
    /// `LayerExists`, `NotAMatrix` for types other than F32, BF16 and F16, `ReadOnly`.
    pub async fn create_layer(
        &self,
        name: &str,
        dtype: Dtype,
        rows: i32,
        cols: i32,
    ) -> Result<StoredLayer> {
        let name = name.to_owned();
        self.store
            .run(move |store| {
                let key = store.recorder().create_layer(&name, dtype, rows, cols)?;
                Ok(StoredLayer::new(store, key))
            })
            .await
    }

    /// A layer of the store. Errors: `NoSuchLayer`, `NotAMatrix`.
    pub async fn layer(&self, name: &str) -> Result<StoredLayer> {
        let name = name.to_owned();
        self.store
            .run(move |store| {
                let key = store.sources().find_layer(&name)?;
                Ok(StoredLayer::new(store, key))
            })
            .await
    }

    /// All layers, in the order in which they came into the store.
    pub async fn layers(&self) -> Result<Vec<LayerInfo>> {
        self.store.run(|store| store.sources().layers()).await
    }

    /// The retained steps, ascending, with their times and notes.
    pub async fn steps(&self) -> Result<Vec<StepInfo>> {
        self.store.run(|store| store.sources().steps()).await
    }

    /// Begins step `t`, to which tensors and changes of layers are added before it is committed as
    /// one. Nothing is written before that.
    pub fn begin_step(&self, t: usize) -> StepWriter {
        StepWriter::new(&self.store, Some(t))
    }

    /// Records a checkpoint as a step: what changed against the store's own latest state. With
    /// `step` `None` it is the first step 0, else the one after the latest.
    ///
    /// With the default options every tensor comes back bit for bit. The tensors' names, types and
    /// shapes are those of the first checkpoint.
    ///
    /// Errors: `StepOutOfOrder`, `InvalidStep`, `MissingTensor`, `NewTensor`, `TensorMismatch`,
    /// `DuplicateTensor`, `TensorLength`, `InvalidThreshold`, `NothingToSnap`, `ReadOnly`, `Io`.
    pub async fn record(
        &self,
        step: Option<usize>,
        checkpoint: Checkpoint,
        options: RecordOptions,
    ) -> Result<Recorded> {
        StepWriter::new(&self.store, step)
            .checkpoint(checkpoint, options)
            .commit()
            .await
    }

    /// All tensors as of time `t`: of each layer the newest state not after it. Layers that came
    /// later are not among them. Every state is checked against the digest of what was recorded.
    ///
    /// Errors: `Pruned`, `Damaged`.
    pub async fn weights_at(&self, t: usize) -> Result<ModelWeights> {
        self.store
            .run(move |store| store.sources().weights_at(t))
            .await
    }

    /// All tensors after step `t` itself: where `weights_at` would answer with an earlier step, this
    /// is an error that names the steps around `t`. Errors: `Pruned`, `NoSuchStep`, `Damaged`.
    pub async fn weights_at_step(&self, t: usize) -> Result<ModelWeights> {
        self.store
            .run(move |store| store.sources().weights_at_step(t))
            .await
    }

    /// All tensors after the latest step. Where the store is open for writing they are at hand and
    /// cost a copy.
    pub async fn latest(&self) -> Result<ModelWeights> {
        self.store.run(|store| store.recorder().latest()).await
    }

    /// Tells of every step that is committed from now on, in order. Whoever is slow to read it holds
    /// nobody up, and is told what it missed.
    pub fn subscribe(&self) -> StepStream {
        self.store.recorder().watch().subscribe(None)
    }

    /// Commits what has been accumulated into the layers' open step, as one step, and says which it
    /// is; `None` where none is open. Errors: `OffLattice`, `Io`: the step stays open then.
    pub async fn commit_accumulated(&self) -> Result<Option<usize>> {
        self.store.run(|store| store.commit_accumulated(None)).await
    }

    /// Drops the steps of all layers after time `t`, and layers that began after it, and says how
    /// many steps there were. Steps after `t` can be recorded anew, against the state at `t`.
    ///
    /// Errors: `Pruned`; `Pinned` for a step with a tag; `LayerBeganLater` where a layer that began
    /// after `t` came before one that stays; `ReadOnly`, `Io`.
    pub async fn rollback(&self, t: usize) -> Result<usize> {
        self.store
            .run(move |store| store.upkeep().rollback(None, t))
            .await
    }

    /// Names step `t`, which some layer must have, and pins it: no policy drops it, and neither
    /// `prune_history` nor a rollback does.
    ///
    /// Errors: `InvalidTag`, `TagExists`, `Pruned`, `NoSuchStep`, `ReadOnly`, `Io`.
    pub async fn tag(&self, name: &str, t: usize) -> Result<()> {
        let name = name.to_owned();
        self.store
            .run(move |store| store.recorder().tag(None, &name, t))
            .await
    }

    /// Takes a tag away and says which step it was at. Errors: `NoSuchTag`, `ReadOnly`, `Io`.
    pub async fn untag(&self, name: &str) -> Result<usize> {
        let name = name.to_owned();
        self.store
            .run(move |store| store.recorder().untag(None, &name))
            .await
    }

    /// The tags, and the steps they are at.
    pub async fn tags(&self) -> Result<BTreeMap<String, usize>> {
        self.store.run(|store| store.sources().tags(None)).await
    }

    /// The step that a tag is at. Errors: `NoSuchTag`.
    pub async fn tagged(&self, name: &str) -> Result<usize> {
        let name = name.to_owned();
        self.store
            .run(move |store| store.sources().tagged(&name))
            .await
    }

    /// Sets which steps of all layers stay from now on; a layer's own policy, set after it, goes
    /// before it. It is kept in the file, and applied as steps are committed: see
    /// [`TemporalLayer::set_retention`](crate::TemporalLayer::set_retention).
    ///
    /// Errors: `KeepsNothing`, `TiersDoNotNest`, `ReadOnly`, `Io`.
    pub async fn set_retention(&self, retention: Retention) -> Result<()> {
        self.store
            .run(move |store| store.recorder().set_retention(None, retention))
            .await
    }

    /// Which steps stay, of the layers that have no policy of their own.
    pub async fn retention(&self) -> Result<Retention> {
        self.store
            .run(|store| store.sources().retention(None))
            .await
    }

    /// Applies a policy once to all layers, now, in one transaction. Every state that stays keeps
    /// its bits. What is freed is used for later steps; [`compact`](Self::compact) gives it back to
    /// the file system. Recording waits meanwhile.
    ///
    /// Errors: `KeepsNothing`, `TiersDoNotNest`, `ReadOnly`, `Io`, `Damaged`.
    pub async fn prune(&self, retention: &Retention) -> Result<Pruned> {
        let retention = retention.clone();
        self.store
            .run(move |store| store.upkeep().prune(None, &retention, false))
            .await
    }

    /// What [`prune`](Self::prune) would do, found out by doing it in a transaction that is then
    /// taken back: it can take as long. Errors: `KeepsNothing`, `TiersDoNotNest`, `ReadOnly`, `Io`,
    /// `Damaged`.
    pub async fn plan_prune(&self, retention: &Retention) -> Result<Pruned> {
        let retention = retention.clone();
        self.store
            .run(move |store| store.upkeep().prune(None, &retention, true))
            .await
    }

    /// How layers moved in the retained steps of a range of times: some of them, or with `None` all
    /// that are matrices, in one snapshot; with the `top` most active weights of each. `progress` is
    /// told how many tiles of layers are done; dropping the future stops the work. Of one layer alone
    /// [`TemporalQueries::evolution`](crate::TemporalQueries::evolution) asks.
    ///
    /// Errors: `NoSuchLayer`, `NotAMatrix`, `OutOfMemory`, `Cancelled`, `Damaged`.
    pub async fn evolution(
        &self,
        layers: Option<&[String]>,
        times: RangeInclusive<usize>,
        top: usize,
        progress: &Progress,
    ) -> Result<ModelEvolution> {
        let layers = layers.map(<[String]>::to_vec);
        let (_stopper, task) = progress.begin();
        self.store
            .run(move |store| {
                store
                    .sources()
                    .model_evolution(layers.as_deref(), &times, top, &task)
            })
            .await
    }

    /// Sizes: of the file, and of what is in it.
    pub async fn stats(&self) -> Result<StoreStats> {
        self.store.run(|store| store.sources().stats()).await
    }

    /// Reads everything, and compares it with checksums, manifests, the chain of commits and the
    /// digests of states. `progress` is told how many steps of layers are done, out of how many.
    ///
    /// Errors: `Damaged`, for the first thing that is wrong.
    pub async fn verify(
        &self,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<Verified> {
        self.store
            .run(move |store| store.sources().verify(progress))
            .await
    }

    /// Seals the whole journal, the last slab being short, and merges what merges well.
    pub async fn seal(&self) -> Result<()> {
        self.store.run(|store| store.upkeep().seal()).await
    }

    /// Seals, applies the policies that were set, merges neighbouring blocks as far as reading old
    /// steps does not suffer, and gives free space back to the file system.
    pub async fn compact(&self) -> Result<()> {
        self.store.run(|store| store.upkeep().compact()).await
    }

    /// Waits for the work behind recording, copies the log into the file and gives free space back
    /// to the file system. Errors: what that work failed with; the steps themselves are safe then.
    pub async fn settle(&self) -> Result<()> {
        self.store.run(|store| store.upkeep().settle()).await
    }
}

impl From<Handle> for TemporalStore {
    fn from(store: Handle) -> Self {
        TemporalStore {
            store: Arc::new(store),
        }
    }
}

impl fmt::Debug for TemporalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporalStore")
            .field("path", &self.store.path())
            .finish()
    }
}
