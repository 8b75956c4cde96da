use std::path::{Path, PathBuf};

use super::archive::{Archive, Entry, TreeBytes};
use super::form::{self, Form, Kind, MARKS_SUFFIX};
use super::metadata::{NAME, Value};
use super::source::{Source, shown};
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::limits::MAX_STEP;

/// The most voxels that tiles of a grid may stand for: they take 300 MB.
const MOST_TILE_VOXELS: u64 = 1 << 26;

/// How far a layer may reach.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Extent {
    pub(crate) rows: i32,
    pub(crate) cols: i32,
    /// The largest z that a voxel may have.
    pub(crate) last_z: i32,
}

/// A grid of a `.vdb` file that could be a layer: what there is to find out without making it. Every
/// count, size and place in the file has been checked against its bytes; what is packed has not been
/// unpacked.
#[derive(Clone, Debug)]
pub struct VdbGrid {
    path: PathBuf,
    name: String,
    extent: Extent,
    voxels: u64,
    memory_bytes: u64,
    pub(crate) deltas: TreeBytes,
    pub(crate) marks: Option<TreeBytes>,
    /// Of a layer in the exact form, with the digest of its voxels.
    pub(crate) form: Option<(Form, u64)>,
}

impl VdbGrid {
    /// Checks the grid `name` of a file, or with `None` the only one that could be a layer: a layer that
    /// was exported, or any float grid whose voxels all have x, y and z of at least 0. Only its bytes and
    /// those of its exact marks are looked at. Memory is in proportion to the file's size, and small.
    ///
    /// Errors: `Io`, `NotALayer`.
    pub fn check(path: &Path, name: Option<&str>) -> Result<Self> {
        let mut archive = Archive::read(Source::open(path)?)?;
        let index = choose(&archive, name)?;
        let name = archive.entries[index].name.clone();
        let form = match kind(&archive.entries[index]) {
            Kind::Layer => Some(read_form(&archive, index)?),
            _ => None,
        };
        let (deltas, tree) = archive.check_tree(index)?;
        check_whole(&archive.source, &name, &tree)?;
        let mut grid = VdbGrid {
            path: path.to_owned(),
            extent: Extent::default(),
            voxels: tree.voxels + tree.tile_voxels,
            memory_bytes: tree.memory_bytes(),
            deltas,
            marks: None,
            form,
            name,
        };
        let Some((form, _)) = &grid.form else {
            grid.extent = bounds(&archive.source, &grid.name, &tree)?;
            return Ok(grid);
        };
        grid.extent = Extent {
            rows: form.rows,
            cols: form.cols,
            last_z: match form.steps.last() {
                None => 0,
                Some(_) if form.ordinal => form.steps.len() as i32,
                Some(last) => *last,
            },
        };
        if form.marks > 0 {
            let companion = companion(&archive, &grid.name, form.marks)?;
            let (bytes, tree) = archive.check_tree(companion)?;
            let own = archive.entries[companion].name.clone();
            check_whole(&archive.source, &own, &tree)?;
            grid.voxels += tree.voxels + tree.tile_voxels;
            grid.memory_bytes += tree.memory_bytes();
            grid.marks = Some(bytes);
        }
        Ok(grid)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The grid's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a layer in the exact form, which comes back bit for bit.
    pub fn is_exact(&self) -> bool {
        self.form.is_some()
    }

    /// Rows and columns: what a layer says, or where the voxels of another grid end.
    pub fn shape(&self) -> (i32, i32) {
        (self.extent.rows, self.extent.cols)
    }

    /// Active voxels, exact marks among them, each tile counted as all that it stands for.
    pub fn voxels(&self) -> u64 {
        self.voxels
    }

    /// How many steps after the base it can hold at most.
    pub fn most_steps(&self) -> u64 {
        match &self.form {
            Some((form, _)) => form.steps.len() as u64,
            None => self.voxels,
        }
    }

    /// Bytes of memory that its nodes take at most, once it is read.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// How far its voxels may reach.
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// What is wrong with the file.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> Error {
        super::source::refusal(&self.path, reason)
    }
}

fn kind(entry: &Entry) -> Kind {
    entry.metadata().map_or(Kind::Plain, Kind::of)
}

