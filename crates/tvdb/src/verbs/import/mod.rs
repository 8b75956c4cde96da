//! `tvdb import`: volumes become layers of a store.

mod exchange;
mod reading;
mod recording;

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use serde_json::json;
use temporal_vdb::{MAX_STEP, VdbGrid};

use crate::background;
use crate::screen::failure::{with_hint, wrong_usage};
use crate::screen::numbers::{bytes, counted};
use crate::screen::output;
use crate::screen::progress::Progress;
use exchange::Header;
use reading::Spool;
pub(crate) use reading::{READ_VERB, ReadOptions, read_alone};

/// Make layers of OpenVDB volumes
///
/// A file that `tvdb export --exact` wrote becomes the layer
/// that it was, with its history, bit for bit. A float grid of
/// any other program is read the same way: x is the row, y the
/// column, z the step; at z = 0 is the base, at each later z
/// what step z adds. Files of one run can be given together.
/// A damaged file changes nothing.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// OpenVDB files
    #[arg(value_name = "FILE.vdb", required = true)]
    files: Vec<PathBuf>,

    /// The store; it is made if it is missing
    #[arg(value_name = "RUN.tvdb", required = true)]
    store: PathBuf,

    /// The grid to read, where a file holds several
    #[arg(long, value_name = "NAME")]
    grid: Option<String>,

    /// The layer's name, if it is not to be the grid's
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
}

/// A layer that has been read from a file and checked, and is not recorded yet.
struct Incoming {
    file: PathBuf,
    grid: String,
    is_exact: bool,
    layer: Header,
    /// Where its weights and changes are.
    spool: Spool,
}

/// How many weights a grid may have that is no layer of ours: so many, or so many for each voxel. One
/// far voxel, be it a slip or damage, would make a matrix of any size.
const MOST_WEIGHTS: u64 = 1 << 25;
const MOST_PER_VOXEL: u64 = 16;

/// The same for layers of ours, which say their shape.
const MOST_STATED_WEIGHTS: u64 = 1 << 27;

/// Reads the files, and records what is in them.
///
/// # Errors
///
/// If a file is damaged or no layer, or if a layer does not fit into the store, which is then as it was.
pub(crate) async fn run(options: &Options, json: bool) -> Result<()> {
    check_arguments(options)?;
    let progress = Progress::new(0);
    let mut incoming = Vec::new();
    for file in &options.files {
        progress.doing(format!("reading {}", file.display()));
        incoming.push(read(file, options).await?);
    }
    let layers: Vec<_> = incoming.iter().map(Report::of).collect();
    let size = recording::record(&options.store, incoming, &progress).await?;
    drop(progress);
    output::print(&if json {
        to_json(&options.store, &layers, size)
    } else {
        to_text(&options.store, &layers, size)
    })
}

fn check_arguments(options: &Options) -> Result<()> {
    if options.files.len() > 1 && (options.grid.is_some() || options.layer.is_some()) {
        let error = anyhow!("--grid and --layer are for one file");
        return Err(wrong_usage(error, "import the files one by one"));
    }
    if options
        .store
        .extension()
        .is_some_and(|extension| extension == "vdb")
    {
        let error = anyhow!(
            "{} is named as a volume, not as a store",
            options.store.display()
        );
        return Err(wrong_usage(
            error,
            "the store comes last: tvdb import FILE.vdb... RUN.tvdb",
        ));
    }
    Ok(())
}

/// Checks a file, has it read, and checks what came.
async fn read(file: &Path, options: &Options) -> Result<Incoming> {
    let (path, grid) = (file.to_owned(), options.grid.clone());
    let checked = background::run(move || Ok(VdbGrid::check(&path, grid.as_deref()))).await?;
    let checked = checked.map_err(explain)?;
    check_weights(&checked)?;
    let folder = recording::folder_of(&options.store);
    let mut spool = reading::spool(&checked, options.grid.as_deref(), folder).await?;
    let found = spool.header()?;
    // Names in a file are anybody's: what comes from the process is put on the screen.
    let plain = |why: String| why.replace(char::is_control, "?");
    let mut layer = found.map_err(|why| anyhow!("{}", plain(why)))?;
    ensure!(
        layer.shape == checked.shape() && layer.steps <= checked.most_steps(),
        "{}: what was read is not what was found in it before",
        file.display()
    );
    ensure!(
        layer.oldest <= MAX_STEP,
        "{}: it begins after all steps",
        file.display()
    );
    if let Some(name) = &options.layer {
        layer.name.clone_from(name);
    }
    if layer.name.is_empty() || layer.name.contains(char::is_control) {
        let error = anyhow!(
            "{}: the grid has no name that a layer can have",
            file.display()
        );
        return Err(with_hint(error, "give the layer one: --layer NAME"));
    }
    Ok(Incoming {
        file: file.to_owned(),
        grid: checked.name().to_owned(),
        is_exact: checked.is_exact(),
        layer,
        spool,
    })
}

fn explain(error: temporal_vdb::Error) -> anyhow::Error {
    match error {
        temporal_vdb::Error::NotALayer { .. } if error.to_string().contains("name one of") => {
            with_hint(error, "--grid NAME says which one")
        }
        _ => error.into(),
    }
}

fn check_weights(checked: &VdbGrid) -> Result<()> {
    let (rows, cols) = checked.shape();
    let weights = rows as u64 * cols as u64;
    let most = if checked.is_exact() {
        MOST_STATED_WEIGHTS
    } else {
        MOST_WEIGHTS
    };
    let most = most.max(checked.voxels().saturating_mul(MOST_PER_VOXEL));
    if weights <= most {
        return Ok(());
    }
    let error = anyhow!(
        "{}: grid '{}' reaches to row {}, column {} with {}: a matrix of that size is not made of it",
        checked.path().display(),
        checked.name().escape_debug(),
        rows - 1,
        cols - 1,
        counted(checked.voxels(), "voxel")
    );
    Err(with_hint(error, "is there a voxel far from the others?"))
}

/// What is said of a layer that was imported.
struct Report {
    file: String,
    grid: String,
    is_exact: bool,
    layer: Header,
}

impl Report {
    fn of(incoming: &Incoming) -> Self {
        Report {
            file: incoming.file.to_string_lossy().into_owned(),
            grid: incoming.grid.clone(),
            is_exact: incoming.is_exact,
            layer: incoming.layer.clone(),
        }
    }
}

fn to_text(store: &Path, layers: &[Report], size: u64) -> String {
    let mut text = String::new();
    for Report {
        file,
        layer,
        is_exact,
        ..
    } in layers
    {
        let (rows, cols) = layer.shape;
        text += &format!(
            "{file} -> {} ({rows} x {cols} {}, base at step {}, {}{})\n",
            layer.name,
            layer.dtype,
            layer.oldest,
            counted(layer.steps, "later step"),
            if *is_exact {
                ""
            } else {
                ", no layer of tvdb's own"
            }
        );
    }
    text + &format!("{}: {}\n", store.display(), bytes(size))
}

fn to_json(store: &Path, layers: &[Report], size: u64) -> String {
    let layer = |report: &Report| {
        json!({
            "file": report.file,
            "grid": report.grid,
            "exact": report.is_exact,
            "layer": report.layer.name,
            "rows": report.layer.shape.0,
            "cols": report.layer.shape.1,
            "dtype": report.layer.dtype.name(),
            "base": report.layer.oldest,
            "steps": report.layer.steps,
        })
    };
    let layers: Vec<_> = layers.iter().map(layer).collect();
    let value = json!({ "store": store.to_string_lossy(), "layers": layers, "bytes": size });
    format!("{value:#}\n")
}
