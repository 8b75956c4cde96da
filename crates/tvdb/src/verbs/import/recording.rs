//! Recording what was read: all of it or nothing.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use tempfile::{Builder, TempPath};
use temporal_vdb::{
    Delta, Durability, Error, Retention, StoreOptions, TemporalStore, Tensor, Threshold,
};

use super::Incoming;
use super::exchange::Header;
use super::reading::Spool;
use crate::screen::failure::with_hint;
use crate::screen::progress::Progress;

/// Records the layers, and says how large the store is then. Where there is no store, one is made aside
/// and gets its name when it is complete; in one that is there the steps are taken back if anything
/// fails.
pub(super) async fn record(
    path: &Path,
    incoming: Vec<Incoming>,
    progress: &Progress,
) -> Result<u64> {
    check_names(&incoming)?;
    // The disk is waited for at the end.
    let options = StoreOptions {
        durability: Durability::Eventual,
        ..StoreOptions::default()
    };
    if !path.exists() {
        return record_anew(path, incoming, options, progress).await;
    }
    let store = TemporalStore::open(path, options).await?;
    check_fit(&store, path, &incoming).await?;
    let Some(latest) = store.steps().await?.last().map(|step| step.step) else {
        // There is no step to go back to if anything fails.
        let error = anyhow!("{} is a store without a step", path.display());
        return Err(with_hint(error, "move it away: import makes a new one"));
    };
    if store.retention().await? != Retention::KeepAll {
        // Steps that it drops meanwhile could not be brought back.
        let error = anyhow!("{} has a policy that drops steps", path.display());
        let hint = "import into a store of its own, or set the policy to all first";
        return Err(with_hint(error, hint));
    }
    let undo = Undo::new(&store, latest);
    let appended = append(&store, incoming, progress).await;
    undo.not_needed();
    if let Err(error) = appended {
        let undone = store.rollback(latest).await;
        return match undone {
            Ok(_) => Err(error),
            Err(other) => Err(error.context(format!(
                "steps after {latest} stay in {}: taking them back failed: {other}",
                path.display()
            ))),
        };
    }
    store.settle().await?;
    Ok(store.stats().await?.file_bytes())
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// What a store that is gone has left behind would be taken for the new one's.
fn check_alone(path: &Path) -> Result<()> {
    for ending in ["-wal", "-journal"] {
        let mut left = path.as_os_str().to_owned();
        left.push(ending);
        let left = PathBuf::from(left);
        if left.exists() {
            let error = anyhow!("{} is there, and its store is not", left.display());
            return Err(with_hint(error, "move it away, or bring the store back"));
        }
    }
    Ok(())
}

async fn record_anew(
    path: &Path,
    incoming: Vec<Incoming>,
    options: StoreOptions,
    progress: &Progress,
) -> Result<u64> {
    let parent = folder_of(path);
    check_alone(path)?;
    let cannot = || format!("cannot write to the folder {}", parent.display());
    let folder = Builder::new()
        .prefix(".tvdb-import-")
        .tempdir_in(parent)
        .with_context(cannot)?;
    let made = folder.path().join("run.tvdb");
    let store = TemporalStore::create(&made, options).await?;
    append(&store, incoming, progress).await?;
    store.settle().await?;
    let size = store.stats().await?.file_bytes();
    drop(store);
    File::open(&made)?.sync_all().with_context(cannot)?;
    // Not over one that somebody else has made meanwhile.
    TempPath::try_from_path(&made)?
        .persist_noclobber(path)
        .map_err(|error| Error::Io {
            path: path.to_owned(),
            source: error.error,
        })?;
    File::open(parent)?.sync_all().with_context(cannot)?;
    Ok(size)
}

fn check_names(incoming: &[Incoming]) -> Result<()> {
    for (at, one) in incoming.iter().enumerate() {
        let name = &one.layer.name;
        if let Some(other) = incoming[..at]
            .iter()
            .find(|other| other.layer.name == *name)
        {
            let error = anyhow!(
                "{} and {} are both layer '{name}'",
                other.file.display(),
                one.file.display()
            );
            return Err(with_hint(error, "import one of them with --layer NAME"));
        }
    }
    Ok(())
}

/// The layers are new to the store, and all their steps come after its latest.
async fn check_fit(store: &TemporalStore, path: &Path, incoming: &[Incoming]) -> Result<()> {
    let layers = store.layers().await?;
    let latest = store.steps().await?.last().map(|step| step.step);
    for one in incoming {
        let name = &one.layer.name;
        if layers.iter().any(|layer| layer.name == *name) {
            let error = Error::LayerExists { name: name.clone() };
            let error = anyhow::Error::new(error).context(path.display().to_string());
            return Err(with_hint(error, "give it another name: --layer NAME"));
        }
        if let Some(latest) = latest.filter(|latest| one.layer.oldest <= *latest) {
            let error = anyhow!(
                "{}: layer '{name}' begins at step {}, and {} is at step {latest} already: time moves forward",
                one.file.display(),
                one.layer.oldest,
                path.display()
            );
            return Err(with_hint(
                error,
                "import it into a store of its own; files of one run can be imported together",
            ));
        }
    }
    Ok(())
}

/// A layer that is being recorded.
struct Line {
    file: PathBuf,
    layer: Header,
    spool: Spool,
    /// Steps that are still to come after `next`.
    left: u64,
    next: Option<Next>,
}

enum Next {
    Base,
    Step(usize, Delta),
}

impl Line {
    fn new(incoming: Incoming) -> Self {
        Line {
            left: incoming.layer.steps,
            file: incoming.file,
            layer: incoming.layer,
            spool: incoming.spool,
            next: Some(Next::Base),
        }
    }

    /// The step that comes next.
    fn step(&self) -> Option<usize> {
        match &self.next {
            None => None,
            Some(Next::Base) => Some(self.layer.oldest),
            Some(Next::Step(step, _)) => Some(*step),
        }
    }

    fn advance(&mut self) -> Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            self.next = None;
            return self.spool.end();
        };
        let (step, delta) = self.spool.step()?;
        self.left = left;
        self.next = Some(Next::Step(step, delta));
        Ok(())
    }
}

