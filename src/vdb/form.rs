//! What a grid of ours says of itself: the exact form, in which a layer comes back bit for bit.

use super::metadata::{Metadata, Value};
use super::steps;
use crate::dtype::Dtype;
use crate::limits::MAX_STEP;
use crate::values::fold_shape;

/// The version of the exact form that is written, and the only one that is read.
pub(super) const VERSION: i64 = 2;

/// What the name of the grid with a layer's exact marks ends with.
pub(super) const MARKS_SUFFIX: &str = ".exact";

pub(crate) mod keys {
    pub(crate) const FORMAT: &str = "temporal_vdb_format";
    pub(crate) const PART: &str = "temporal_vdb_part";
    pub(crate) const ROWS: &str = "temporal_vdb_rows";
    pub(crate) const COLS: &str = "temporal_vdb_cols";
    pub(crate) const DTYPE: &str = "temporal_vdb_dtype";
    pub(crate) const SHAPE: &str = "temporal_vdb_shape";
    pub(crate) const OLDEST: &str = "temporal_vdb_oldest";
    pub(crate) const STEPS: &str = "temporal_vdb_steps";
    pub(crate) const Z: &str = "temporal_vdb_z";
    pub(crate) const MARKS: &str = "temporal_vdb_marks";
    pub(crate) const DIGEST: &str = "temporal_vdb_digest";
    pub(crate) const PICTURE: &str = "temporal_vdb_picture";
    pub(crate) const CREATOR: &str = "creator";
}

/// The two parts that a layer's file has: base and changes, and the exact marks, if there are any.
pub(crate) const CHANGES: &str = "changes";
const MARKS_PART: &str = "marks";

/// What z is, besides the base's 0: the step itself, or its place in the list of steps.
const TIMESTEP: &str = "timestep";
const ORDINAL: &str = "ordinal";

/// A layer in the exact form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form {
    pub(crate) rows: i32,
    pub(crate) cols: i32,
    /// The type of the weights, and the shape of the tensor that the matrix is made of.
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// The base's label.
    pub(crate) oldest: i32,
    pub(crate) steps: Vec<i32>,
    /// Whether z is a step's place in the list, from 1 on, and not the step.
    pub(crate) ordinal: bool,
    /// How many exact marks the companion grid holds; there is none where it is 0.
    pub(crate) marks: u64,
}

impl Form {
    /// The entries that are texts, in the order in which they are digested.
    pub(crate) fn texts(&self) -> [(&'static str, String); 5] {
        let axes: Vec<_> = self.shape.iter().map(usize::to_string).collect();
        let z = if self.ordinal { ORDINAL } else { TIMESTEP };
        [
            (keys::DTYPE, self.dtype.name().to_owned()),
            (keys::SHAPE, axes.join(",")),
            (keys::OLDEST, self.oldest.to_string()),
            (keys::STEPS, steps::to_text(&self.steps)),
            (keys::Z, z.to_owned()),
        ]
    }

    /// What is digested before the voxels: the values of the entries, a line each.
    pub(crate) fn digested(&self) -> String {
        let mut text = format!("{}\n{}\n", self.rows, self.cols);
        for (_, value) in self.texts() {
            text += &value;
            text.push('\n');
        }
        text + &format!("{}\n", self.marks)
    }
}

/// What a float grid is to us.
pub(super) enum Kind {
    /// A grid of any program.
    Plain,
    /// A layer of ours, or what names itself one.
    Layer,
    /// The exact marks of one.
    Marks,
    /// What is to be looked at.
    Picture,
}

impl Kind {
    /// Programs that merge grids give each of them the keys of all, with 0 or an empty text for what a
    /// grid did not have: that is as if there were none.
    pub(super) fn of(metadata: &Metadata) -> Self {
        if matches!(metadata.get(keys::PICTURE), Some(Value::Int(set)) if *set != 0) {
            return Kind::Picture;
        }
        if !metadata.has_ours() {
            return Kind::Plain;
        }
        match metadata.get(keys::PART) {
            Some(Value::Text(part)) if part == MARKS_PART => Kind::Marks,
            _ => Kind::Layer,
        }
    }
}

/// Reads what a layer's grid says; what is wrong is said.
pub(super) fn read(metadata: &Metadata) -> Result<(Form, u64), String> {
    let version = int(metadata, keys::FORMAT)?;
    if version != VERSION {
        return Err(format!(
            "has format version {version}, and version {VERSION} is the one that is read: export the layer again"
        ));
    }
    let side = |key| {
        let size = int(metadata, key)?;
        match i32::try_from(size) {
            Ok(size) if size >= 1 => Ok(size),
            _ => Err(format!("says that its shape is {size} in '{key}'")),
        }
    };
    let (rows, cols) = (side(keys::ROWS)?, side(keys::COLS)?);
    let name = text(metadata, keys::DTYPE)?;
    let dtype = Dtype::from_name(name).filter(|dtype| dtype.is_weights());
    let dtype = dtype.ok_or_else(|| format!("has weights of type '{}'", name.escape_debug()))?;
    let axes = text(metadata, keys::SHAPE)?;
    let shape: Option<Vec<usize>> = axes
        .split(',')
        .filter(|_| !axes.is_empty())
        .map(|axis| usize::try_from(steps::label(axis)?).ok())
        .collect();
    let shape = shape
        .filter(|shape| fold_shape(shape).is_ok_and(|folded| folded == Some((rows, cols))))
        .ok_or_else(|| {
            format!(
                "says that its tensor has shape '{}', which is no matrix of {rows} x {cols}",
                axes.escape_debug()
            )
        })?;
    let oldest = text(metadata, keys::OLDEST)?;
    let oldest = steps::label(oldest)
        .filter(|label| *label <= MAX_STEP as u64)
        .ok_or_else(|| format!("says that its base is step '{}'", oldest.escape_debug()))?;
    let steps = steps::from_text(text(metadata, keys::STEPS)?, oldest as i32)?;
    let ordinal = match text(metadata, keys::Z)? {
        TIMESTEP => false,
        ORDINAL => true,
        other => return Err(format!("says that z is '{}'", other.escape_debug())),
    };
    let marks = int(metadata, keys::MARKS)?;
    let marks = u64::try_from(marks).map_err(|_| format!("says that it has {marks} marks"))?;
    let digest = text(metadata, keys::DIGEST)?;
    let digest = (digest.len() == 16)
        .then(|| u64::from_str_radix(digest, 16).ok())
        .flatten()
        .ok_or_else(|| format!("has the digest '{}'", digest.escape_debug()))?;
    let form = Form {
        rows,
        cols,
        dtype,
        shape,
        oldest: oldest as i32,
        steps,
        ordinal,
        marks,
    };
    Ok((form, digest))
}

fn int(metadata: &Metadata, key: &str) -> Result<i64, String> {
    match metadata.get(key) {
        Some(Value::Int(number)) => Ok(*number),
        _ => Err(format!("has no whole number '{key}'")),
    }
}

fn text<'a>(metadata: &'a Metadata, key: &str) -> Result<&'a str, String> {
    match metadata.get(key) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(format!("has no text '{key}'")),
    }
}
