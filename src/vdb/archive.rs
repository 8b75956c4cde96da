//! The head of a file, and the list of its grids.

use super::metadata::Metadata;
use super::source::{Source, shown};
use super::transform;
use super::tree::{self, Tree};
use crate::error::Result;

const MAGIC: i64 = 0x5644_4220;

/// The formats whose trees are written alike: since OpenVDB 1.2, up to OpenVDB 13.
const FORMATS: std::ops::RangeInclusive<u32> = 222..=225;

/// The only type of grid that is read, and what its name ends with where values are halves.
const FLOAT_GRID: &str = "Tree_float_5_4_3";
const HALVES: &str = "_HalfFloat";

/// What a unique name has between the grid's own name and its number.
const SEPARATOR: char = '\u{1e}';

/// A grid as the file lists it.
pub(super) struct Entry {
    pub(super) name: String,
    unique_name: String,
    pub(super) type_name: String,
    /// The unique name of the grid whose tree this one shares; empty where it has its own.
    parent: String,
    /// Whether values are kept in 16 bits.
    pub(super) half: bool,
    /// Of float grids alone.
    float: Option<FloatGrid>,
}

/// What a float grid has before its tree.
struct FloatGrid {
    metadata: Metadata,
    compression: u32,
    /// Where the tree is: its structure, and the values of its leaves behind that.
    tree: u64,
    values: Option<u64>,
    end: Option<u64>,
}

/// The bytes of a tree in a file, checked.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct TreeBytes {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) compression: u32,
    pub(crate) half: bool,
}

pub(super) struct Archive {
    pub(super) source: Source,
    pub(super) entries: Vec<Entry>,
}

impl Entry {
    pub(super) fn is_float(&self) -> bool {
        self.float.is_some()
    }

    pub(super) fn metadata(&self) -> Option<&Metadata> {
        self.float.as_ref().map(|float| &float.metadata)
    }
}

impl Archive {
    /// Reads all but the trees.
    pub(super) fn read(mut source: Source) -> Result<Self> {
        let has_offsets = header(&mut source)?;
        Metadata::read(&mut source, "the file's metadata")?;
        let count = source.i32("the number of grids")?;
        // The least that a grid takes: three texts, three places, and two counts.
        let least = 3 * 4 + 3 * 8 + 2 * 4;
        if count < 0 || count as u64 * least > source.left() {
            return Err(source.refuse(format!(
                "the file is damaged: it says that it holds {count} grids"
            )));
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(entry(&mut source, has_offsets)?);
        }
        Ok(Archive { source, entries })
    }

    /// Checks the tree of a float grid, every count and size in it.
    pub(super) fn check_tree(&mut self, index: usize) -> Result<(TreeBytes, Tree)> {
        let entry = &self.entries[self.owner(index)?];
        let Some(float) = &entry.float else {
            return Err(self
                .source
                .refuse(format!("grid '{}' is no float grid", shown(&entry.name))));
        };
        self.source
            .within(float.tree, float.end.unwrap_or(self.source.size()))?;
        let tree = tree::check(
            &mut self.source,
            &entry.name,
            float.compression,
            entry.half,
            float.values,
        )?;
        if float.end.is_some() && self.source.left() > 0 {
            return Err(self.source.refuse(format!(
                "the file is damaged: grid '{}' ends {} bytes before the place that it names",
                shown(&entry.name),
                self.source.left()
            )));
        }
        let bytes = TreeBytes {
            begin: float.tree,
            end: self.source.at(),
            compression: float.compression,
            half: entry.half,
        };
        Ok((bytes, tree))
    }

    /// The grid that has the tree of a grid.
    fn owner(&self, index: usize) -> Result<usize> {
        let entry = &self.entries[index];
        if entry.parent.is_empty() {
            return Ok(index);
        }
        let owner = self.entries.iter().position(|other| {
            other.unique_name == entry.parent && other.parent.is_empty() && other.half == entry.half
        });
        owner.ok_or_else(|| {
            self.source.refuse(format!(
                "grid '{}' shares the tree of a grid that the file does not hold",
                shown(&entry.name)
            ))
        })
    }
}