/// Records all steps of all layers, in their order.
async fn append(store: &TemporalStore, incoming: Vec<Incoming>, progress: &Progress) -> Result<()> {
    let mut lines: Vec<_> = incoming.into_iter().map(Line::new).collect();
    let all = lines.iter().map(|line| line.layer.steps + 1).sum();
    let mut done = 0;
    progress.doing("recording");
    while let Some(step) = lines.iter().filter_map(Line::step).min() {
        let mut writer = store.begin_step(step);
        for line in lines.iter_mut().filter(|line| line.step() == Some(step)) {
            if let Some(Next::Step(_, delta)) = &line.next {
                writer = writer.changes(&line.layer.name, delta);
            } else {
                writer = writer.tensor(base(line)?, Threshold::Lossless);
            }
            let advanced = line.advance();
            advanced.with_context(|| format!("cannot import {}", line.file.display()))?;
            done += 1;
        }
        writer.commit().await?;
        progress.at(done, all);
    }
    Ok(())
}

/// The base as a tensor of the type and the shape that the layer has.
fn base(line: &mut Line) -> Result<Tensor> {
    let Line {
        file, layer, spool, ..
    } = line;
    let (dtype, cols) = (layer.dtype, layer.shape.1 as usize);
    let elements = layer
        .tensor_shape
        .iter()
        .try_fold(1usize, |product, &axis| product.checked_mul(axis));
    let size = elements.and_then(|elements| elements.checked_mul(dtype.size()));
    let size = size.ok_or(Error::OutOfMemory)?;
    let mut data = Vec::new();
    data.try_reserve_exact(size)
        .map_err(|_| Error::OutOfMemory)?;
    data.resize(size, 0);
    spool.base(|voxel| {
        let at = voxel.row as usize * cols + voxel.col as usize;
        let element = dtype
            .narrow(voxel.value)
            .filter(|_| at < size / dtype.size());
        let element = element.with_context(|| {
            format!(
                "{}: weight ({}, {}) is {}, which no {dtype} tensor of that shape has",
                file.display(),
                voxel.row,
                voxel.col,
                voxel.value
            )
        })?;
        let width = dtype.size();
        data[at * width..][..width].copy_from_slice(&element.to_le_bytes()[..width]);
        Ok(())
    })?;
    Ok(Tensor {
        name: layer.name.clone(),
        dtype,
        shape: layer.tensor_shape.clone(),
        data: Bytes::from(data),
    })
}

/// Takes the steps after `latest` back when it is dropped, unless they are to stay: a signal that ends
/// the program drops what it is doing.
struct Undo<'a> {
    store: &'a TemporalStore,
    latest: Option<usize>,
}

impl<'a> Undo<'a> {
    fn new(store: &'a TemporalStore, latest: usize) -> Self {
        Undo {
            store,
            latest: Some(latest),
        }
    }

    fn not_needed(mut self) {
        self.latest = None;
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let Some(latest) = self.latest else { return };
        // Not on this thread, which belongs to the runtime.
        let store = self.store.clone();
        let rolled_back = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
            runtime.block_on(store.rollback(latest)).ok()
        });
        let _ = rolled_back.join();
    }
}
