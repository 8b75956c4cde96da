//! Reading a file in a process of its own. OpenVDB's reader, and what unpacks its chunks, believe much of
//! what they read: where they crash, or go on and on, it is that process which ends.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use temporal_vdb::{Error, Layer, StorageOptions, VdbGrid};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::exchange::{self, Reader};

/// The verb that reads a file in a process of its own.
pub(crate) const READ_VERB: &str = "__read-vdb";

/// What the process may take besides what its grid does.
const MEMORY: u64 = 512 << 20;
const SECONDS: u64 = 20;

/// Bytes of a grid, or of a file, that are read in a second at the very least.
const SLOWEST: u64 = 4 << 20;

/// Read a grid and write it to standard output, for `tvdb import`
#[derive(Args)]
pub(crate) struct ReadOptions {
    file: PathBuf,

    /// The grid's name
    #[arg(long)]
    grid: Option<String>,

    /// The most bytes of address space
    #[arg(long)]
    memory: u64,

    /// The most seconds of a processor
    #[arg(long)]
    seconds: u64,
}

/// What the process does that reads: it limits itself, reads, and writes what it has read.
pub(crate) fn read_alone(options: &ReadOptions) -> ExitCode {
    match limit(options).and_then(|()| read(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // nobody reads what it could say
    }
}

fn limit(options: &ReadOptions) -> Result<()> {
    // Whoever waits for it may be killed.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let most = |resource, most: u64| {
        let most = getrlimit(resource)
            .maximum
            .map_or(most, |known| known.min(most));
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)
    };
    most(Resource::As, options.memory)?;
    most(Resource::Cpu, options.seconds)?;
    most(Resource::Core, 0)?;
    // One processor is enough, and then nothing starts threads, each of which takes address space.
    if let Ok(allowed) = sched_getaffinity(None)
        && let Some(one) = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu))
    {
        let mut only = CpuSet::new();
        only.set(one);
        let _ = sched_setaffinity(None, &only);
    }
    Ok(())
}

fn read(options: &ReadOptions) -> Result<()> {
    let storage = StorageOptions {
        threads: Some(NonZeroUsize::MIN),
        ..StorageOptions::default()
    };
    let layer = Layer::open_vdb(&options.file, options.grid.as_deref(), storage);
    if let Err(Error::OutOfMemory) = layer {
        bail!("out of memory");
    }
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    exchange::write(&mut out, &layer)?;
    out.flush()?;
    // The process ends: taking the grid apart would be for nothing.
    std::mem::forget(layer);
    Ok(())
}

/// A layer that has been read, and waits in a file without a name.
pub(super) type Spool = Reader<BufReader<File>>;

/// Reads a grid that has been checked, within limits that follow from what was counted: the one that was
/// asked for, if any was. What was read waits in `folder`.
///
/// # Errors
///
/// If the file is damaged, whatever comes of that.
pub(super) async fn spool(checked: &VdbGrid, asked: Option<&str>, folder: &Path) -> Result<Spool> {
    let path = checked.path();
    let size = path.metadata().map_or(0, |metadata| metadata.len());
    let voxels = checked.voxels();
    let memory = MEMORY
        .saturating_add(checked.memory_bytes().saturating_mul(2))
        .saturating_add(voxels.saturating_mul(32))
        .saturating_add(checked.most_steps().saturating_mul(32));
    let seconds = SECONDS + (checked.memory_bytes().saturating_add(size)) / SLOWEST;
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let mut child = Command::new(program)
        .arg(READ_VERB)
        .args(asked.map(|name| format!("--grid={name}")))
        .arg(format!("--memory={memory}"))
        .arg(format!("--seconds={seconds}"))
        .arg("--")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the process that reads the file")?;
    let mut output = child.stdout.take().context("the process has no output")?;

    let most = exchange::most_bytes(voxels, checked.most_steps());
    let mut file = BufWriter::new(
        tempfile::tempfile_in(folder)
            .with_context(|| format!("cannot write to the folder {}", folder.display()))?,
    );
    let mut copied = 0;
    let transfer = async {
        let mut bytes = vec![0; 1 << 16];
        loop {
            let count = output.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            copied += count as u64;
            if copied > most {
                return Err(anyhow!(damaged(path, "it gave more than it holds")));
            }
            file.write_all(&bytes[..count])
                .context("cannot write a temporary file")?;
        }
    };
    // Others may be using the processors.
    let patience = Duration::from_secs(seconds.saturating_mul(5));
    let waited = tokio::time::timeout(patience, async {
        transfer.await?;
        Ok::<_, anyhow::Error>(child.wait().await?)
    });
    let status = match waited.await {
        Ok(ended) => ended?,
        Err(_) => {
            return Err(damaged(
                path,
                &format!("it was not read within {} s", patience.as_secs()),
            ));
        }
    };
    if !status.success() {
        let why = format!(
            "reading it ended with {status}, within {} MB of memory and {seconds} s",
            memory >> 20
        );
        return Err(damaged(path, &why));
    }
    let mut file = file.into_inner().context("cannot write a temporary file")?;
    file.rewind().context("cannot read a temporary file")?;
    Ok(Reader::new(BufReader::new(file), copied))
}

fn damaged(path: &Path, why: &str) -> anyhow::Error {
    anyhow!("{}: the file is damaged: {why}", path.display())
}
