//! The dense coding of a block: each weight's mask, and each change, coded by how likely it is for
//! a weight of its size and past. Smaller than the fast coding, and slower to read and to write.
//!
//! A block is of one tile. What the decoder knows of a weight before it decodes something of it is
//! a *context* (`contexts`); contexts share tables of frequencies, in a *codebook* that several
//! groups may have in common. A *census* of what comes in which context leads to one. The order in
//! which things are coded is that of a *walk*.

mod bits;
mod census;
mod codebook;
mod contexts;
mod decode;
mod encode;
mod number;
mod rans;
mod walk;

pub(crate) use census::Census;
pub(crate) use codebook::Codebook;
pub(crate) use decode::DenseBlock;
pub(crate) use encode::DenseTile;

/// The first byte of a block.
const FORM: u8 = 4;

/// What a cell holds: nothing, weights told by the gaps between them, or the masks of all weights
/// of rows that changed.
const CELL_EMPTY: u8 = 0;
const CELL_GAPS: u8 = 1;
const CELL_ROWS: u8 = 2;

/// A stretch of slabs is coded by itself, so that a reader need not decode what comes after the
/// step that it wants: the fewest that have so many changes.
const STRETCH_CHANGES: usize = 8 << 10;

#[cfg(test)]
mod tests;
