//! What a step does to each layer, resolved against the layers that there are.

use std::collections::{HashMap, HashSet};

use super::contents::{Contribution, StepContents};
use super::heads::{Heads, LayerHead};
use crate::detect::Lattice;
use crate::error::{Error, Result};
use crate::host::nearest;
use crate::limits::MAX_STEP;
use crate::store::database::LayerRow;
use crate::store::options::Threshold;
use crate::values::{Change, Delta, SparseWeights, Tensor, fold_shape};

/// What a step does to one layer, resolved: nothing can be wrong with names and shapes any more.
pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) source: Source,
}

pub(crate) enum Source {
    /// The new state of a layer that there is.
    State(Tensor, Bound),
    Changes(Vec<TileDelta>),
    /// The first state of a new layer, or one that replaces a base.
    Base(LayerRow, BaseState),
    /// The new content of a tensor that is kept whole.
    Whole(Tensor),
}

/// How near a state must be to what is given.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    /// The largest difference that need not be recorded.
    pub(crate) error: f32,
    /// What changes are snapped to.
    pub(crate) lattice: Option<Lattice>,
}

impl Source {
    /// What its changes are snapped to.
    pub(crate) fn lattice(&self) -> Option<Lattice> {
        match self {
            Source::State(_, bound) => bound.lattice,
            _ => None,
        }
    }
}

pub(crate) enum BaseState {
    Tensor(Tensor),
    Sparse(SparseWeights),
}

/// The changes of one tile, by place.
pub(crate) struct TileDelta {
    pub(crate) tile: usize,
    pub(crate) changes: Vec<(u16, Change)>,
}

/// Checks a step against the layers that there are.
pub(super) fn resolve(heads: &Heads, contents: &StepContents) -> Result<(i32, Vec<Entry>)> {
    let step = match (contents.step, heads.latest) {
        (Some(step), _) => step,
        (None, None) => 0,
        (None, Some(latest)) => latest as usize + 1,
    };
    if contents.contributions.is_empty() {
        return Err(Error::EmptyStep { step });
    }
    if step > MAX_STEP {
        return Err(Error::InvalidStep { step });
    }
    let step = step as i32;
    let by_name: HashMap<&str, u32> = heads
        .layers
        .iter()
        .map(|head| (head.row.name.as_str(), head.row.id))
        .collect();
    let mut entries = Vec::new();
    let mut begun = Vec::new();
    for contribution in &contents.contributions {
        let Some(&id) = by_name.get(contribution.name()) else {
            let Contribution::Tensor(tensor, _) = contribution else {
                let names = heads.layers.iter().map(|head| &head.row.name);
                return Err(Error::NoSuchLayer {
                    name: contribution.name().to_owned(),
                    nearest: nearest(contribution.name(), names),
                });
            };
            if !heads.layers.is_empty() && !contents.allow_new_layers {
                return Err(Error::NewTensor {
                    name: tensor.name.clone(),
                });
            }
            begun.push(tensor);
            continue;
        };
        entries.push(resolve_known(
            &heads.layers[id as usize],
            step,
            contribution,
        )?);
    }
    for (id, tensor) in (heads.layers.len() as u32..).zip(begun) {
        entries.push(new_layer(id, step, tensor)?);
    }
    if contents.complete {
        let named: HashSet<&str> = contents
            .contributions
            .iter()
            .map(Contribution::name)
            .collect();
        if let Some(head) = heads
            .layers
            .iter()
            .find(|head| !named.contains(head.row.name.as_str()))
        {
            return Err(Error::MissingTensor {
                name: head.row.name.clone(),
            });
        }
    }
    entries.sort_unstable_by_key(|entry| entry.id);
    Ok((step, entries))
}