/// The grid to read.
fn choose(archive: &Archive, name: Option<&str>) -> Result<usize> {
    let refuse = |reason: String| Err(archive.source.refuse(reason));
    let entries = &archive.entries;
    let floats = || (0..entries.len()).filter(|&i| entries[i].is_float());
    let found: Vec<usize> = match name {
        Some(name) => floats().filter(|&i| entries[i].name == name).collect(),
        None => floats()
            .filter(|&i| matches!(kind(&entries[i]), Kind::Plain | Kind::Layer))
            .collect(),
    };
    match (&found[..], name) {
        (&[index], _) => match kind(&entries[index]) {
            Kind::Plain | Kind::Layer => Ok(index),
            Kind::Marks => refuse(marks_alone(&entries[index].name)),
            Kind::Picture => refuse(picture(&entries[index].name)),
        },
        ([], Some(name)) => {
            let other = entries.iter().find(|entry| entry.name == name);
            refuse(match other {
                Some(other) => format!(
                    "grid '{}' is a {}, not a float grid",
                    shown(name),
                    shown(&other.type_name)
                ),
                None if entries.is_empty() => "the file holds no grid".to_owned(),
                None => format!(
                    "the file holds no grid '{}', but {}",
                    shown(name),
                    list(entries.iter())
                ),
            })
        }
        ([], None) => {
            let first = floats()
                .next()
                .map(|i| (kind(&entries[i]), &entries[i].name));
            refuse(match first {
                Some((Kind::Picture, name)) => picture(name),
                Some((_, name)) => marks_alone(name),
                None if entries.is_empty() => "the file holds no grid".to_owned(),
                None => format!(
                    "the file holds no float grid, but {}",
                    entries
                        .iter()
                        .take(SHOWN)
                        .map(|entry| format!(
                            "'{}', a {}",
                            shown(&entry.name),
                            shown(&entry.type_name)
                        ))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            })
        }
        (several, _) => {
            let first = &entries[several[0]].name;
            if several.iter().all(|&i| entries[i].name == *first) {
                return refuse(namesakes(first, several.len()));
            }
            refuse(format!(
                "the file holds several grids, name one of {}",
                list(several.iter().map(|&i| &entries[i]))
            ))
        }
    }
}

/// How many names an error lists.
const SHOWN: usize = 20;

fn list<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let mut names: Vec<_> = entries
        .map(|entry| format!("'{}'", shown(&entry.name)))
        .collect();
    let left = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let mut text = names.join(", ");
    if left > 0 {
        text += &format!(" and {left} more");
    }
    text
}

fn namesakes(name: &str, count: usize) -> String {
    format!(
        "the file holds {count} grids named '{}': give each a name of its own",
        shown(name)
    )
}

fn picture(name: &str) -> String {
    format!(
        "grid '{}' is a picture made by `tvdb export`: export with --exact to get a file that can be read back",
        shown(name)
    )
}

fn marks_alone(name: &str) -> String {
    format!(
        "grid '{}' holds exact marks of a layer, and is none itself",
        shown(name)
    )
}

fn read_form(archive: &Archive, index: usize) -> Result<(Form, u64)> {
    let entry = &archive.entries[index];
    let name = shown(&entry.name);
    let metadata = entry.metadata().ok_or(Error::OutOfMemory)?;
    let read = form::read(metadata)
        .map_err(|why| archive.source.refuse(format!("grid '{name}' {why}")))?;
    check_not_half(archive, index)?;
    if let Some(Value::Text(other)) = metadata.get(NAME)
        && *other != entry.name
    {
        return Err(archive.source.refuse(format!(
            "the file is damaged: grid '{name}' is named '{}' too",
            shown(other)
        )));
    }
    Ok(read)
}

fn check_not_half(archive: &Archive, index: usize) -> Result<()> {
    let entry = &archive.entries[index];
    if !entry.half {
        return Ok(());
    }
    Err(archive.source.refuse(format!(
        "grid '{}' was saved with 16-bit floats, so that its weights are not what was exported: save it with 32-bit floats, or export it again",
        shown(&entry.name)
    )))
}

/// The grid with the marks of a layer.
fn companion(archive: &Archive, name: &str, marks: u64) -> Result<usize> {
    let wanted = format!("{name}{MARKS_SUFFIX}");
    let entries = &archive.entries;
    let found: Vec<usize> = (0..entries.len())
        .filter(|&i| entries[i].name == wanted && matches!(kind(&entries[i]), Kind::Marks))
        .collect();
    match found[..] {
        [index] => check_not_half(archive, index).map(|()| index),
        [] => Err(archive.source.refuse(format!(
            "grid '{}' has {marks} exact marks, and the file has no grid '{}' that holds them: without those its weights would be wrong (was one of the two renamed or left out?)",
            shown(name),
            shown(&wanted)
        ))),
        _ => Err(archive.source.refuse(namesakes(&wanted, found.len()))),
    }
}

/// What each tree has to be before OpenVDB reads it.
fn check_whole(source: &Source, name: &str, tree: &Tree) -> Result<()> {
    if tree.background != 0.0 {
        return Err(source.refuse(format!(
            "grid '{}' has background {}, not 0",
            shown(name),
            tree.background
        )));
    }
    if tree.tile_voxels > MOST_TILE_VOXELS {
        return Err(source.refuse(format!(
            "grid '{}' has tiles that stand for {} voxels, and {MOST_TILE_VOXELS} is the most that is read",
            shown(name),
            tree.tile_voxels
        )));
    }
    Ok(())
}

/// How far a grid reaches that does not say it.
fn bounds(source: &Source, name: &str, tree: &Tree) -> Result<Extent> {
    let name = shown(name);
    let Some([(first_x, last_x), (first_y, last_y), (first_z, last_z)]) = tree.bounds else {
        return Err(source.refuse(format!("grid '{name}' holds no voxel and says no shape")));
    };
    if first_x < 0 || first_y < 0 || first_z < 0 {
        return Err(source.refuse(format!(
            "grid '{name}' has voxels from row {first_x}, column {first_y}, step {first_z} on, below (0, 0, 0)"
        )));
    }
    let side = |last: i64, what: &str| {
        i32::try_from(last + 1)
            .map_err(|_| source.refuse(format!("grid '{name}' has more than 2^31 - 1 {what}")))
    };
    let (rows, cols) = (side(last_x, "rows")?, side(last_y, "columns")?);
    if last_z > MAX_STEP as i64 {
        return Err(source.refuse(format!(
            "grid '{name}' has voxels at z = {last_z}, and steps end at {MAX_STEP}"
        )));
    }
    Ok(Extent {
        rows,
        cols,
        last_z: last_z as i32,
    })
}