/// Whether the places of grids are in the file.
fn header(source: &mut Source) -> Result<bool> {
    let what = "the head of a .vdb file";
    if source.size() < 8 || source.i64(what)? != MAGIC {
        return Err(source.refuse("it is no .vdb file"));
    }
    let format = source.u32(what)?;
    if format < *FORMATS.start() {
        return Err(source.refuse(format!(
            "it has format {format}, of an OpenVDB before 1.2: save it with a newer one"
        )));
    }
    if format > *FORMATS.end() {
        return Err(source.refuse(format!(
            "it has format {format}, and {} is the newest that is known here",
            FORMATS.end()
        )));
    }
    // The library's version, and the file's own number, which is a text of 36 letters.
    source.skip(2 * 4, what)?;
    let has_offsets = source.u8(what)?;
    source.skip(36, what)?;
    match has_offsets {
        0 | 1 => Ok(has_offsets == 1),
        other => Err(source.refuse(format!(
            "the file is damaged: a flag of its head is {other}"
        ))),
    }
}

fn entry(source: &mut Source, has_offsets: bool) -> Result<Entry> {
    let what = "the list of grids";
    let unique_name = source.text(what)?;
    let name = unique_name
        .split(SEPARATOR)
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut type_name = source.text(what)?;
    let half = type_name.ends_with(HALVES);
    if half {
        type_name.truncate(type_name.len() - HALVES.len());
    }
    let parent = source.text(what)?;
    let places = [source.i64(what)?, source.i64(what)?, source.i64(what)?];
    let is_float = type_name == FLOAT_GRID;
    if !has_offsets && !is_float {
        return Err(source.refuse(format!(
            "it was streamed, so that only what stands before grid '{}', a {}, could be read: save it with vdb_write or another program as a file",
            shown(&name),
            shown(&type_name)
        )));
    }
    let end = has_offsets
        .then(|| check_places(source, &name, places, !parent.is_empty()))
        .transpose()?;
    let mut entry = Entry {
        name,
        unique_name,
        type_name,
        half,
        float: None,
        parent,
    };
    if !is_float {
        let size = source.size();
        source.within(end.unwrap_or(size), size)?;
        return Ok(entry);
    }
    let size = source.size();
    let at = source.at();
    source.within(at, end.unwrap_or(size))?;
    let compression = source.u32("how a grid is compressed")?;
    if compression > 7 {
        return Err(source.refuse(format!(
            "the file is damaged: grid '{}' is compressed in way {compression}, which does not exist",
            shown(&entry.name)
        )));
    }
    let metadata = Metadata::read(source, "a grid's metadata")?;
    entry.half |= metadata.is_true("is_saved_as_half_float");
    transform::skip(source)?;
    let tree = source.at();
    let shared = !entry.parent.is_empty();
    let values = (has_offsets && !shared).then_some(places[1] as u64);
    entry.float = Some(FloatGrid {
        metadata,
        compression,
        tree,
        values,
        end,
    });
    match end {
        Some(end) => source.within(end, size)?,
        // Where the next grid begins is known only by going through this one.
        None if !shared => {
            tree::check(source, &entry.name, compression, entry.half, None)?;
        }
        None => {}
    }
    Ok(entry)
}

/// The places of a grid's beginning, values and end lie in the file, one after the other. Gives the
/// end.
fn check_places(source: &Source, name: &str, places: [i64; 3], shared: bool) -> Result<u64> {
    let [begin, values, end] = places;
    let ordered = if shared {
        begin <= end
    } else {
        begin <= values && values <= end
    };
    if begin as u64 != source.at() || !ordered || end < 0 || end as u64 > source.size() {
        return Err(source.refuse(format!(
            "the file is damaged or cut off: grid '{}' is said to lie at bytes {begin}, {values} and {end} of {}, from {} on",
            shown(name),
            source.size(),
            source.at()
        )));
    }
    Ok(end as u64)
}