fn resolve_known(head: &LayerHead, step: i32, contribution: &Contribution) -> Result<Entry> {
    let row = &head.row;
    let out_of_order = || Error::StepOutOfOrder {
        step: step as usize,
        latest: head.latest as usize,
    };
    let source = match contribution {
        Contribution::Tensor(tensor, threshold) => {
            if tensor.dtype != row.dtype || tensor.shape != row.shape {
                return Err(Error::TensorMismatch {
                    name: row.name.clone(),
                    expected: format!("{} {:?}", row.dtype, row.shape),
                    found: format!("{} {:?}", tensor.dtype, tensor.shape),
                });
            }
            let fresh = !row.base && head.latest == row.oldest && step == row.oldest;
            if step <= head.latest && !fresh {
                return Err(out_of_order());
            }
            if row.matrix.is_none() {
                Source::Whole(tensor.clone())
            } else if fresh {
                Source::Base(
                    LayerRow {
                        base: true,
                        ..row.clone()
                    },
                    BaseState::Tensor(tensor.clone()),
                )
            } else {
                Source::State(tensor.clone(), bound(*threshold, tensor, head.lattice))
            }
        }
        Contribution::Changes(_, _, delta) => {
            row.check_shape(delta.shape())?;
            if step == 0 {
                return Err(Error::InvalidStep { step: 0 });
            }
            if step <= head.latest {
                return Err(out_of_order());
            }
            Source::Changes(by_tile(row, delta)?)
        }
    };
    Ok(Entry { id: row.id, source })
}

/// Changes by tile, and in each by place.
fn by_tile(layer: &LayerRow, delta: &Delta) -> Result<Vec<TileDelta>> {
    let tiling = layer.tiling();
    let mut placed = Vec::with_capacity(delta.deltas().len());
    for ((row, col), change) in delta.iter() {
        layer.check_inside((row, col))?;
        let (tile, place) = tiling.place(row as usize, col as usize);
        placed.push((tile, place, change));
    }
    placed.sort_unstable_by_key(|(tile, place, _)| (*tile, *place));
    let groups = placed.chunk_by(|a, b| a.0 == b.0);
    Ok(groups
        .map(|group| TileDelta {
            tile: group[0].0,
            changes: group
                .iter()
                .map(|(_, place, change)| (*place, *change))
                .collect(),
        })
        .collect())
}

/// A layer that a tensor begins.
fn new_layer(id: u32, step: i32, tensor: &Tensor) -> Result<Entry> {
    let matrix = if tensor.dtype.is_weights() {
        fold_shape(&tensor.shape)?
    } else {
        None
    };
    let row = LayerRow {
        id,
        name: tensor.name.clone(),
        dtype: tensor.dtype,
        shape: tensor.shape.clone(),
        matrix,
        created: step,
        oldest: step,
        base: true,
    };
    Ok(Entry {
        id,
        source: Source::Base(row, BaseState::Tensor(tensor.clone())),
    })
}

/// What a threshold comes to for a tensor, whose layer had a lattice before or not.
fn bound(threshold: Threshold, tensor: &Tensor, before: Option<Lattice>) -> Bound {
    let error = match threshold {
        Threshold::Lossless => 0.0,
        Threshold::Absolute(bound) | Threshold::SnappedAbsolute(bound) => bound,
        Threshold::Relative(share) | Threshold::SnappedRelative(share) => {
            (f64::from(share) * deviation(tensor)) as f32
        }
    };
    let lattice = if threshold.snaps() {
        Lattice::widest(error, before)
    } else {
        None
    };
    Bound { error, lattice }
}

/// The standard deviation of a tensor's finite elements.
fn deviation(tensor: &Tensor) -> f64 {
    let size = tensor.dtype.size();
    let value = |element: &[u8]| {
        let bits = element
            .iter()
            .rev()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        f64::from(tensor.dtype.widen(bits))
    };
    let values = || {
        tensor
            .data
            .chunks_exact(size)
            .map(value)
            .filter(|value| value.is_finite())
    };
    let (count, sum) = values().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    if count == 0.0 {
        return 0.0;
    }
    let mean = sum / count;
    (values()
        .map(|value| (value - mean) * (value - mean))
        .sum::<f64>()
        / count)
        .sqrt()
}
